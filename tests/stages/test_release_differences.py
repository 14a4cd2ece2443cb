"""Leakage, differences between releases, and pairs of benchmark test sets: found and counted as they are."""

from typing import Any

import polars as pl
import pytest

from svta_assets.schemas import EVALUATIONS
from svta_assets.splits.benchmarks import in_benchmarks
from svta_assets.splits.compare import changed_figures, compare_releases, difference_markdown
from svta_assets.splits.leakage import find_leaks, leakage_markdown, share_of


def _release(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """(pair, split, caption, sha256)."""
    frame = pl.DataFrame(rows, schema=["pair_id", "split", "caption", "sha256"], orient="row")
    return frame.with_columns(clip_id=pl.format("{}-0", "pair_id"), final_category=pl.lit("anomaly-01-fire"))


def test_each_kind_of_leak_is_counted_once_a_pair() -> None:
    release = _release(
        ("a", "train", "The house burns.", "1"),
        ("b", "train", "A man in a red coat runs to the car", "2"),
        ("c", "test", "the house BURNS", "3"),
        ("d", "test", "The man in the red coat runs to a car.", "2"),
        ("e", "test", "A dog barks", "4"),
        ("f", "val", "A dog barks", "5"),
    )
    leaks = find_leaks(release, {"a": "v1", "e": "v1", "f": "v1", "c": None})
    found = {(row["kind"], row["split"], row["other"]): row["pairs"] for row in leaks.iter_rows(named=True)}
    assert found["captions", "test", "train"] == 1
    assert found["near_captions", "test", "train"] == 2
    assert found["same_pixels", "test", "train"] == 1
    assert found["source_videos", "test", "train"] == 1
    assert found["captions", "test", "val"] == 1
    assert found["source_videos", "val", "train"] == 1
    assert found["captions", "val", "train"] == 0
    assert share_of(leaks, "near_captions") == pytest.approx(2 / 3)
    table = leakage_markdown(leaks)
    assert "| equal captions | test | train | 1 | 33.3% | c and a: the house BURNS |" in table
    assert len(table.splitlines()) == 2 + 12


def test_a_release_without_test_pairs_shares_nothing() -> None:
    leaks = find_leaks(_release(("a", "train", "x", "1")), {})
    assert leaks["pairs"].sum() == 0
    assert leaks["example"].null_count() == leaks.height


def test_pairs_are_added_removed_regenerated_recaptioned_resplit_and_moved() -> None:
    before = _release(*[(pair, "train", f"Caption {pair}.", pair) for pair in "abcdef"])
    after = before.filter(pl.col("pair_id") != "a").with_columns(
        clip_id=pl.when(pl.col("pair_id") == "b").then(pl.lit("b-1")).otherwise("clip_id"),
        sha256=pl.when(pl.col("pair_id") == "c").then(pl.lit("other")).otherwise("sha256"),
        caption=pl.when(pl.col("pair_id") == "d").then(pl.lit("New.")).otherwise("caption"),
        split=pl.when(pl.col("pair_id") == "e").then(pl.lit("test")).otherwise("split"),
        final_category=pl.when(pl.col("pair_id") == "f").then(pl.lit("anomaly-02-fall")).otherwise("final_category"),
    )
    after = pl.concat([after, after.tail(1).with_columns(pair_id=pl.lit("g"))])
    found = compare_releases(before, after)
    pairs = {name: frame["pair_id"].to_list() for name, frame in vars(found).items()}
    assert pairs == {
        "added": ["g"], "removed": ["a"], "regenerated": ["b", "c"], "recaptioned": ["d"], "resplit": ["e"],
        "moved": ["f"],
    }  # fmt: skip
    text = difference_markdown(found, changed_figures(EVALUATIONS.empty(), "x", "y"))
    assert text.startswith("pairs: 1 added, 1 removed, 2 regenerated, 1 with another caption")
    assert "- b: b-0 -> b-1" in text
    assert "- f: anomaly-01-fire -> anomaly-02-fall" in text
    same = difference_markdown(compare_releases(before, before), changed_figures(EVALUATIONS.empty(), "x", "x"))
    assert same.startswith("pairs: no difference")


def _evaluation(release: str, at: str, r1: float, **more: Any) -> dict[str, Any]:
    facts = {
        "checkpoint_id": at,
        "model": "gram",
        "benchmark": "svta",
        "direction": "t2v",
        "trained_on_shuffled": False,
    }
    return {**facts, "release": release, "at": at, "r1": r1, "r5": 50.0, "r10": 60.0, "mdr": 3.0, "mnr": 9.0, **more}


def test_figures_of_the_newest_evaluations_are_compared_controls_left_out() -> None:
    rows = EVALUATIONS.frame([
        _evaluation("x", "1", 10.0),
        _evaluation("x", "2", 20.0),
        _evaluation("x", "3", 1.0, trained_on_shuffled=True),
        _evaluation("y", "4", 25.0),
        _evaluation("x", "5", 30.0, direction="v2t"),
        _evaluation("y", "6", 30.0, direction="v2t"),
        _evaluation("y", "7", 40.0, benchmark="oops"),
    ])  # fmt: skip
    figures = changed_figures(rows, "x", "y")
    assert figures.select("benchmark", "direction", "r1", "r1_new").rows() == [
        ("oops", "t2v", None, 40.0), ("svta", "t2v", 20.0, 25.0),
    ]  # fmt: skip
    release = _release(("a", "train", "x", "1"))
    found = compare_releases(release, release)
    text = difference_markdown(found, figures)
    assert "| gram | svta | t2v | 20.0 -> 25.0 | 50.0 -> 50.0 |" in text
    assert "| gram | oops | t2v | - -> 40.0 |" in text


def test_pairs_of_a_benchmarks_test_set_are_found_by_video_and_caption() -> None:
    texts = pl.DataFrame(
        [("ucfcrime_ar", "test", "Abuse028", "A man hits a dog."), ("ucfcrime_ar", "train", "Abuse001", "He runs."),
         ("oops", "val", "clip 1", "A boy falls."), ("uca", "test", "Arson001", "A fire.")],
        schema=["source", "source_split", "source_video", "caption"], orient="row",
    )  # fmt: skip
    pairs = pl.DataFrame(
        [("video", "Other words.", "Abuse028"), ("caption", "a man hits a dog", None), ("oops", "A boy falls", "clip 2"),
         ("train", "He runs.", "Abuse001"), ("uca", "A fire.", "Arson001")],
        schema=["pair_id", "caption", "source_video"], orient="row",
    )  # fmt: skip
    assert in_benchmarks(pairs, texts) == {
        "video": "its source video is in the test set of ucfcrime_ar",
        "caption": "its caption is in the test set of ucfcrime_ar",
        "oops": "its caption is in the test set of oops",
    }
