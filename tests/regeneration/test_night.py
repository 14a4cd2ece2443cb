"""What a night asks for: within its budget, never of a test pair by test figures, never the same thing twice."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svta_assets.regeneration.night import MISSING, STALE, WEAKEST, Night, Part, plan_night, run_config
from svta_assets.regeneration.settings import Automation, SettingsError, read_settings, settings_of
from svta_assets.videos.plan import Mode
from svta_resources.catalog import Catalog
from tests.regeneration.night_home import (
    CATEGORIES,
    PAIRS,
    carry_out,
    make_night_home,
    measure,
    open_night_home,
    pairs_of_test,
    remove,
)
from tests.stages.toy_category import ToyCategory

NOW = datetime(2026, 11, 21, 1, tzinfo=UTC)


def _settings(**night: Any) -> Automation:
    packaged = read_settings()
    return packaged.model_copy(update={"night": packaged.night.model_copy(update=night)})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; only copied."""
    root = tmp_path_factory.mktemp("template") / "home"
    make_night_home(root)
    return root


@pytest.fixture
def toys(template: Path, tmp_path: Path) -> dict[str, ToyCategory]:
    """Fully made, and measured after every clip."""
    return open_night_home(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ToyCategory]:
    """Only read: fully made, unchanged, and measured before its newest clip."""
    toys = open_night_home(shutil.copytree(template, tmp_path_factory.mktemp("made") / "home"))
    for toy in toys.values():
        toy.run(Mode.NEW_TAKE)
    return toys


@pytest.fixture(scope="module")
def weak(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ToyCategory]:
    """Only read: measured after every clip, with three missing clips and every other one stale."""
    toys = open_night_home(shutil.copytree(template, tmp_path_factory.mktemp("weak") / "home"))
    remove(toys["fire"], "fire-p0", "fire-p1", "fire-p2")
    for toy in toys.values():
        toy.generator.style = "other"
    return toys


def _plan(toys: dict[str, ToyCategory], night: Automation | None = None) -> Night:
    return plan_night(toys["fire"].work, NOW, night or _settings())


def _parts(night: Night) -> dict[str, Part]:
    return {part.name: part for part in night.parts}


_night = st.fixed_dictionaries(
    {
        "gpu_hours_per_night": st.one_of(st.floats(0, 0.003), st.floats(0, 10)),  # a clip is estimated at 0.2 s
        "include_test": st.booleans(),
        "missing": st.booleans(),
        "stale": st.booleans(),
        "weakest": st.integers(0, 4),
        "skip": st.sets(st.sampled_from(CATEGORIES)).map(tuple),
    }
)
_quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_quick
@given(night=_night)
def test_a_home_that_is_fully_made_and_unchanged_is_asked_for_nothing(
    made: dict[str, ToyCategory], night: dict[str, Any]
) -> None:
    found = _plan(made, _settings(**night))
    assert found.parts == []
    assert found.device_hours == 0


@_quick
@given(night=_night)
def test_a_night_stays_within_its_budget_and_off_what_it_must_not_touch(
    weak: dict[str, ToyCategory], night: dict[str, Any]
) -> None:
    asked = _settings(**night)
    found = _plan(weak, asked)
    renders = sum(part.renders for part in found.parts)
    assert renders * found.seconds_per_clip <= night["gpu_hours_per_night"] * 3600 + 1e-6
    assert sum(run_config(found, part, "r")["gpu_hours"] for part in found.parts) <= night["gpu_hours_per_night"] + 1e-9
    touched = {pair for part in found.parts for share in part.shares for pair in share.pairs}
    if not night["include_test"]:
        assert not touched & pairs_of_test(weak["fire"].work)
    assert not {share.category for part in found.parts for share in part.shares} & set(night["skip"])
    weakest = _parts(found).get(WEAKEST)
    assert weakest is None or 0 < len(weakest.shares) <= night["weakest"]
    assert night["missing"] or MISSING not in _parts(found)
    assert night["stale"] or STALE not in _parts(found)


def test_an_evaluation_buys_new_takes_of_a_category_once(toys: dict[str, ToyCategory]) -> None:
    """Night after night without a new evaluation: each category is made once, then nothing is asked for."""
    asked = _settings(weakest=2, gpu_hours_per_night=20 * 0.2 / 3600)
    clips: dict[str, int] = {}
    for _ in range(5):
        for part in _plan(toys, asked).parts:
            assert part.name == WEAKEST
            for share in part.shares:
                clips[share.category] = clips.get(share.category, 0) + share.renders
            carry_out(toys, part.mode, {share.category: share.pairs for share in part.shares})
    assert set(clips) == set(CATEGORIES)
    assert max(clips.values()) <= PAIRS
    assert set(_plan(toys, asked).waits) == set(CATEGORIES)


def test_a_new_evaluation_opens_the_next_round_and_candidates_hold_it_up(template: Path, tmp_path: Path) -> None:
    toys = open_night_home(shutil.copytree(template, tmp_path / "home"), promote="manual")
    [part] = _plan(toys, _settings(weakest=1)).parts
    [share] = part.shares
    carry_out(toys, part.mode, {share.category: share.pairs})
    assert share.category in _plan(toys, _settings(weakest=1)).waits
    measure(toys["fire"].work, {}, "checkpoint-2")
    found = _plan(toys, _settings(weakest=1))
    assert found.waits == {}
    again = [one.category for one in found.parts[0].shares]
    assert again != [share.category], "its new takes wait for a person: another one's turn"


