"""`svta plan`: what clips have cost and what the rest will, in a table that fits a terminal and as JSON."""

import json
from typing import Any

import polars as pl
import pytest

from svta_assets.categories import load_categories
from svta_assets.videos.plan import Mode
from svta_cli import figures
from svta_resources.profiles import Home
from tests.cli.conftest import CAPTIONS, Svta
from tests.stages.toy_category import CATEGORY, ToyCategory

HAPPENED = {
    "text_seconds": 0.5,
    "denoise_seconds": 30.0,
    "decode_seconds": 3.5,
    "encode_seconds": 1.0,
    "wait_seconds": 2.0,
    "peak_memory_gb": 41.2,
    "steps_computed": 27,
    "steps_skipped": 23,
}


def with_records(toy: ToyCategory, seconds: float = 34.0) -> None:
    """Give the category's clips the records of a GPU: 34 s of the device and 2 s of waiting each."""
    rows = toy.work.catalog.read("clips", toy.category)
    recorded = rows.with_columns(device_seconds=pl.lit(seconds), provenance=pl.lit(json.dumps(HAPPENED)))
    toy.work.catalog.publish("clips", toy.category, recorded)


@pytest.fixture
def half(home: Home, monkeypatch: pytest.MonkeyPatch) -> ToyCategory:
    """Six of twelve clips are made, one of them rejected; the command generates as they were."""
    toy = ToyCategory(home.path, CAPTIONS)
    toy.generator.still = [(CAPTIONS["p0"], 42)]
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: toy.generator)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2})
    toy.run(only=[f"p{n}" for n in range(6)])
    with_records(toy)
    return toy


def facts_of(svta: Svta, *arguments: str) -> dict[str, Any]:
    code, out, err = svta("plan", "--json", *arguments)
    assert (code, err) == (0, "")
    facts: dict[str, Any] = json.loads(out)
    return facts


@pytest.mark.usefixtures("half")
def test_json_has_what_was_spent_and_what_remains(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(svta)
    assert facts["price_per_device_hour"] is None
    assert (facts["generator"], facts["seconds_per_clip"], facts["measured_on_clips"]) == ("toy", 36.0, 6)
    (row,) = facts["categories"]
    assert row["category"] == CATEGORY
    spent, left = row["spent"], row["remaining"]
    assert spent["clips"] == 6
    assert spent["yield"] | {"low": 0, "high": 0} == {"accepted": 5, "made": 6, "share": 5 / 6, "low": 0, "high": 0}
    assert spent["device_hours"] == pytest.approx(6 * 36 / 3600)
    assert spent["stage_hours"]["denoise"] == pytest.approx(6 * 30 / 3600)
    assert (spent["peak_memory_gb"], spent["steps_computed"], spent["steps_skipped"]) == (41.2, 27, 23)
    assert spent["clips_per_hour"] == pytest.approx(100)
    assert (left["render"], left["copy"], left["price"], spent["price"]) == (6, 0, None, None)
    assert left["device_hours"] == pytest.approx(6 * 36 / 3600)
    assert left["wall_hours"] == pytest.approx(6 * 36 / 3600 / 3), "three workers"
    assert left["accepted"]["expected"] == pytest.approx(5)
    assert facts["all"]["remaining"] == left

    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "50")
    priced = facts_of(svta)["all"]
    assert (priced["spent"]["price"], priced["remaining"]["price"]) == (pytest.approx(3.0), pytest.approx(3.0))


@pytest.mark.usefixtures("half")
def test_people_read_the_same(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "50")
    out = svta("plan")[1]
    assert out.splitlines()[1].split() == "fire 6 83% (44-97) 4 min 6 4 min 3.00".split()
    assert "about 4 min of one device at 36.00 s a clip (median of 6 clips)" in out
    assert "wall time: about 72 s with 3 devices at once" in out
    assert "price: 3.00 at 50 a device hour" in out
    assert "yield: 5 (3-6) of 6 should pass the gates" in out
    assert "spent: 4 min of one device on 6 clips, 100 clips an hour, price 3.00" in out
    assert "text 3.0 s, denoise 3 min, decode 21 s, wait 12 s; beside it encode 6.0 s" in out
    assert "at most 41.2 GB; 27.0 of 50 steps computed" in out


