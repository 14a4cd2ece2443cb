"""`svta status` and `svta plan` say what is there, what is missing, and what is stale and why; plan writes nothing."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from svta_assets.videos.costs import ClipTime
from svta_assets.videos.plan import Mode
from svta_resources.profiles import Home
from svta_resources.query import query
from tests.cli.conftest import CAPTIONS, Svta
from tests.stages.toy_category import CATEGORY, ToyCategory


@pytest.fixture
def same_generator(toy: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> ToyCategory:
    """The toy category, seen by a command that generates as it does."""
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: toy.generator)
    return toy


def _facts(svta: Svta, *arguments: str) -> dict:  # type: ignore[type-arg]
    code, out, err = svta("status", "--json", *arguments)
    assert (code, err) == (0, "")
    facts: dict = json.loads(out)  # type: ignore[type-arg]
    return facts


def _listing(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}


def test_status_counts_clips_by_what_they_are(same_generator: ToyCategory, svta: Svta) -> None:
    toy = same_generator
    toy.file("p1-0").unlink()
    (row,) = _facts(svta)["categories"]
    assert row["category"] == CATEGORY
    assert (row["pairs"], row["clips"], row["missing"], row["stale"]) == (12, 12, 1, 0)
    toy.run()
    toy.generator.still_share = 100
    toy.run(Mode.NEW_TAKE)
    (row,) = _facts(svta)["categories"]
    assert (row["clips"], row["current"], row["rejected"], row["missing"]) == (24, 12, 12, 0)


def test_clips_that_a_killed_run_left_off_the_table_are_not_missing(same_generator: ToyCategory, svta: Svta) -> None:
    toy = same_generator
    shutil.rmtree(toy.work.home.path / "metadata" / "clips")
    (row,) = _facts(svta)["categories"]
    assert (row["pairs"], row["clips"], row["missing"], row["stale"]) == (12, 0, 0, 0)


def test_status_counts_candidates(home: Home, svta: Svta) -> None:
    toy = ToyCategory(home.path, CAPTIONS, promote="manual")
    toy.run()
    toy.run(Mode.NEW_TAKE, only=["p1", "p2"])
    assert _facts(svta)["categories"][0]["candidates"] == 2


def test_stale_is_by_recipe_and_plan_says_which_part(same_generator: ToyCategory, svta: Svta) -> None:
    toy = same_generator
    toy.generator.library = "2.0"
    assert _facts(svta)["categories"][0]["stale"] == 0, "provenance makes nothing stale"
    toy.generator.style = "fancy"
    rows = toy.work.catalog.read("descriptions", CATEGORY)
    changed = pl.when(pl.col("pair_id") == "p1").then(pl.lit("House 1 is on fire.")).otherwise("caption")
    toy.work.catalog.publish("descriptions", CATEGORY, rows.with_columns(caption=changed))
    assert _facts(svta)["categories"][0]["stale"] == 12
    code, out, _ = svta("plan", "--mode", "stale")
    assert code == 0
    assert "12 clips to render" in out
    assert "generator.style (12 clips), caption (1 clips)" in out


def test_plan_counts_copies_apart(same_generator: ToyCategory, svta: Svta) -> None:
    rows = [
        {"pair_id": pair, "category": CATEGORY, "caption": "The same words.", "origin": "source"}
        for pair in ("q1", "q2", "q3")
    ]
    same_generator.work.catalog.publish("descriptions", CATEGORY, rows)
    assert "1 clips to render, 2 to copy" in svta("plan")[1]


def test_plan_writes_nothing(same_generator: ToyCategory, svta: Svta) -> None:
    before = _listing(same_generator.work.home.path)
    for mode in Mode:
        assert svta("plan", "--mode", mode.value)[0] == 0
        assert svta("regen", CATEGORY, "--plan", "--mode", mode.value)[0] == 0
    assert _listing(same_generator.work.home.path) == before


def test_plan_of_chosen_pairs(same_generator: ToyCategory, svta: Svta) -> None:
    out = svta("regen", CATEGORY, "--plan", "--only", "p1", "--only", "p2")[1]
    assert "2 clips to render" in out


def test_a_plan_beyond_the_profiles_limit_says_so(
    same_generator: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_assets.videos.sizes.clip_time", lambda rows, estimate_s: ClipTime(3600.0))
    out = svta("plan", "--mode", "new_take")[1]
    assert "about 12.0 h of one device at 3600.00 s a clip (an estimate: nothing was measured here yet)" in out
    assert f"need --confirm: {CATEGORY}" in out


def test_without_the_generator_status_still_tells_the_rest(
    toy: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "wan:wan2.1-t2v-14b")
    facts = _facts(svta)
    assert (facts["categories"][0]["current"], facts["categories"][0]["stale"]) == (12, None)
    assert "wan:wan2.1-t2v-14b" in facts["generator_problem"]
    code, out, _ = svta("status")
    assert code == 0
    assert "are not known" in out
    code, _, err = svta("plan")
    assert code == 1
    assert "SVTA_VIDEO_GENERATOR" in err


def test_status_builds_the_database_people_query(toy: ToyCategory, svta: Svta) -> None:
    assert svta("status")[0] == 0
    assert query(toy.work.home.path, "select count(*) as n from clips where current")["n"][0] == 12


def test_status_shows_only_what_is_there_unless_asked(toy: ToyCategory, svta: Svta) -> None:
    assert [row["category"] for row in _facts(svta)["categories"]] == [CATEGORY]
    everything = {row["category"] for row in _facts(svta, "--all")["categories"]}
    assert {"fighting", "normal-15", CATEGORY} < everything
    assert [row["category"] for row in _facts(svta, "-c", "fighting")["categories"]] == ["fighting"]


def test_status_names_rejects_gates_and_models(released: ToyCategory, svta: Svta) -> None:
    catalog = released.work.catalog
    rejects = [{"stage": "raw_texts", "key": key, "reason": "don't know"} for key in "ab"]
    catalog.publish("rejects", "raw_texts", rejects)
    for at, level in (("1", "shut"), ("2", "warn")):
        gate = {"gate": "label_review", "partition": "all", "passed": True, "level": level, "reason": "why", "at": at}
        catalog.append("gates", "all", [gate])
    models = [
        {"checkpoint_id": name, "model": "clip4clip-meanp", "release": "0" * 16, "made_at": name} for name in ("1", "2")
    ]
    catalog.publish("checkpoints", "clip4clip-meanp", models)
    facts = _facts(svta)
    assert facts["rejects"] == [{"stage": "raw_texts", "reason": "don't know", "count": 2}]
    assert [gate["level"] for gate in facts["gates"]] == ["warn"], "the newest verdict"
    assert (facts["models"][0]["checkpoint"], facts["models"][0]["on_latest_release"]) == ("2", False)
    out = svta("status")[1]
    assert "rejects of raw_texts: don't know, 2 rows" in out
    assert "release 0000000000000000, not the latest" in out
