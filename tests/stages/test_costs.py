"""What clips have cost and what the rest will: by stage, by settings, with a price; older records stay readable."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.schemas import CLIPS
from svta_assets.videos.costs import (
    PRICE_SETTING,
    ClipTime,
    Remaining,
    Yield,
    clip_time,
    device_hour_price,
    of_settings,
    remaining,
    rendered,
    spent,
    total,
)
from svta_assets.videos.plan import Mode, Plan
from svta_models.errors import SvtaError
from svta_resources.video.clip_worker import ClipJob

WAN = "wan:wan2.1-t2v-14b"
HAPPENED = {
    "text_seconds": 0.5,
    "denoise_seconds": 36.0,
    "decode_seconds": 3.5,
    "encode_seconds": 1.0,
    "wait_seconds": 2.0,
    "peak_memory_gb": 40.0,
    "steps_computed": 27,
    "steps_skipped": 23,
}


def clip(number: int, /, **changed: Any) -> dict[str, Any]:
    """A row of `clips`: 40 s of the device and 2 s of waiting before it."""
    row = {
        "clip_id": f"p{number}-0",
        "pair_id": f"p{number}",
        "category": "fire",
        "status": "accepted",
        "generator": WAN,
        "recipe": {"caption": "A house burns.", "generator": {"steps": 50}},
        "provenance": HAPPENED,
        "made_at": f"2026-11-21T10:{number:02d}:00",
        "seconds": 90.0,
        "device_seconds": 40.0,
    } | changed
    return row | {name: json.dumps(row[name], sort_keys=True) for name in ("recipe", "provenance")}


def rows_of(*rows: dict[str, Any], generator: str = WAN) -> pl.DataFrame:
    return rendered(CLIPS.frame(list(rows)), generator)


def plan_of(renders: int, copies: int = 0) -> Plan:
    jobs = [ClipJob(f"r{n}", 0, 42, "fire", f"House {n}.", {"n": n}) for n in range(renders)]
    jobs += [ClipJob(f"c{n}", 0, 42, "fire", "House 0.", {"n": 0}, "r0-0", "r0-0.mp4") for n in range(copies)]
    return Plan("fire", Mode.MISSING, tuple(jobs), 0, {}, 0)


# -- spent ---------------------------------------------------------------------------------------------------------


def test_hours_by_stage_memory_and_steps_are_added_up() -> None:
    more = HAPPENED | {"peak_memory_gb": 44.0, "steps_computed": 29, "steps_skipped": 21}
    found = spent(rows_of(clip(1), clip(2, provenance=more, status="rejected")))
    assert found.clips == 2
    assert found.device_hours == pytest.approx(2 * 42 / 3600), "the device was held 40 s and stood idle for 2 s"
    hours = {"text": 0.5, "denoise": 36.0, "decode": 3.5, "wait": 2.0, "encode": 1.0}
    assert found.stage_hours == pytest.approx({stage: 2 * seconds / 3600 for stage, seconds in hours.items()})
    assert sum(found.stage_hours[stage] for stage in ("text", "denoise", "decode", "wait")) == pytest.approx(
        found.device_hours
    )
    assert (found.peak_memory_gb, found.steps_computed, found.steps_skipped) == (44.0, 28.0, 22.0)
    assert found.clips_per_hour == pytest.approx(3600 / 42)
    assert (found.outcome.accepted, found.outcome.made) == (1, 2)


def test_copies_and_other_generators_cost_nothing() -> None:
    copy = clip(2, same_pixels_as="p1-0", device_seconds=None)
    assert spent(rows_of(clip(1), copy, clip(3, generator="procedural"))).clips == 1


def test_clips_without_device_seconds_count_by_their_wall_seconds() -> None:
    old = clip(1, device_seconds=None, provenance={"device": "cuda"}, seconds=90.0)
    found = spent(rows_of(old))
    assert found.device_hours == pytest.approx(90 / 3600)
    assert found.stage_hours == {}
    assert (found.peak_memory_gb, found.steps_computed) == (None, None)


def test_a_table_older_than_the_column_is_read() -> None:
    frame = CLIPS.frame([clip(1)]).drop("device_seconds")
    assert rendered(frame, WAN)["device_s"].to_list() == [90.0]


def test_a_generator_without_stages_shows_only_those_it_has() -> None:
    found = spent(rows_of(clip(1, provenance={"wait_seconds": 0.0, "encode_seconds": 0.2})))
    assert set(found.stage_hours) == {"wait", "encode"}
    assert found.device_hours == pytest.approx(40 / 3600)


def test_nothing_made_is_nothing_spent() -> None:
    found = spent(rows_of())
    assert (found.clips, found.device_hours, found.clips_per_hour, found.outcome.share) == (0, 0.0, None, None)
    assert found.to_dict()["yield"] == {"accepted": 0, "made": 0, "share": None, "low": None, "high": None}


# -- the time of a clip --------------------------------------------------------------------------------------------


def test_the_time_of_a_clip_is_a_median_so_that_a_slow_first_one_does_not_count() -> None:
    rows = rows_of(*(clip(n) for n in range(1, 5)), clip(0, device_seconds=900.0))
    assert clip_time(rows, 45.0) == ClipTime(42.0, 5, "2026-11-21T10:04:00")
    assert clip_time(rows_of(), 45.0) == ClipTime(45.0)


def test_clips_of_todays_settings_go_before_others() -> None:
    fewer = {"caption": "A house burns.", "generator": {"steps": 27}}
    rows = rows_of(clip(1), clip(2), clip(3, recipe=fewer, device_seconds=20.0))
    assert clip_time(of_settings(rows, {"steps": 27}), 45.0).seconds == 22.0
    assert clip_time(of_settings(rows, {"steps": 10}), 45.0).clips == 3, "none of these settings: all there are"
    assert of_settings(rows, None).height == 3


# -- what remains --------------------------------------------------------------------------------------------------


def test_hours_and_price_count_renders_and_the_yield_counts_copies_too() -> None:
    found = remaining(plan_of(90, copies=10), ClipTime(40.0, 4), 3.0, Yield(3, 4))
    assert (found.render, found.copy) == (90, 10)
    assert found.device_hours == pytest.approx(1.0)
    assert found.price == pytest.approx(3.0)
    assert found.accepted is not None
    assert found.accepted[0] == pytest.approx(75.0)
    assert found.accepted[1:] == pytest.approx((30.06, 95.44), abs=0.01)


def test_without_a_price_or_a_clip_nothing_is_made_up() -> None:
    found = remaining(plan_of(90), ClipTime(40.0), None, Yield(0, 0))
    assert (found.price, found.accepted) == (None, None)
    assert found.to_dict()["accepted"] == {"expected": None, "low": None, "high": None}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=5), st.floats(0.01, 100), st.floats(0, 10))
def test_the_total_is_the_sum(parts: list[tuple[int, int]], seconds: float, price: float) -> None:
    time = ClipTime(seconds, 4)
    found = [remaining(plan_of(*counts), time, price, Yield(3, 4)) for counts in parts]
    together = total(found, time, price, Yield(3, 4))
    assert together.render + together.copy == sum(one.render + one.copy for one in found)
    assert together.device_hours == pytest.approx(sum(one.device_hours for one in found))
    assert together.price == pytest.approx(sum(one.price or 0.0 for one in found))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_holds_the_share_and_narrows(accepted: int, made: int) -> None:
    seen = Yield(min(accepted, made), made)
    assert seen.share is not None
    assert seen.interval is not None
    low, high = seen.interval
    assert 0 <= low <= seen.share + 1e-12
    assert seen.share - 1e-12 <= high <= 1
    many = Yield(seen.accepted * 100, made * 100).interval
    assert many is not None
    assert many[1] - many[0] < high - low
    assert seen + seen == Yield(2 * seen.accepted, 2 * made)


def test_a_published_interval() -> None:
    """81 of 263: 0.2553 to 0.3662 (Newcombe, Statistics in Medicine 17, 1998, table I, method 3)."""
    assert Yield(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)


# -- price ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_", "price"), [("2.5", 2.5), (" 3 ", 3.0), ("0", 0.0), ("1e1", 10.0), ("", None)])
def test_a_price_is_a_plain_number_and_may_be_left_out(given_: str, price: float | None) -> None:
    assert device_hour_price({PRICE_SETTING: given_}) == price
    assert device_hour_price({}) is None


@pytest.mark.parametrize("wrong", ["-1", "2,50", "cheap", "nan", "inf", "$3"])
def test_another_price_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(SvtaError, match=rf"{PRICE_SETTING}=.*2\.50"):
        device_hour_price({PRICE_SETTING: wrong})


def test_a_plan_of_nothing_costs_nothing() -> None:
    assert remaining(plan_of(0), ClipTime(40.0, 4), 3.0, Yield(4, 4)) == Remaining(0, 0, 0.0, 0.0, (0.0, 0.0, 0.0))
