"""`svta regen`: decisions about takes, and that labels and the release follow the clips."""

from typing import Any

import polars as pl
import pytest

from svta_assets.gates import load_thresholds
from svta_assets.regeneration.settle import labels_are_behind, release_is_behind
from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import project_clips
from svta_assets.videos.takes import promote
from svta_cli.runs import RunFailed
from svta_models.release import release_log
from svta_resources.profiles import Home
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory


class Recorder:
    """Stands where the runner does; `labels` and `organize` have the effect of the real ones on the toy home."""

    def __init__(self, toy: ToyCategory) -> None:
        self.toy, self.ran = toy, []  # type: ignore[var-annotated]

    def run(self, job: str, partition: str | None = None, assets: Any = None, config: Any = None) -> None:
        self.ran.append((job, partition, *(assets or ())))
        if job == "organize":
            release_of(self.toy)


@pytest.fixture
def manual(home: Home) -> ToyCategory:
    """A released category whose new takes wait for a person."""
    toy = ToyCategory(home.path, CAPTIONS, promote="manual")
    toy.run()
    release_of(toy)
    return toy


@pytest.fixture
def quick(manual: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Replaces Dagster: what would run is recorded."""
    recorder = Recorder(manual)

    class Opened:
        def __enter__(self) -> Recorder:
            return recorder

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("svta_cli.runs.open_runner", lambda **_: Opened())
    return recorder


def _new_takes_promoted(toy: ToyCategory) -> None:
    """What a run of `videos` does where new takes are promoted at once; labels and release know nothing of it yet."""
    toy.run(Mode.NEW_TAKE)
    promote(toy.work.catalog, CATEGORY, by="auto")
    project_clips(toy.work.catalog, CATEGORY, load_thresholds("demo"))


def test_promoting_makes_candidates_current_and_labels_and_release_follow(
    manual: ToyCategory, quick: Recorder, svta: Svta
) -> None:
    first = release_log(manual.work.store)[-1].hash
    manual.run(Mode.NEW_TAKE)
    code, out, _ = svta("regen", CATEGORY, "--promote", "--by", "ann")
    assert code == 0
    assert f"{CATEGORY}: 12 candidates promoted by ann" in out
    assert set(manual.current.values()) == {f"{pair}-1" for pair in CAPTIONS}
    assert quick.ran == [("generate", CATEGORY, "labels"), ("organize", None)]
    second = release_log(manual.work.store)[-1].hash
    assert f"release: {second} (before: {first})" in out
    assert set(manual.work.catalog.read("promotions", CATEGORY)["by"]) == {"ann"}

    code, out, _ = svta("regen", CATEGORY, "--rollback")
    assert code == 0
    assert release_log(manual.work.store)[-1].hash == first, "the first hash again"
    assert f"release: {first} (before: {second})" in out


def test_only_the_chosen_pairs_are_promoted(manual: ToyCategory, quick: Recorder, svta: Svta) -> None:
    manual.run(Mode.NEW_TAKE)
    out = svta("regen", CATEGORY, "--promote", "--only", "p1")[1]
    assert {pair for pair, clip in manual.current.items() if clip.endswith("-1")} == {"p1"}
    assert "11 candidates waiting" in out
    assert f"svta regen {CATEGORY} --promote" in out


def test_discarding_changes_nothing_that_stands(manual: ToyCategory, quick: Recorder, svta: Svta) -> None:
    before = manual.current
    manual.run(Mode.NEW_TAKE)
    out = svta("regen", CATEGORY, "--discard")[1]
    assert "12 candidates discarded" in out
    assert "(unchanged)" in out
    assert manual.current == before
    assert quick.ran == []


def test_new_takes_that_wait_run_nothing_further(manual: ToyCategory, quick: Recorder, svta: Svta) -> None:
    out = svta("regen", CATEGORY)[1]
    assert quick.ran == [("regenerate", None)]
    assert "(unchanged)" in out


def test_nothing_to_roll_back_is_said(manual: ToyCategory, quick: Recorder, svta: Svta) -> None:
    code, _, err = svta("regen", CATEGORY, "--rollback")
    assert code == 1
    assert "no promotion to roll back" in err


def test_a_run_that_fails_half_way_is_settled_and_still_a_failure(
    manual: ToyCategory, quick: Recorder, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = quick.run

    def failing(job: str, *arguments: Any, **settings: Any) -> None:
        recorded(job, *arguments, **settings)
        if job == "regenerate":
            _new_takes_promoted(manual)
            raise RunFailed("run 1234 (regenerate) failed in the third category")

    monkeypatch.setattr(quick, "run", failing)
    code, out, err = svta("regen", CATEGORY)
    assert code == 1
    assert "third category" in err
    assert quick.ran == [("regenerate", None), ("generate", CATEGORY, "labels"), ("organize", None)]
    assert f"{CATEGORY}: 12 current clips (12 of take 1)" in out


def test_a_killed_regeneration_is_made_good_by_the_next(manual: ToyCategory, quick: Recorder, svta: Svta) -> None:
    """Clips changed, then the process died before labels and release followed."""
    _new_takes_promoted(manual)
    assert svta("regen", CATEGORY, "--mode", "missing")[0] == 0
    assert quick.ran == [("regenerate", None), ("generate", CATEGORY, "labels"), ("organize", None)]
    assert svta("regen", CATEGORY, "--mode", "missing")[0] == 0
    assert quick.ran[3:] == [("regenerate", None)], "nothing is behind any more"


def test_before_the_first_release_none_is_written(home: Home, svta: Svta, quick: Recorder) -> None:
    quick.toy.work.store.delete([item.key for item in quick.toy.work.store.list("releases")])
    out = svta("regen", CATEGORY)[1]
    assert ("organize", None) not in quick.ran
    assert "release: none yet" in out


def test_a_release_is_behind_when_a_clip_has_other_bytes(manual: ToyCategory) -> None:
    work = manual.work
    assert not release_is_behind(work)
    rows = work.catalog.read("clips", CATEGORY)
    other = pl.when(pl.col("clip_id") == "p1-0").then(pl.lit("0" * 64)).otherwise("sha256")
    work.catalog.publish("clips", CATEGORY, rows.with_columns(sha256=other))
    assert release_is_behind(work)
    assert not labels_are_behind(work, CATEGORY)
