"""`svta gc` shows before it deletes, and never takes what a release, a rollback or the next take's number needs."""

import socket
import subprocess
import time

import pytest

from svta_assets.videos.plan import BASE_SEED, Mode
from svta_assets.videos.takes import rollback
from svta_cli.garbage import DAMAGED_KEPT_S, YOUNGEST_S, find_waste
from svta_models.identity import take_seed
from svta_models.media_store import PART_SUFFIX
from svta_models.release import ReleaseError, release_log
from svta_resources.catalog import SUPERSEDED_GRACE_S
from svta_resources.profiles import Home
from svta_resources.video.shared_store import FOLDER, shared
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory

LATER = YOUNGEST_S + 60


def _waste(toy: ToyCategory, after_s: float = LATER, reason: str | None = None) -> list[str]:
    found = find_waste(toy.work, time.time() + after_s)
    return [entry.item.key for entry in found if reason in (None, entry.reason)]


def _clips(toy: ToyCategory, after_s: float = LATER) -> set[str]:
    """Clip ids of the mp4s that would go."""
    keys = [key for key in _waste(toy, after_s, "replaced take") if key.endswith(".mp4")]
    return {"-".join(key.rsplit("/", 1)[-1].split("-")[:2]) for key in keys}


def _ids(take: int) -> set[str]:
    return {f"{pair}-{take}" for pair in CAPTIONS}


def test_a_home_in_use_has_no_waste(released: ToyCategory, svta: Svta) -> None:
    assert _waste(released) == []
    assert svta("gc") == (0, "nothing to delete\n", "")


def test_what_the_next_rollback_restores_is_kept_and_older_takes_go(toy: ToyCategory) -> None:
    toy.run(Mode.NEW_TAKE)
    assert _clips(toy) == set(), "take 0 is what a rollback restores"
    toy.run(Mode.NEW_TAKE)
    assert _clips(toy) == _ids(0)
    assert _clips(toy, after_s=60) == set(), "nothing younger than a day"


def test_takes_that_were_rolled_back_go(toy: ToyCategory, svta: Svta) -> None:
    toy.run(Mode.NEW_TAKE)
    assert svta("regen", CATEGORY, "--rollback")[0] == 0
    assert _clips(toy) == _ids(1)


def test_what_a_release_names_is_kept(toy: ToyCategory) -> None:
    release_of(toy)
    for _ in range(2):
        toy.run(Mode.NEW_TAKE)
    assert _clips(toy) == set()


def test_candidates_are_kept_and_discarded_ones_go(home: Home, svta: Svta) -> None:
    toy = ToyCategory(home.path, CAPTIONS, promote="manual")
    toy.run()
    toy.run(Mode.NEW_TAKE)
    assert _clips(toy) == set()
    svta("regen", CATEGORY, "--discard", "--by", "ann")
    assert _clips(toy) == _ids(1)


def test_a_candidate_is_kept_although_a_later_take_was_rejected(home: Home) -> None:
    toy = ToyCategory(home.path, CAPTIONS, promote="manual")
    toy.run()
    toy.run(Mode.NEW_TAKE)
    toy.generator.style, toy.generator.still_share = "fancy", 100
    toy.run(Mode.STALE)
    assert dict(toy.clips.select("take", "status").unique().iter_rows())[2] == "rejected"
    assert _clips(toy) == set()


def test_rejected_takes_stay_while_they_are_needed(toy: ToyCategory) -> None:
    """A rejected last take keeps its number taken; once a later one stands, it goes."""
    toy.generator.still = [(CAPTIONS["p1"], take_seed(BASE_SEED, 1))]
    toy.run(Mode.NEW_TAKE)
    assert toy.current["p1"] == "p1-0"
    assert "p1-1" not in _clips(toy)
    for _ in range(2):
        toy.run(Mode.NEW_TAKE)
    assert toy.current["p1"] == "p1-3"
    assert {"p1-0", "p1-1"} <= _clips(toy)


def test_a_pair_with_nothing_accepted_keeps_every_take(home: Home) -> None:
    """A moved threshold may accept one of them yet."""
    toy = ToyCategory(home.path, {"p1": "A house burns."})
    toy.generator.still_share = 100
    toy.run()
    toy.run(Mode.RETRY_REJECTED)
    assert toy.clips["status"].to_list() == ["rejected", "rejected"]
    assert _clips(toy) == set()