@pytest.mark.usefixtures("half")
def test_without_a_price_none_is_shown(svta: Svta) -> None:
    assert "price" not in svta("plan")[1]


@pytest.mark.usefixtures("half")
def test_stages_are_shown_by_category_when_asked_for(svta: Svta) -> None:
    out = svta("plan", "--stages")[1]
    row = next(line for line in out.splitlines() if line.startswith("fire") and "41.2" in line)
    assert row.split() == "fire 3.0 s 3 min 21 s 12 s 6.0 s 41.2 27.0 100".split()


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("command", [("plan",), ("plan", "--json"), ("regen", CATEGORY, "--pilot", "2")])
def test_a_wrong_price_is_one_line(svta: Svta, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "-2")
    code, out, err = svta(*command)
    assert (code, out) == (1, "")
    assert err.startswith("svta: SVTA_GPU_HOUR_PRICE='-2' is not a price")


def test_clips_of_another_generator_are_named_and_not_counted(
    half: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "wan:tiny")
    out = svta("plan")[1]
    assert "not counted: 6 clips by toy; now set: wan:tiny" in out
    assert "an estimate: nothing was measured here yet" in out
    assert facts_of(svta)["all"]["spent"]["clips"] == 0


def test_nothing_left_to_make_still_shows_what_was_spent(half: ToyCategory, svta: Svta) -> None:
    half.run()
    out = svta("plan")[1]
    assert "mode missing: 0 clips to render" in out
    assert "spent: " in out
    assert "needs: " not in out


def test_a_fresh_home_has_nothing(home: Home, svta: Svta) -> None:
    assert "nothing is described yet" in svta("plan")[1]
    facts = facts_of(svta)
    assert facts["categories"] == []
    assert facts["all"]["remaining"]["render"] == 0
    assert not home.path.exists()


@pytest.mark.parametrize(("columns", "priced", "arguments"), [(80, True, ()), (90, False, ("--stages",))])
def test_two_dozen_categories_fit_a_terminal(
    home: Home, svta: Svta, monkeypatch: pytest.MonkeyPatch, columns: int, priced: bool, arguments: tuple[str, ...]
) -> None:
    longest = sorted((one.key for one in load_categories()), key=len)[-24:]
    toys = []
    for place, key in enumerate(longest):
        toy = ToyCategory(home.path, {f"{key}-{n}": f"{key} {n}" for n in range(3)}, category=key)
        toy.run(only=[f"{key}-{n}" for n in range(place % 4)])
        with_records(toy, 34000.0)
        toys.append(toy)
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: toys[0].generator)
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "30" if priced else "")
    out = svta("plan", *arguments)[1]
    for key in longest:
        rows = [line for line in out.splitlines() if line.split()[:1] == [key]]
        assert len(rows) == 1 + len(arguments), "one row a table, and no cell on a second line"
        assert all(len(row.rstrip()) <= columns for row in rows)
    assert "…" not in out


def test_stale_clips_are_counted_with_their_reasons(half: ToyCategory, svta: Svta) -> None:
    half.generator.style = "fancy"
    facts = facts_of(svta, "--mode", Mode.STALE.value)
    assert facts["stale_because"] == {"generator.style": 5}
    assert facts["all"]["stale"] == 5


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "-"), (0.24, "0.2 s"), (42, "42 s"), (120, "2 min"), (3 * 3600, "3.0 h"), (520 * 3600, "520 h")],
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert figures.duration(seconds / 3600) == said


@pytest.mark.parametrize(
    ("price", "said"), [(None, "-"), (0.0, "-"), (0.004, "<0.01"), (3.14159, "3.14"), (1234.5, "1234")]
)
def test_prices_are_short(price: float | None, said: str) -> None:
    assert figures.money(price) == said