def test_the_weakest_by_validation_comes_first(toys: dict[str, ToyCategory]) -> None:
    work = toys["fire"].work
    found = {
        row["pair_id"]: 1.0 for row in work.catalog.read("validation_ranks").to_dicts() if row["category"] != "fire"
    }
    measure(work, found, "checkpoint-2")
    assert [share.category for share in _parts(_plan(toys, _settings(weakest=1)))[WEAKEST].shares] == ["fire"]


def test_an_evaluation_of_clips_that_were_replaced_since_is_waited_for(toys: dict[str, ToyCategory]) -> None:
    """Measured after the clips were made, but on a release that names others."""
    toys["fire"].run(Mode.NEW_TAKE)
    measure(toys["fire"].work, {}, "checkpoint-2")  # trained late on the old release
    assert "clips that stand now" in _plan(toys).waits["fire"]


def test_test_figures_are_never_read(toys: dict[str, ToyCategory], monkeypatch: pytest.MonkeyPatch) -> None:
    read = Catalog.read

    def watched(self: Catalog, table: str, partition: str | None = None) -> pl.DataFrame:
        assert table not in {"evaluations", "query_ranks", "contamination"}, f"the policy read {table}"
        return read(self, table, partition)

    before = _plan(toys)
    monkeypatch.setattr(Catalog, "read", watched)
    assert _plan(toys) == before


def test_ranks_of_another_split_would_count_for_nothing(toys: dict[str, ToyCategory]) -> None:
    work = toys["fire"].work
    ranks = work.catalog.read("validation_ranks", "clip4clip-meanp")
    before = [one.weakness for one in _plan(toys).ranked]
    planted = ranks.with_columns(split=pl.lit("test"), rank=pl.lit(1.0), pair_id=pl.col("pair_id") + "-t")
    work.catalog.publish("validation_ranks", "clip4clip-meanp", pl.concat([ranks, planted]))
    assert [one.weakness for one in _plan(toys).ranked] == before


def test_missing_clips_are_made_first_and_failures_are_not_bought_again(toys: dict[str, ToyCategory]) -> None:
    work, fire = toys["fire"].work, toys["fire"]
    train = [pair for pair in fire.current if pair not in pairs_of_test(work)]
    remove(fire, *train[:3])
    fire.generator.broken = [f"fire number {train[0][-1]} happens."]
    [part] = _plan(toys, _settings(weakest=0)).parts
    assert (part.name, part.mode, part.shares[0].pairs) == (MISSING, Mode.MISSING, sorted(train[:3]))
    assert part.pairs == [], "a whole plan needs no list of pairs"
    carry_out(toys, part.mode, {"fire": part.shares[0].pairs})
    found = _plan(toys, _settings(weakest=0))
    assert (found.parts, found.unrendered) == ([], 1)


def test_the_homes_of_the_properties_above_are_what_they_say(
    made: dict[str, ToyCategory], weak: dict[str, ToyCategory]
) -> None:
    """Otherwise they would hold of anything."""
    everything = _settings(stale=True, weakest=3)
    assert {part.name: part.renders > 2 for part in _plan(weak, everything).parts} == {
        MISSING: True,
        STALE: True,
        WEAKEST: True,
    }
    assert set(_plan(made, everything).waits) == set(CATEGORIES)
    measure(made["fire"].work, {}, "later")
    assert WEAKEST not in _parts(_plan(made, everything)), "the release names the takes before"


def test_a_part_that_does_not_fit_is_cut_and_the_rest_said(toys: dict[str, ToyCategory]) -> None:
    remove(toys["fire"], *toys["fire"].current)
    found = _plan(toys, _settings(weakest=0, gpu_hours_per_night=3.5 * 0.2 / 3600))
    [share] = found.parts[0].shares
    assert (share.renders, len(share.pairs), share.whole) == (3, 3, False)
    config = run_config(found, found.parts[0], "nightly-x")
    assert sorted(config["only"]) == share.pairs
    assert config["confirm"]
    assert found.cut == PAIRS - 2 - 3, "two pairs are test pairs"


def test_equal_recipes_are_copied_and_cost_nothing(toys: dict[str, ToyCategory]) -> None:
    work = toys["fire"].work
    rows = work.catalog.read("descriptions", "fire")
    pair = sorted(set(rows["pair_id"]) - pairs_of_test(work))[0]
    double = rows.filter(pair_id=pair).with_columns(pair_id=pl.lit("fire-double"))
    work.catalog.publish("descriptions", "fire", pl.concat([rows, double]))
    found = _plan(toys, _settings(weakest=0, gpu_hours_per_night=0.0))
    [share] = found.parts[0].shares
    assert (share.renders, share.pairs, found.device_hours) == (0, ["fire-double"], 0.0)


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "automation.yaml"


def test_a_home_changes_only_what_it_names(own: Path) -> None:
    own.write_text("night: {weakest: 7}\n")
    found = read_settings(own.parent)
    assert (found.night.weakest, found.night.missing) == (7, read_settings().night.missing)
    assert found.weakness == read_settings().weakness


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("night: {weekest: 7}", "night.weekest"),
        ("night: {gpu_hours_per_night: -1}", "night.gpu_hours_per_night"),
        ("night: {stale: perhaps}", "night.stale"),
        ("weakness: {r1: 0, yield: 0, age: 0}", "above 0"),
        ("nights: {}", "nights"),
        ("- 1", "not sections"),
        ("night: [", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(own: Path, text: str, said: str) -> None:
    own.write_text(text)
    with pytest.raises(SettingsError, match=said) as caught:
        read_settings(own.parent)
    assert str(own) in str(caught.value)


def test_a_category_to_skip_must_exist(toys: dict[str, ToyCategory]) -> None:
    work = toys["fire"].work
    (work.home.path / "automation.yaml").write_text("night: {skip: [figthing]}\n")
    with pytest.raises(SettingsError, match="fighting"):
        settings_of(work)