def test_deleting_is_asked_for_and_leaves_a_clean_home(
    toy: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        toy.run(Mode.NEW_TAKE)
    current = toy.current
    real = time.time
    monkeypatch.setattr("svta_cli.gc.time.time", lambda: real() + LATER)
    code, out, _ = svta("gc")
    assert code == 0
    assert "replaced take: 24 objects" in out
    assert "--yes" in out
    assert toy.clips.height == 36, "only shown"

    code, out, _ = svta("gc", "--yes")
    assert code == 0
    assert toy.current == current
    assert set(toy.clips["take"]) == {1, 2}
    assert not list((toy.work.home.path / "clips" / CATEGORY).glob("*-0-*"))
    assert toy.plan().jobs == (), "nothing of it is missing"
    assert {job.take for job in toy.plan(Mode.NEW_TAKE).jobs} == {3}
    assert svta("verify")[0] == 0
    assert rollback(toy.work.catalog, CATEGORY, by="ann") == len(CAPTIONS)


def test_an_mp4_that_a_killed_run_left_goes_after_a_day(toy: ToyCategory) -> None:
    toy.work.store.put_new(f"clips/{CATEGORY}/p1-7-0123456789ab.mp4", b"an mp4")
    assert _waste(toy, 60, "mp4 without a recipe card") == []
    assert _waste(toy, LATER, "mp4 without a recipe card") == [f"clips/{CATEGORY}/p1-7-0123456789ab.mp4"]


def test_a_lost_clips_card_stays_so_that_it_can_be_made_again(toy: ToyCategory) -> None:
    toy.file("p3-0").unlink()
    assert _waste(toy) == []
    assert [job.clip_id for job in toy.plan().jobs] == ["p3-0"]


def test_damaged_files_go_after_a_week(toy: ToyCategory) -> None:
    toy.work.store.put(f"damaged/clips/{CATEGORY}/x.mp4", b"half")
    assert _waste(toy, DAMAGED_KEPT_S - 60) == []
    assert _waste(toy, DAMAGED_KEPT_S + 60) == [f"damaged/clips/{CATEGORY}/x.mp4"]


def test_the_probe_of_a_killed_run_on_a_cluster_goes_after_a_day(toy: ToyCategory, svta: Svta) -> None:
    with shared(dict, toy.work.store.url) as factory:
        copy = toy.work.store.get(factory.key)
    toy.work.store.put(factory.key, copy)  # a killed run does not remove it
    assert svta("verify")[0] == 0
    assert _waste(toy, YOUNGEST_S - 60) == []
    assert _waste(toy, LATER) == [factory.key]


def test_a_run_that_goes_on_for_days_keeps_its_probe(toy: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svta_resources.video.shared_store.RENEWED_EVERY_S", 0.02)
    with shared(dict, toy.work.store.url) as factory:
        toy.work.store.delete([factory.key])
        until = time.monotonic() + 20
        while not toy.work.store.exists(factory.key) and time.monotonic() < until:
            time.sleep(0.01)
        assert factory() == {}
    assert toy.work.store.list(FOLDER) == []


def test_metadata_goes_when_it_has_been_superseded_for_longer_than_a_query_lasts(toy: ToyCategory) -> None:
    for name in ("one", "two"):
        toy.work.catalog.publish("labels", CATEGORY, [{"pair_id": "p1", "category": CATEGORY, "name": name}])
    (newest,) = toy.work.catalog.files("labels")
    assert _waste(toy, SUPERSEDED_GRACE_S - 60, "superseded metadata") == []
    old = [key for key in _waste(toy, SUPERSEDED_GRACE_S + 60) if key.startswith("metadata/labels/")]
    assert len(old) == 1
    assert old[0] < newest.key


def test_logs_are_never_waste(toy: ToyCategory) -> None:
    for batch in ("a", "b"):
        toy.work.catalog.append("costs", "all", [{"run_id": batch, "stage": "s", "partition": "all", "at": batch}])
    assert [key for key in _waste(toy, 1e9) if "/costs/" in key] == []


def test_unfinished_files_of_dead_writers_go(toy: ToyCategory, svta: Svta) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder = toy.work.home.path / "clips" / CATEGORY
    part = folder / f".x.mp4~{socket.gethostname()}~{ended.pid}~abcd{PART_SUFFIX}"
    part.write_bytes(b"half")
    assert "unfinished files: 1" in svta("gc")[1]
    assert part.exists()
    assert "1 unfinished files" in svta("gc", "--yes")[1]
    assert not part.exists()


def test_with_an_unreadable_release_nothing_is_judged(released: ToyCategory, svta: Svta) -> None:
    digest = release_log(released.work.store)[-1].hash
    path = released.work.store.local_path(f"releases/{digest}.parquet")
    assert path is not None
    path.write_bytes(b"PAR1")
    with pytest.raises(ReleaseError):
        find_waste(released.work, time.time())
    code, _, err = svta("gc", "--yes")
    assert code == 1
    assert digest in err
