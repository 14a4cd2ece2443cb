"""A pilot: which clips it makes, that nothing that stands changes, and what is left afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.videos.costs import PRICE_SETTING
from svta_assets.videos.pilot import pilot_metadata, pilot_pairs, project, rest_command, start_pilot
from svta_assets.videos.plan import Mode, Plan
from svta_assets.videos.produce import Outcome, produce
from svta_assets.videos.sizes import Ledger, open_ledger
from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError
from svta_resources.video.clip_worker import ClipJob, ClipWorker
from svta_resources.video.pool import InlinePool
from tests.stages.toy_category import CATEGORY, ToyCategory

CAPTIONS = {f"p{n:02d}": f"House {n} burns." for n in range(20)}
TWINS = {f"q{n}": "House 0 burns." for n in range(5)}  # the caption of p00: copies of its clip


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyCategory:
    monkeypatch.delenv(PRICE_SETTING, raising=False)
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    made = ToyCategory(tmp_path / "home", CAPTIONS | TWINS)
    profile = replace(made.work.profile, generator="toy", promote="auto")
    made.work = Workspace(replace(made.work.home, profile=profile))
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: made.generator)
    return made


def pilot(toy: ToyCategory, count: int, mode: Mode = Mode.MISSING, only: list[str] | None = None) -> Outcome:
    """What a run with `pilot` does."""
    work, pairs = start_pilot(toy.work, CATEGORY, mode, only, count)
    pool = InlinePool(lambda: ClipWorker(toy.generator, work.store, "toy"))
    return produce(work, CATEGORY, mode, pairs, pool, lambda done, total: None)


def ledger_of(toy: ToyCategory) -> Ledger:
    return open_ledger(toy.work)


# -- which clips ---------------------------------------------------------------------------------------------------


def test_a_pilot_makes_as_many_renders_as_asked_and_no_copy(toy: ToyCategory) -> None:
    outcome = pilot(toy, 4)
    assert (outcome.made, toy.generator.calls) == (4, 4)
    assert toy.clips["same_pixels_as"].null_count() == 4
    assert set(toy.clips["take"]) == {0}


def test_the_rest_is_what_a_run_without_it_makes(toy: ToyCategory) -> None:
    pilot(toy, 4)
    first = dict(toy.clips.select("clip_id", "sha256").iter_rows())
    assert toy.run().made == 21, "16 renders and 5 copies"
    assert toy.generator.calls == 20, "nothing twice"
    assert dict(toy.clips.select("clip_id", "sha256").iter_rows()).items() >= first.items()
    assert len(toy.current) == 25


def test_a_second_pilot_makes_others_and_all_of_them_spread_alike(toy: ToyCategory) -> None:
    first = pilot_pairs(toy.plan(), 8)
    assert pilot(toy, 4).made == 4
    assert pilot(toy, 4).made == 4
    assert sorted(toy.clips["pair_id"]) == first, "two of four are the eight of one"
    assert first != sorted(CAPTIONS)[:8], "not simply the first of the plan"


def test_a_pilot_larger_than_the_plan_makes_its_renders(toy: ToyCategory) -> None:
    assert pilot(toy, 1000).made == 20
    assert pilot(toy, 1000).made == 0, "only copies are left"
    assert toy.run().made == 5


def test_a_pilot_of_chosen_pairs_stays_among_them(toy: ToyCategory) -> None:
    assert pilot(toy, 2, only=["p01", "p02", "p03"]).made == 2
    assert set(toy.clips["pair_id"]) < {"p01", "p02", "p03"}


def test_a_pair_that_the_category_lacks_is_refused(toy: ToyCategory) -> None:
    with pytest.raises(SvtaError, match="fire has no pair p99"):
        pilot(toy, 2, only=["p99"])


def plan_of(renders: list[int], copies: int) -> Plan:
    """Pairs with one render or several (files of earlier takes that are gone), and copies."""
    jobs = [
        ClipJob(f"p{pair}", take, 42, CATEGORY, f"{pair}", {"pair": pair, "take": take})
        for pair, takes in enumerate(renders)
        for take in range(takes)
    ]
    jobs += [ClipJob(f"c{n}", 0, 42, CATEGORY, "0", {}, "p0-0", "p0-0.mp4") for n in range(copies)]
    return Plan(CATEGORY, Mode.MISSING, tuple(jobs), 0, {}, 0)


@given(st.lists(st.integers(1, 3), max_size=30), st.integers(0, 5), st.integers(1, 40))
def test_never_more_clips_than_asked_and_the_same_again(renders: list[int], copies: int, count: int) -> None:
    plan = plan_of(renders, copies)
    chosen = pilot_pairs(plan, count)
    assert chosen == pilot_pairs(replace(plan, jobs=tuple(reversed(plan.jobs))), count)
    made = sum(renders[int(pair[1:])] for pair in chosen)
    assert made <= count
    if max(renders, default=1) == 1:
        assert made == min(count, len(renders))


# -- nothing that stands changes -----------------------------------------------------------------------------------


def test_new_takes_of_a_pilot_wait_although_the_profile_promotes_by_itself(toy: ToyCategory) -> None:
    toy.run()
    before = toy.current
    assert pilot(toy, 4, Mode.NEW_TAKE).made == 4
    assert toy.current == before
    plan = toy.plan(Mode.NEW_TAKE)
    assert (plan.waiting, plan.renders) == (4, 16)
    rest = toy.run(Mode.NEW_TAKE)
    assert rest.made == 21, "16 renders and 5 copies"
    assert {clip.rpartition("-")[2] for clip in toy.current.values()} == {"1"}, "the rest promotes the pilot's, too"
    assert set(toy.clips["take"]) == {0, 1}, "no pair got two new takes"


def test_a_rejected_take_of_a_pilot_is_tried_again_by_the_rest(toy: ToyCategory) -> None:
    toy.run()
    toy.generator.still_share = 100
    rejected = pilot(toy, 3, Mode.NEW_TAKE)
    toy.generator.still_share = 0
    assert rejected.accepted == 25
    assert toy.run(Mode.NEW_TAKE).made == 25
    assert set(toy.current) == {*CAPTIONS, *TWINS}
    assert all(not clip.endswith("-0") for clip in toy.current.values())


def test_a_pilot_of_stale_clips_leaves_the_others_to_the_rest(toy: ToyCategory) -> None:
    toy.run()
    toy.generator.style = "fancy"
    assert pilot(toy, 4, Mode.STALE).made == 4
    assert toy.run(Mode.STALE).made == 21
    assert toy.plan(Mode.STALE).stale == {}


# -- what it says --------------------------------------------------------------------------------------------------


def test_the_projection_counts_what_is_left_at_the_yield_seen(
    toy: ToyCategory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PRICE_SETTING, "3.6")
    chosen = pilot_pairs(toy.plan(), 4)
    toy.generator.still = [(CAPTIONS[chosen[0]], 42)]
    pilot(toy, 4)
    ledger = ledger_of(toy)
    found = project(toy.work, ledger, CATEGORY, Mode.MISSING, None)
    assert (found.seen.accepted, found.seen.made) == (3, 4)
    assert (found.rest.render, found.rest.copy) == (16, 5)
    assert found.rest.device_hours == pytest.approx(16 * ledger.time.seconds / 3600)
    assert found.rest.price == pytest.approx(16 * ledger.time.seconds / 1000)
    assert found.rest.accepted is not None
    assert found.rest.accepted[0] == pytest.approx(21 * 3 / 4)
    assert ledger.time.clips == 4


def test_the_runs_metadata_say_the_same(toy: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    pilot(toy, 4)
    facts = pilot_metadata(toy.work, CATEGORY, Mode.MISSING, None)
    assert facts["pilot: yield"] == "4 of 4 accepted (95% interval 51% to 100%)"
    assert facts["pilot: clips to render"] == 16
    assert facts["pilot: command for the rest"] == "svta regen fire --mode missing"
    assert "pilot: price to come" not in facts
    monkeypatch.setenv(PRICE_SETTING, "1000000")
    assert pilot_metadata(toy.work, CATEGORY, Mode.MISSING, None)["pilot: price to come"] > 0


def test_the_command_confirms_where_the_rest_needs_it_and_quotes_odd_names(toy: ToyCategory) -> None:
    pilot(toy, 4)
    slow = replace(ledger_of(toy), time=replace(ledger_of(toy).time, seconds=3600.0))
    found = project(toy.work, slow, CATEGORY, Mode.NEW_TAKE, ["p01"])
    assert rest_command(toy.work, [found], Mode.NEW_TAKE, ["p 1"]) == (
        "svta regen fire --mode new_take --only 'p 1'"
    ), "one clip of an hour is within the limit"
    found = project(toy.work, slow, CATEGORY, Mode.MISSING, None)
    assert rest_command(toy.work, [found], Mode.MISSING, None).endswith("--mode missing --confirm")


def test_a_category_without_a_clip_goes_by_the_others(toy: ToyCategory) -> None:
    pilot(toy, 4)
    other = ToyCategory(toy.work.home.path, {"f1": "A man falls.", "f2": "A woman falls."}, category="falling")
    other.work = toy.work
    found = project(toy.work, ledger_of(toy), "falling", Mode.MISSING, None)
    assert found.seen.made == 0
    assert found.rest.accepted is not None
    assert found.rest.accepted[0] == 2.0


def test_a_wrong_price_is_said_before_a_clip_is_made(toy: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRICE_SETTING, "two")
    with pytest.raises(SvtaError, match="is not a price"):
        pilot(toy, 4)
    assert toy.generator.calls == 0
