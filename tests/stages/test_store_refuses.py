"""A store that goes away ends a run, whichever clip it refuses: no clip is rejected for it, and a re-run continues."""

from pathlib import Path

import pytest

from svta_assets.videos.plan import Mode
from svta_assets.videos.produce import Outcome, produce
from svta_models.media_store import FolderStore, StoreError
from svta_models.s3_client import NoCredentials
from svta_resources.video.clip_worker import ClipWorker
from svta_resources.video.pool import InlinePool
from tests.stages.toy_category import CATEGORY, ToyCategory

CAPTIONS = {"p1": "A house burns.", "p2": "A car burns.", "p3": "A forest burns."}


class Outage(FolderStore):
    """A folder in which reading or writing one object fails, as in a bucket that cannot be reached."""

    def __init__(self, root: Path, call: str, part: str, kind: str = "", error: type[Exception] = StoreError) -> None:
        super().__init__(root)
        self._call, self._part, self._kind, self._error = call, part, kind, error

    def get(self, key: str) -> bytes:
        self._look("get", key)
        return super().get(key)

    def put_new(self, key: str, data: bytes) -> str:
        self._look("put_new", key)
        return super().put_new(key, data)

    def _look(self, call: str, key: str) -> None:
        if call == self._call and self._part in key and key.endswith(self._kind):
            raise self._error(f"{key} failed: nobody answers")


def _run(toy: ToyCategory, store: FolderStore) -> Outcome:
    pool = InlinePool(lambda: ClipWorker(toy.generator, store, "toy"))
    return produce(toy.work, toy.category, Mode.MISSING, None, pool, lambda done, total: None)


def _rejects(toy: ToyCategory) -> int:
    return toy.work.catalog.read("rejects", f"videos.{toy.category}").height


@pytest.mark.parametrize("kind", [".mp4", ".json"])
@pytest.mark.parametrize(("clip", "made"), [("p1-0", 0), ("p2-0", 1), ("p3-0", 2)], ids=["first", "second", "last"])
def test_a_refused_clip_ends_the_run_and_is_no_reject(tmp_path: Path, clip: str, made: int, kind: str) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    with pytest.raises(StoreError, match=rf"{clip}-\w+{kind} failed: nobody answers"):
        _run(toy, Outage(tmp_path, "put_new", clip, kind))
    assert (toy.clips.height, _rejects(toy)) == (made, 0)
    assert toy.run().made == 3 - made
    assert toy.clips["status"].to_list() == ["accepted"] * 3


def test_a_clip_to_copy_that_cannot_be_read_ends_the_run(tmp_path: Path) -> None:
    ToyCategory(tmp_path, {"a": "Fire."}).run()
    second = ToyCategory(tmp_path, {"z": "Fire."}, category="explosion")
    with pytest.raises(StoreError, match="nobody answers"):
        _run(second, Outage(tmp_path, "get", f"clips/{CATEGORY}"))
    assert (second.clips.height, _rejects(second)) == (0, 0)
    second.run()
    assert second.clips["same_pixels_as"].to_list() == ["a-0"]


def test_credentials_that_are_gone_end_the_run(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    with pytest.raises(StoreError, match="nobody answers"):
        _run(toy, Outage(tmp_path, "put_new", "p3-0", error=NoCredentials))
    assert (toy.clips.height, _rejects(toy)) == (2, 0)


def test_nothing_is_rendered_after_a_refusal(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    worker = ClipWorker(toy.generator, Outage(tmp_path, "put_new", "p1-0"), "toy")
    jobs = toy.plan().jobs
    answers = [worker.finish(job, worker.begin(job)) for job in jobs]
    assert toy.generator.calls == 1
    assert [type(answer).__name__ for answer in answers] == ["Refused"] * 3
