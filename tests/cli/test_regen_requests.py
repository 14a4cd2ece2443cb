"""`svta regen` with filters, final categories, its plan and requests; `svta requests`; `svta nightly`."""

import json
from dataclasses import replace

import polars as pl
import pytest

from svta_assets.regeneration.requests import report, requests
from svta_assets.videos.plan import Mode
from svta_resources.profiles import PROFILES, Home
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.regeneration.night_home import CATEGORIES, make_night_home
from tests.stages.toy_category import CATEGORY, ToyCategory

FINAL = "anomaly-01-burn"


@pytest.fixture
def manual(home: Home, monkeypatch: pytest.MonkeyPatch) -> ToyCategory:
    """A released category with a checkpoint on its release, whose new takes wait for a person."""
    profile = replace(PROFILES["demo"], promote="manual", generator="toy")
    monkeypatch.setitem(PROFILES, "demo", profile)
    toy = ToyCategory(home.path, CAPTIONS, promote="manual")
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda name: toy.generator)
    toy.run()
    digest = release_of(toy)
    row = {"checkpoint_id": "c", "model": "gram", "release": digest, "made_at": "2026"}
    toy.work.catalog.publish("checkpoints", "gram", [row])
    key = {"checkpoint_id": "c", "model": "gram", "release": digest, "direction": "t2v"}
    toy.work.catalog.publish("evaluations", "gram", [{**key, "benchmark": "svta"}, {**key, "benchmark": "oops"}])
    return toy


def test_a_plan_says_what_falls_behind(manual: ToyCategory, svta: Svta) -> None:
    code, out, _ = svta("regen", CATEGORY, "--plan")
    assert code == 0
    assert "12 clips to render" in out
    assert "tokens: none" in out
    release = manual.work.catalog.read("releases")["release"][-1]
    assert (
        f"falls behind when the new clips are promoted: labels of 12 pairs (which clip stands, not what they say); "
        f"release {release}" in out
    )
    assert "1 checkpoints trained on it (gram); 2 evaluations on it" in out
    assert "test split: 3 of these pairs" in out
    assert manual.clips.height == 12, "a plan makes nothing"


def test_a_plan_spares_the_test_split_and_counts_what_it_spares(manual: ToyCategory, svta: Svta) -> None:
    out = svta("regen", CATEGORY, "--plan", "--spare-test")[1]
    assert "9 clips to render" in out
    assert "spared: 3 pairs of the test split" in out
    assert "test split:" not in out


def test_a_final_category_and_a_filter_are_planned(manual: ToyCategory, svta: Svta) -> None:
    assert "12 clips to render" in svta("regen", FINAL, "--plan")[1]
    motion = manual.clips["motion"].sort()[3]
    assert "3 clips to render" in svta("regen", "burn", "--plan", "--below", f"motion={motion}")[1]
    manual.generator.style = "other"
    out = svta("regen", CATEGORY, "--plan", "--stale", "--only", "p1")[1]
    assert "mode stale: 1 clips to render" in out
    assert "filters: stale, 1 ids" in out
    assert "falls behind when" in out
    assert "mode retry_rejected: 0 clips" in svta("regen", CATEGORY, "--plan", "--rejected")[1]


def test_asking_puts_a_row_on_record_and_makes_nothing(manual: ToyCategory, svta: Svta) -> None:
    arguments = ("--below", "motion=9", "--pilot", "2", "--spare-test", "--by", "ann", "--why", "too still")
    code, out, _ = svta("regen", "burn", CATEGORY, "--request", *arguments)
    assert code == 0
    [row] = requests(manual.work).to_dicts()
    assert row["request_id"] in out
    assert (row["categories"], json.loads(row["filters"])) == (["burn", CATEGORY], {"below": {"motion": 9.0}})
    assert (row["mode"], row["pilot"], row["include_test"]) == ("new_take", 2, False)
    assert manual.clips.height == 12
    out = svta("requests")[1]
    assert f"{row['request_id']}  waiting" in out
    assert "new_take of burn, fire; motion below 9; pilot of 2; test pairs spared, by ann" in out
    assert "too still" in out
    report(manual.work, row["request_id"], "refused", reason="no such thing")
    assert "refused" in svta("requests")[1]
    assert [one["state"] for one in json.loads(svta("requests", "--json")[1])] == ["refused"]


