"""What a release already holds of a benchmark: equal and near captions, other texts of the same videos."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from svta_assets.benchmarks.contamination import contamination_line, find_contamination
from svta_assets.benchmarks.pairs import BenchmarkPairs, benchmark_pairs
from svta_assets.benchmarks.settings import BenchmarkSettings
from svta_assets.tables.rows import evaluation_rows
from svta_assets.texts.collect import collect_texts
from svta_models.evaluation import evaluate_similarity

BENCHMARK = "ucfcrime_ar"
PAIRS = pl.DataFrame(
    [
        ("a", "A man hits a white dog with a stick.", "Abuse028"),  # in training, word for word
        ("b", "Two men fight in front of a small bar.", "Fighting018"),  # in validation, nearly
        ("c", "A van runs into a motorcycle.", "RoadAccidents012"),  # its video has another text in training
        ("d", "A clerk stands behind a counter.", "Normal003"),  # only in the test split
        ("e", "Smoke rises from a kitchen.", "Explosion025"),
    ],
    schema=["pair_id", "caption", "video"],
    orient="row",
)
HELD = pl.DataFrame(
    [
        ("A man hits a white dog, with a stick", "train", BENCHMARK, "Abuse028"),
        ("The two men fight in front of the small bar!", "val", "llm", None),
        ("It rains.", "train", "uca", "RoadAccidents012"),
        ("A clerk stands behind a counter.", "test", BENCHMARK, "Normal003"),
        ("The smoke of a forest fire rises over hills.", "train", "oops", "e"),
    ],
    schema=["caption", "split", "source", "source_video"],
    orient="row",
)


def _count(rows: pl.DataFrame, kind: str, part: str) -> int:
    return int(rows.filter(kind=kind, part=part)["pairs"].item())


def test_each_kind_is_counted_in_its_part_of_the_release() -> None:
    found = find_contamination(PAIRS, HELD, BENCHMARK)
    assert found.touched == {"a", "b", "c"}
    expected = {
        ("captions", "train"): 1, ("captions", "val"): 0, ("captions", "release"): 2,
        ("near_captions", "train"): 1, ("near_captions", "val"): 1, ("near_captions", "train or val"): 2,
        ("source_videos", "train"): 1, ("source_videos", "release"): 1,
        ("any", "train or val"): 3, ("any", "release"): 4,
    }  # fmt: skip
    assert {key: _count(found.rows, *key) for key in expected} == expected
    assert set(found.rows["of"]) == {5}
    line = contamination_line(found.rows)
    assert "1 of 5: equal captions; 2 of 5: equal or near captions; 1 of 5: source videos with another text" in line


def test_a_benchmarks_own_caption_is_no_other_text_of_its_video() -> None:
    own = HELD.filter(source=BENCHMARK)
    assert _count(find_contamination(PAIRS, own, BENCHMARK).rows, "source_videos", "release") == 0
    foreign = own.with_columns(source=pl.lit("uca"))
    assert _count(find_contamination(PAIRS, foreign, BENCHMARK).rows, "source_videos", "release") == 2


def test_untouched_pairs_are_ranked_among_themselves() -> None:
    """Pair 0 outranks all others; without it everything is found."""
    similarity = np.eye(4, dtype=np.float32)
    similarity[:, 0] = 2.0
    evaluation = evaluate_similarity(similarity, list("abcd"), ["x"] * 4)
    facts = {"checkpoint_id": "c", "model": "m", "release": "r", "benchmark": BENCHMARK}
    rows = {row["direction"]: row for row in evaluation_rows(evaluation, facts, touched={"a"})}
    assert rows["t2v"]["r1"] == 25.0
    assert (rows["t2v"]["untouched_pairs"], rows["t2v"]["untouched_r1"], rows["t2v"]["untouched_mnr"]) == (
        3,
        100.0,
        1.0,
    )
    none = evaluation_rows(evaluation, facts, touched=set("abcd"))[0]
    assert none["untouched_pairs"] == 0 and "untouched_r1" not in none
    assert "untouched_pairs" not in evaluation_rows(evaluation, facts)[0], "means nothing on SVTA's own test split"


# -- on the real sources -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_dir() -> Path:
    folder = os.environ.get("SVTA_SOURCES_DIR")
    if not folder or not (Path(folder) / "ucfcrime_ar").is_dir():
        pytest.skip("SVTA_SOURCES_DIR does not lead to the real sources")
    return Path(folder)


@pytest.fixture(scope="module")
def real_pairs(real_dir: Path) -> BenchmarkPairs:
    return benchmark_pairs(BenchmarkSettings(BENCHMARK, real_dir, real_dir / "ucfcrime_ar", pairs=290))


def test_svta_holds_all_290_captions_and_texts_of_286_of_the_290_videos(
    real_dir: Path, real_pairs: BenchmarkPairs
) -> None:
    def never(sentences: list[str]) -> np.ndarray:
        raise AssertionError("nothing but OOPS! may be embedded")

    texts = collect_texts(real_dir, never).texts
    held = texts.select("caption", "source", "source_video").with_columns(split=pl.lit("train"))
    found = find_contamination(real_pairs.kept, held, BENCHMARK).rows
    assert _count(found, "captions", "train or val") == 290
    assert _count(found, "near_captions", "train or val") == 290
    assert _count(found, "source_videos", "train or val") == 286
    assert set(real_pairs.kept["pair_id"]) <= set(texts["text_id"]), "the benchmark's pairs are SVTA's texts"


@pytest.mark.parametrize("seed", range(3))
def test_the_real_captions_give_the_papers_294_ranks_video_to_text(real_pairs: BenchmarkPairs, seed: int) -> None:
    """Table 3 has 294 ranks for 290 pairs: two captions stand twice. Any encoder that sees only the words does that."""
    random = np.random.default_rng(seed)
    vectors = {caption: random.standard_normal(16) for caption in sorted(set(real_pairs.kept["caption"]))}
    texts = np.stack([vectors[caption] for caption in real_pairs.kept["caption"]])
    videos = random.standard_normal((290, 16))
    found = evaluate_similarity(
        (texts[:, None] * videos[None]).sum(axis=-1), real_pairs.kept["pair_id"].to_list(), ["x"] * 290
    )
    assert found.metrics_v2t["ranks"] == 294
    assert found.metrics_t2v["ranks"] == 290, (
        "different videos: the paper's 292 need two that its models cannot tell apart"
    )
    assert found.averaged_v2t["ranks"] == 290
