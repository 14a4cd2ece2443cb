"""`svta gc` and what must stay: whatever people, runs and chance did before, no release ever loses a clip to it."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from svta_assets.gates import load_thresholds
from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import project_clips
from svta_assets.videos.takes import candidates, discard, promote, rollback
from svta_cli.garbage import YOUNGEST_S, find_waste
from svta_cli.integrity import check_home
from svta_models.release import ReleaseError, read_rows, release_log
from svta_resources.errors import SvtaError
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory

FEW = {name: CAPTIONS[name] for name in ("p1", "p2", "p3")}
ACTS = (
    *("new_take",) * 6, *("release",) * 3, "stale", "retry_rejected", "missing", "promote", "promote", "discard",
    "rollback", "damage",
)  # fmt: skip


def _act(toy: ToyCategory, act: str, number: int) -> None:
    if act in list(Mode):
        toy.generator.style = f"style {number}" if act == "stale" else toy.generator.style
        toy.run(Mode(act))
    elif act == "release":
        release_of(toy)
    elif act == "damage":
        victims = sorted((toy.work.home.path / "clips" / CATEGORY).glob("*.mp4"))
        victims[number % len(victims)].unlink()
    else:
        decide = {"promote": promote, "discard": discard, "rollback": rollback}[act]
        try:
            decide(toy.work.catalog, CATEGORY, by="ann")
        except SvtaError:  # nothing to roll back
            return
        project_clips(toy.work.catalog, CATEGORY, load_thresholds("demo"))


def _named(toy: ToyCategory) -> set[str]:
    """Every mp4 that a release names, with its card."""
    uris = {uri for entry in release_log(toy.work.store) for uri in read_rows(toy.work.store, entry.hash)["uri"]}
    return uris | {uri.replace(".mp4", ".json") for uri in uris}


@settings(
    max_examples=15, deadline=None, phases=[phase for phase in Phase if phase is not Phase.shrink]
)  # a shrink takes minutes
@given(
    acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), min_size=5, max_size=8),
    still_share=st.sampled_from([0, 0, 0, 40]),
    manual=st.sampled_from([False, False, True]),
    old=st.sets(st.integers(0, 60)),
    days=st.sampled_from([1.1, 1.1, 40, 0.5]),
)
def test_whatever_happened_gc_takes_nothing_that_a_release_names(
    acts: list[tuple[str, int]], still_share: int, manual: bool, old: set[int], days: float
) -> None:
    with TemporaryDirectory() as folder:
        toy = ToyCategory(Path(folder) / "home", FEW, promote="manual" if manual else "auto")
        toy.generator.still_share = still_share
        toy.run()
        for act, number in acts:
            if act != "release" or not toy.clips.filter("current").is_empty():
                _act(toy, act, number)
        for number, path in enumerate(sorted((toy.work.home.path / "clips").rglob("*.*"))):
            if number in old:
                os.utime(path, (time.time() - 3 * YOUNGEST_S,) * 2)
        problems_before = {(problem.kind, problem.what) for problem in check_home(toy.work).problems}
        before = _objects(toy)
        current, waiting = toy.current, _waiting(toy)

        now = time.time() + days * YOUNGEST_S
        waste = find_waste(toy.work, now)
        gone = {entry.item.key for entry in waste}
        assert not gone & _named(toy)
        assert all(now - entry.item.modified > YOUNGEST_S for entry in waste if entry.item.key.startswith("clips/"))
        toy.work.store.delete(entry.item.key for entry in waste)
        project_clips(toy.work.catalog, CATEGORY, load_thresholds("demo"))

        assert _objects(toy) == {key: data for key, data in before.items() if key not in gone}
        assert toy.current == current
        assert _waiting(toy) == waiting
        found = {(problem.kind, problem.what) for problem in check_home(toy.work).problems}
        assert found <= problems_before, "gc leaves nothing behind that verify would have to report"


def _objects(toy: ToyCategory) -> dict[str, bytes]:
    return {item.key: toy.work.store.get(item.key) for item in toy.work.store.list("clips")}


def _waiting(toy: ToyCategory) -> list[str]:
    rows = toy.work.catalog.read("promotions", CATEGORY)
    return sorted(candidates(toy.clips, rows)["clip_id"])


@pytest.mark.parametrize("named_by", ["log", "name", "checkpoint"])
def test_while_a_named_release_is_gone_nothing_is_judged(released: ToyCategory, svta: Svta, named_by: str) -> None:
    store, digest = released.work.store, release_log(released.work.store)[-1].hash
    store.move(f"releases/{digest}.parquet", "elsewhere.parquet")
    if named_by != "log":
        store.delete(item.key for item in store.list("releases/log"))
    if named_by == "name":
        store.put("releases/names/v1", digest.encode())
    if named_by == "checkpoint":
        row = {"checkpoint_id": "a", "model": "gram", "uri": "checkpoints/gram/a", "release": digest}
        released.work.catalog.publish("checkpoints", "gram", [row])
    with pytest.raises(ReleaseError, match=f"release {digest}, named by .*, is gone"):
        find_waste(released.work, time.time())
    assert svta("gc", "--yes")[0] == 1


def test_a_decision_of_today_keeps_every_take_of_its_pair(toy: ToyCategory) -> None:
    """A run of splits that read the tables before the decision may be about to name what stood then."""
    for _ in range(3):
        toy.run(Mode.NEW_TAKE)
    later = time.time() + YOUNGEST_S + 60
    assert any("/p1-0" in entry.item.key for entry in find_waste(toy.work, later))
    log = toy.work.catalog.read("promotions", CATEGORY)
    today = pl.from_epoch(pl.Series([int(later) - 3600])).dt.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00")[0]
    decided = log.filter(pl.col("last_take") == 3).with_columns(at=pl.lit(today)).filter(pair_id="p1")
    toy.work.catalog.append("promotions", CATEGORY, decided)
    keys = {entry.item.key for entry in find_waste(toy.work, later) if entry.reason == "replaced take"}
    assert keys and not any("/p1-" in key for key in keys)


def test_a_card_of_today_keeps_its_old_mp4(toy: ToyCategory) -> None:
    """Else the card alone would stay, and tell of a clip that is missing."""
    for _ in range(2):
        toy.run(Mode.NEW_TAKE)
    later = time.time() + YOUNGEST_S + 60
    card = toy.file("p3-0").with_suffix(".json")
    assert f"clips/{CATEGORY}/{card.name}" in {entry.item.key for entry in find_waste(toy.work, later)}
    os.utime(card, (later - 60,) * 2)
    assert not any("/p3-0" in entry.item.key for entry in find_waste(toy.work, later))