def test_requests_that_ended_long_ago_are_shown_when_asked_for(manual: ToyCategory, svta: Svta) -> None:
    assert "no request" in svta("requests")[1]
    old = {"request_id": "old", "categories": ["fire"], "filters": "{}", "mode": "new_take", "by": "x", "at": "2020"}
    manual.work.catalog.append("regeneration_requests", "2020-01", [old])
    assert "old  waiting" in svta("requests")[1], "what is open is always shown"
    ended = {"request_id": "old", "state": "done", "at": "2020-02"}
    manual.work.catalog.append("regeneration_events", "2020-02", [ended])
    assert "no request" in svta("requests")[1]
    assert "old  done" in svta("requests", "--all")[1]


def test_candidates_are_shown_beside_what_stands(manual: ToyCategory, home: Home, svta: Svta) -> None:
    assert "no candidate waits" in svta("regen", CATEGORY, "--compare")[1]
    manual.run(Mode.NEW_TAKE)
    out = svta("regen", CATEGORY, "--compare")[1]
    assert "12 new takes beside what stands" in out
    assert "yield 100% (12 of 12) new" in out
    assert (home.path / "reports" / "candidates" / f"{CATEGORY}.html").is_file()


def test_a_part_of_a_final_category_is_promoted_and_its_rollback_needs_the_whole(
    manual: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual.run(Mode.NEW_TAKE)
    rows = manual.work.catalog.read("assignments")
    other = pl.when(pl.col("pair_id") < "p2").then(pl.lit("anomaly-02-glow")).otherwise("final_category")
    manual.work.catalog.publish("assignments", "all", rows.with_columns(final_category=other))
    monkeypatch.setattr("svta_cli.regen_run.make_and_settle", lambda *arguments: None)
    assert f"{CATEGORY}: 4 candidates promoted" in svta("regen", "glow", "--promote")[1]
    assert {pair for pair, clip in manual.current.items() if clip.endswith("-1")} == {"p0", "p1", "p10", "p11"}
    code, _, err = svta("regen", "glow", "--rollback")
    assert (code, f"name {CATEGORY}" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name categories"),
        ((CATEGORY, "--plan", "--request"), 2, "choose one of"),
        ((CATEGORY, "--promote", "--rejected"), 2, "--rejected chooses what to make"),
        ((CATEGORY, "--compare", "--below", "motion=2"), 2, "--below chooses what to make"),
        ((CATEGORY, "--below", "beauty=2"), 1, "no score 'beauty'"),
        ((CATEGORY, "--above", "motion"), 1, "SCORE=NUMBER"),
        (("figthing",), 2, "did you mean fighting"),
        (("--only", "nobody", "--plan"), 1, "no pair nobody"),
        ((CATEGORY, "--rejected"), 0, "no pair is meant: rejected"),
        (("--only", "p3-0", "--plan"), 0, "1 clips to render"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    manual: ToyCategory, svta: Svta, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = svta("regen", *arguments)
    assert found == code, out + err
    assert said in out + err


# -- svta nightly ------------------------------------------------------------------------------------------------------


def test_the_next_night_is_printed_and_nothing_is_made(home: Home, svta: Svta) -> None:
    toys = make_night_home(home.path)
    (home.path / "automation.yaml").write_text("night: {weakest: 1}\n")
    code, out, _ = svta("nightly", "--dry-run")
    assert code == 0
    assert "weakest: mode new_take, 8 clips" in out
    assert "pairs of the test split keep their clips" in out
    facts = json.loads(svta("nightly", "--json")[1])
    [part] = facts["parts"]
    assert (part["name"], part["categories"][0]["clips"]) == ("weakest", 8)
    assert {one["category"] for one in facts["weakest_first"]} == set(CATEGORIES)
    assert sum(toy.clips.height for toy in toys.values()) == 30


def test_a_night_that_starts_nothing_says_why(toy: ToyCategory, home: Home, svta: Svta) -> None:
    out = svta("nightly")[1]
    assert "the next night starts nothing" in out
    assert f"no new takes of {CATEGORY}: no validation R@1 of it yet" in out
    (home.path / "automation.yaml").write_text("night: {wekest: 1}\n")
    code, _, err = svta("nightly")
    assert (code, "night.wekest" in err) == (1, True)


def test_a_digest_is_written_by_hand(toy: ToyCategory, home: Home, svta: Svta) -> None:
    out = svta("nightly", "--digest")[1]
    assert "12 clips made, 12 accepted, 0 rejected" in out
    [path] = (home.path / "reports" / "digests").glob("*.md")
    assert str(path) in out
    assert "no clip was made" in svta("nightly", "--digest", "--date", "2020-01-01")[1]
    assert svta("nightly", "--date", "2020-01-01")[0] == 2
    assert svta("nightly", "--validate", "--digest")[0] == 2
    assert "the newest checkpoint of every model" in svta("nightly", "--validate")[1]
