"""Gates of clips: stored scores, verdicts that follow thresholds, near-duplicates, and pages to choose thresholds by."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from svta_assets.gates import load_thresholds
from svta_assets.videos import duplicates
from svta_assets.videos.assets import _drawn_neutral
from svta_assets.videos.pages import write_scores_page
from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import _rejudge_file, clip_rows, read_cards, rejudge
from svta_assets.videos.quality import deciles, deciles_markdown, nearest_pairs
from svta_assets.videos.reviews import record_review
from svta_assets.videos.verdicts import judge, reason_counts
from svta_resources.video.scores import SCORES, examine
from tests.stages.toy_category import CATEGORY, ToyCategory, ToyGenerator

CAPTIONS = {"p1": "A house burns.", "p2": "A car burns.", "p3": "A field burns."}
DEMO = load_thresholds("demo")


class RepeatingGenerator(ToyGenerator):
    """Draws some captions as it draws others, `brighter` by so many levels."""

    def __init__(self) -> None:
        super().__init__()
        self.repeats: dict[tuple[str, int], tuple[str, int]] = {}
        self.brighter = 0

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> np.ndarray:
        if (caption, seed) not in self.repeats:
            return super().generate(caption, seed, category=category)
        frames = super().generate(*self.repeats[caption, seed], category=category)
        return frames + np.uint8(self.brighter)  # the toy's noise ends at 224


def repeating(root: Path, captions: dict[str, str] = CAPTIONS, category: str = CATEGORY, **of: str) -> ToyCategory:
    """A category whose generator draws caption `of[pair]` for a pair at the first take."""
    toy = ToyCategory(root, captions, category=category)
    toy.generator = RepeatingGenerator()
    toy.generator.repeats = {(captions[pair], 42): (caption, 42) for pair, caption in of.items()}
    toy.work.__dict__["generator"] = toy.generator
    return toy


def statuses(toy: ToyCategory) -> dict[str, str]:
    """clip_id -> reason for which it is rejected, without figures; 'accepted' otherwise."""
    rows = toy.clips.select("clip_id", "reject_reason").iter_rows()
    return {clip: (reason or "accepted").partition(":")[0] for clip, reason in rows}


# -- what a card holds -----------------------------------------------------------------------------------------------


def test_a_card_and_its_row_hold_the_scores_of_the_published_file(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run()
    row = toy.clips.row(0, named=True)
    found = examine(toy.file("p1-0").read_bytes(), row)
    assert {name: row[name] for name in SCORES} == {name: found[name] for name in SCORES}
    assert row["fingerprint"] == found["fingerprint"]


def test_the_parsed_scene_stands_on_the_row_where_the_generator_tells_it(tmp_path: Path) -> None:
    silent, told = ToyCategory(tmp_path / "a", CAPTIONS), ToyCategory(tmp_path / "b", CAPTIONS | {"p4": CAPTIONS["p1"]})

    def describe(caption: str, *, category: str | None = None) -> dict[str, Any]:
        return {"neutral": "car" in caption, "caption": caption, "hint": category}

    told.generator.describe = describe  # type: ignore[attr-defined]
    silent.run()
    told.run()
    assert silent.clips["scene"].to_list() == [None] * 3
    scenes = [json.loads(scene) for scene in told.clips["scene"]]
    assert scenes[1] == {"neutral": True, "caption": "A car burns.", "hint": CATEGORY}
    assert scenes[3] == scenes[0], "a copy shows the same scene"
    assert (_drawn_neutral(silent.clips), _drawn_neutral(told.clips)) == (0, 1)


def test_a_generator_that_draws_fewer_frames_than_its_recipe_promises_is_found(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    whole = toy.generator.generate
    toy.generator.generate = lambda *a, **k: whole(*a, **k)[:2]  # type: ignore[method-assign]
    toy.run()
    assert set(statuses(toy).values()) == {"has 2 frames instead of 3"}


def test_who_loses_the_race_for_a_name_records_the_scores_of_the_winner(tmp_path: Path) -> None:
    """Two workers of different builds render one clip; the card describes the file that is there."""
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run()
    mp4 = toy.file("p1-0")
    mp4.with_suffix(".json").unlink()
    seen = examine(mp4.read_bytes(), {})
    toy.generator.generate = lambda *a, **k: np.full((3, 16, 16, 3), 99, np.uint8)  # type: ignore[method-assign]
    toy.run()
    card = json.loads(mp4.with_suffix(".json").read_text())
    assert card["provenance"]["lost_race"]
    assert {name: card[name] for name in SCORES} == {name: seen[name] for name in SCORES}


def test_cards_from_before_a_score_existed_are_not_rejected_by_it(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p2="A house burns.")
    toy.run()
    cards = read_cards(toy.work.store, CATEGORY).whole
    for card in cards:
        for name in ("movement", "fingerprint", "scene", "since"):
            del card[name]
    rows = clip_rows(cards, DEMO)
    assert set(rows["status"]) == {"accepted"}
    assert rows["movement"].null_count() == rows.height


# -- thresholds ------------------------------------------------------------------------------------------------------


def test_a_moved_threshold_shows_in_the_next_projection_and_renders_nothing(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run()
    strict = {**DEMO, "movement_min": 255.0}
    assert rejudge(toy.work.catalog, strict) == [CATEGORY]
    assert {reason.partition(" ")[0] for reason in toy.clips["reject_reason"]} == {"static:"}
    assert toy.current == {}
    files = toy.work.catalog.files("clips")
    assert rejudge(toy.work.catalog, strict) == []
    assert toy.work.catalog.files("clips") == files, "nothing changed, nothing written"
    assert rejudge(toy.work.catalog, DEMO) == [CATEGORY]
    assert (len(toy.current), toy.generator.calls) == (3, 3)


def test_judging_anew_keeps_a_lost_clip_on_record_and_hides_no_newer_one(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run(only=["p1", "p2"])
    toy.file("p1-0").unlink()
    assert rejudge(toy.work.catalog, DEMO) == []
    assert rejudge(toy.work.catalog, {**DEMO, "movement_min": 255.0}) == [CATEGORY]
    assert toy.clips["clip_id"].to_list() == ["p1-0", "p2-0"]
    (stale,) = toy.work.catalog.files("clips", CATEGORY)
    toy.run()
    _rejudge_file(toy.work.catalog, stale, DEMO)  # by someone who listed the files before the run
    assert toy.clips["clip_id"].to_list() == ["p1-0", "p2-0", "p3-0"]


def test_a_broken_file_stays_rejected_whatever_the_thresholds(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    whole = toy.generator.generate
    toy.generator.generate = lambda *a, **k: whole(*a, **k)[:2]  # type: ignore[method-assign]
    toy.run()
    nothing = {name: None if name == "clip_similarity" else (0.0 if name.endswith("_min") else 999.0) for name in DEMO}
    assert rejudge(toy.work.catalog, nothing) == []
    assert set(toy.clips["status"]) == {"rejected"}


def test_only_the_categories_asked_for_are_judged_anew(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run()
    assert rejudge(toy.work.catalog, {**DEMO, "movement_min": 255.0}, ["explosion"]) == []
    assert len(toy.current) == 3


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.generator.still = {("A car burns.", 42)}
    toy.run()
    assert reason_counts(toy.clips) == {"near-duplicate": 1, "static": 1}


# -- near-duplicates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("brighter", [0, 6])
def test_a_clip_that_repeats_anothers_pictures_is_rejected_and_names_it(tmp_path: Path, brighter: int) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.generator.brighter = brighter
    toy.run()
    assert statuses(toy) == {"p1-0": "accepted", "p2-0": "accepted", "p3-0": "near-duplicate of p1-0"}
    row = toy.clips.row(2, named=True)
    assert row["nearest_clip"] == "p1-0"
    assert row["nearest_distance"] < DEMO["distance_min"]
    assert toy.file("p3-0").exists()


@pytest.mark.parametrize("first", ["p1", "p3"])
def test_which_of_two_is_rejected_does_not_depend_on_which_was_made_first(tmp_path: Path, first: str) -> None:
    toy = repeating(tmp_path, p1="A field burns.")
    toy.run(only=[first])
    toy.run()
    assert statuses(toy) == {"p1-0": "accepted", "p2-0": "accepted", "p3-0": "near-duplicate of p1-0"}


def test_a_new_take_never_costs_an_older_clip_its_place(tmp_path: Path) -> None:
    toy = repeating(tmp_path)
    toy.run()
    seed = int(toy.plan(Mode.NEW_TAKE).jobs[0].seed)
    toy.generator.repeats = {("A house burns.", seed): ("A field burns.", 42)}
    toy.run(Mode.NEW_TAKE, only=["p1"])
    assert statuses(toy)["p1-1"] == "near-duplicate of p3-0"
    assert toy.current["p1"] == "p1-0"
    assert toy.current["p3"] == "p3-0"


def test_copies_equal_captions_and_takes_of_one_pair_may_look_alike(tmp_path: Path) -> None:
    toy = repeating(tmp_path / "copies", {"p1": "A house burns.", "p2": "A house burns."})
    toy.run()
    assert statuses(toy) == {"p1-0": "accepted", "p2-0": "accepted"}
    again = repeating(tmp_path / "takes")
    again.run()
    seed = int(again.plan(Mode.NEW_TAKE).jobs[0].seed)
    again.generator.repeats = {(caption, seed): (caption, 42) for caption in CAPTIONS.values()}
    again.run(Mode.NEW_TAKE)
    assert set(statuses(again).values()) == {"accepted"}


def test_a_repeat_is_found_in_another_category(tmp_path: Path) -> None:
    first = repeating(tmp_path, {"p1": "A house burns."})
    first.run()
    second = repeating(tmp_path, {"q1": "A tower falls."}, "explosion", q1="A house burns.")
    second.run()
    assert statuses(second) == {"q1-0": "near-duplicate of p1-0"}
    assert statuses(first) == {"p1-0": "accepted"}


def test_categories_settle_alike_whichever_is_made_first(tmp_path: Path) -> None:
    """The clip that stays is made last, so the other category learns of it with the next projection of all."""
    second = repeating(tmp_path, {"q1": "A tower falls."}, "explosion", q1="A house burns.")
    second.run()
    first = repeating(tmp_path, {"p1": "A house burns."})
    first.run()
    assert statuses(second) == {"q1-0": "accepted"}
    assert rejudge(first.work.catalog, DEMO) == ["explosion"]
    assert statuses(second) == {"q1-0": "near-duplicate of p1-0"}
    assert statuses(first) == {"p1-0": "accepted"}


def test_a_clip_is_no_duplicate_of_a_rejected_one(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p2="A house burns.", p3="A house burns.")
    toy.run()
    assert statuses(toy) == {"p1-0": "accepted", "p2-0": "near-duplicate of p1-0", "p3-0": "near-duplicate of p1-0"}
    record_review(toy.work, ["p1-0"], "reject", "ann", "the house does not burn")
    assert statuses(toy) == {"p1-0": "reviewer ann", "p2-0": "accepted", "p3-0": "near-duplicate of p2-0"}


def test_a_near_duplicate_is_retried_and_passes_when_its_pictures_differ(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.run()
    assert toy.run().made == 0
    assert [job.clip_id for job in toy.plan(Mode.RETRY_REJECTED).jobs] == ["p3-1"]
    assert toy.run(Mode.RETRY_REJECTED).made == 1
    assert toy.current["p3"] == "p3-1"


def test_the_distance_threshold_moves_freely(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.run()
    rejudge(toy.work.catalog, {**DEMO, "distance_min": 0.0})
    assert set(statuses(toy).values()) == {"accepted"}
    assert toy.clips.filter(pl.col("clip_id") == "p3-0")["nearest_distance"].to_list() == [0.0]


def test_the_sieve_hides_no_near_pair() -> None:
    random = np.random.default_rng(3)
    base = random.integers(0, 256, (4, duplicates.BYTES))
    values = np.clip(base[random.integers(0, 4, 700)] + random.integers(-12, 13, (700, duplicates.BYTES)), 0, 255)
    prints = duplicates.Prints([{"clip_id": str(n)} for n in range(700)], values.astype(np.uint8))
    expected = {
        (i, j): float(distance)
        for i in range(700)
        for j, distance in enumerate(np.abs(values[i] - values).max(axis=1))
        if distance < 23
    }
    assert {(i, j): distance for i, j, distance in duplicates.near_pairs(prints, prints, 23)} == expected
    assert 700 < len(expected) < 490_000


# -- text-video similarity -------------------------------------------------------------------------------------------


def test_similarity_rejects_only_where_a_checkpoint_is_configured_and_has_scored(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, CAPTIONS)
    toy.run()
    made = dict(toy.clips.select("clip_id", "recipe_sha").iter_rows())
    for name, clip, value in (("m/one", "p1-0", 0.1), ("m/one", "p2-0", 0.6), ("m/two", "p2-0", -0.5)):
        row = {"clip_id": clip, "recipe_sha": made[clip], "checkpoint": name, "similarity": value, "at": "2026"}
        toy.work.catalog.append("clip_similarities", CATEGORY, [{**row, "category": CATEGORY}])
    assert rejudge(toy.work.catalog, DEMO) == []
    rejudge(toy.work.catalog, {**DEMO, "clip_similarity": {"checkpoint": "m/one", "min": 0.2}})
    assert statuses(toy) == {"p1-0": "does not fit its caption", "p2-0": "accepted", "p3-0": "accepted"}
    assert toy.clips["similarity"].to_list() == [0.1, 0.6, None]
    rejudge(toy.work.catalog, {**DEMO, "clip_similarity": {"checkpoint": "m/two", "min": 0.2}})
    assert statuses(toy)["p2-0"] == "does not fit its caption"


# -- pages -----------------------------------------------------------------------------------------------------------


def _clips(values: list[float | None]) -> pl.DataFrame:
    rows = [{"clip_id": f"c{n}", "movement": value, "caption": "x"} for n, value in enumerate(values)]
    return pl.DataFrame(rows, schema_overrides={"movement": pl.Float64}).with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in (*SCORES, "similarity") if name != "movement")
    )


@pytest.mark.parametrize("count", [1, 9, 10, 11, 480])
def test_examples_rise_and_show_both_ends(count: int) -> None:
    values = np.random.default_rng(count).uniform(0, 9, count).round(3).tolist()
    (one,) = deciles(_clips([*values, None]), {"movement_min": 3.0})
    shown = [row["movement"] for row in one.examples]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1], len(shown)) == (min(values), max(values), min(count, 10))
    assert len({row["clip_id"] for row in one.examples}) == len(shown)
    assert (one.outside, one.scored, one.without) == (sum(value < 3.0 for value in values), count, 1)


def test_the_page_shows_every_score_with_its_threshold_and_is_safe_to_open(tmp_path: Path) -> None:
    captions = {"p1": "A <script>house</script> burns.", "p2": "A car burns.", "p3": "A field burns."}
    toy = repeating(tmp_path, captions, p3=captions["p1"])
    toy.generator.still = {("A car burns.", 42)}
    toy.run()
    page = write_scores_page(toy.work, toy.clips, DEMO, "fire").read_text()
    for score in SCORES:
        assert f"<h2>{score}</h2>" in page
    assert page.count('class="limit"') == sum(
        limit is not None for name, limit in DEMO.items() if name != "clip_similarity"
    )
    assert page.count('class="rejected"') >= 2
    assert "near-duplicate of p1-0" in page
    assert "<script>" not in page
    assert "http" not in page, "one file, nothing fetched"
    toy.file("p1-0").unlink()
    assert "no picture" in write_scores_page(toy.work, toy.clips, DEMO, "fire").read_text()


def test_the_table_for_dagster_is_small(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path, {f"p{n}": f"House {n} burns." for n in range(30)})
    toy.run()
    table = deciles_markdown(toy.clips, DEMO)
    assert table.count("\n") == 1 + len(SCORES)
    assert len(table.encode()) < 4000


def test_nearest_pairs_come_first_with_the_clip_that_would_go(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.run()
    distance, clip, other = nearest_pairs(toy.clips)[0]
    assert (distance, clip["clip_id"], other["clip_id"]) == (0.0, "p3-0", "p1-0")


def test_every_clip_gets_exactly_one_verdict(tmp_path: Path) -> None:
    toy = repeating(tmp_path, p3="A house burns.")
    toy.run()
    toy.run(Mode.NEW_TAKE)
    cards = read_cards(toy.work.store, CATEGORY).whole
    assert set(judge(cards, DEMO)) == {card["clip_id"] for card in cards}
    assert judge([], DEMO) == {}
