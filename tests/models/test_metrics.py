"""Metrics equal the published code's, ties and NaN included, and their uncertainty is honest."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_models.metrics import (
    best_wrong,
    bootstrap_interval,
    chance_level,
    collected_ranks,
    multi_caption_metrics,
    ranks,
    recall_at,
    recall_within,
    retrieval_metrics,
)
from tests.models.golden import FOLDER

EXPECTED = json.loads((FOLDER / "metrics.json").read_text())["clip4clip_and_xclip"]
SQUARE = [name for name in EXPECTED if name.startswith("square/")]
NAMES = {"R@1": "R1", "R@5": "R5", "R@10": "R10", "MdR": "MedianR", "MnR": "MeanR"}


def assert_metrics(measured, expected, tolerance=1e-9):
    for ours, theirs in NAMES.items():
        assert measured[ours] == pytest.approx(expected[theirs], rel=tolerance), ours


@pytest.mark.parametrize("case", SQUARE)
@pytest.mark.parametrize("direction", ["text_to_video", "video_to_text"])
def test_square_metrics_equal_the_published_ones(case, direction):
    similarity = np.load(FOLDER / "metrics.npz")[f"{case}/sim"]
    similarity = similarity if direction == "text_to_video" else similarity.T
    expected = EXPECTED[case][direction]
    assert_metrics(retrieval_metrics(similarity), expected)
    assert_metrics(retrieval_metrics(torch.from_numpy(similarity.copy())), expected)
    assert (collected_ranks(similarity) - 1).tolist() == expected["cols"]


@pytest.mark.parametrize("case", ["multi/uneven", "multi/uniform"])
def test_several_captions_per_clip_equal_the_published_form(case):
    stored = np.load(FOLDER / "metrics.npz")
    measured = multi_caption_metrics(stored[f"{case}/sim"], stored[f"{case}/captions_per_video"])
    assert_metrics(measured["t2v"], EXPECTED[case]["text_to_video"], tolerance=1e-6)  # published in float32
    assert_metrics(measured["v2t"], EXPECTED[case]["video_to_text"])


def test_a_large_matrix_equals_the_published_figures():
    similarity = np.random.default_rng(12).standard_normal((2000, 2000)).astype(np.float32)
    similarity[np.diag_indices(2000)] += 2.0
    assert_metrics(retrieval_metrics(similarity), EXPECTED["recipe/large"]["text_to_video"])
    assert_metrics(retrieval_metrics(similarity.T), EXPECTED["recipe/large"]["video_to_text"])


def test_identical_captions_raise_the_collected_ranks_as_in_the_papers_table_3():
    similarity = np.random.default_rng(0).standard_normal((290, 290))
    similarity[1], similarity[3] = similarity[0], similarity[2]  # two pairs of identical captions: equal rows
    text_to_video, video_to_text = retrieval_metrics(similarity), retrieval_metrics(similarity.T)
    assert (text_to_video["queries"], text_to_video["ranks"]) == (290, 290)
    assert (video_to_text["queries"], video_to_text["ranks"]) == (290, 294)


def test_double_precision_from_torch_makes_no_ties():
    close = torch.tensor([[1.0, 1.0 + 1e-12], [0.0, 1.0]], dtype=torch.float64)
    assert collected_ranks(close).tolist() == [2, 1]
    assert ranks(torch.eye(2, dtype=torch.bfloat16)).tolist() == [1, 1]


def test_average_ties_keep_one_rank_per_query():
    constant = np.zeros((7, 7))
    assert ranks(constant).tolist() == [4.0] * 7
    measured = retrieval_metrics(constant, ties="average")
    assert (measured["R@1"], measured["R@5"], measured["ranks"]) == (0.0, 100.0, 7)


def test_a_query_without_a_score_is_last_on_average_and_dropped_officially():
    similarity = np.eye(4)
    similarity[1, 1] = np.nan
    assert ranks(similarity).tolist() == [1, 4, 1, 1]
    assert retrieval_metrics(similarity, ties="average")["R@1"] == 75.0
    assert retrieval_metrics(similarity)["R@1"] == 100.0


def test_no_rank_at_all_gives_nan_instead_of_a_crash():
    empty = retrieval_metrics(np.full((3, 3), np.nan))
    assert empty["ranks"] == 0
    assert np.isnan(empty["R@1"])
    assert np.isnan(empty["MdR"])


def _matrix(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, size=(size, size)).astype(float)


@settings(deadline=None)
@given(st.integers(1, 25), st.integers(0, 10_000))
def test_ranks_equal_a_plain_count_and_do_not_depend_on_the_order_of_pairs(size, seed):
    similarity = _matrix(size, seed)
    plain = [(row > row[i]).sum() + ((row == row[i]).sum() + 1) / 2 for i, row in enumerate(similarity)]
    assert ranks(similarity).tolist() == plain
    order = np.random.default_rng(seed + 1).permutation(size)
    np.testing.assert_array_equal(ranks(similarity[np.ix_(order, order)]), np.asarray(plain)[order])


@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([1, 5, 10]))
def test_the_interval_contains_the_measured_recall(size, seed, k):
    counted = np.random.default_rng(seed).integers(1, 30, size=size)
    low, high = bootstrap_interval(counted, k, seed=0)
    assert 0 <= low <= recall_at(counted, k) <= high <= 100
    assert bootstrap_interval(counted, k, seed=0) == (low, high)


def test_the_interval_is_as_wide_as_the_normal_approximation_says():
    low, high = bootstrap_interval(np.array([1] * 50 + [20] * 50), 10, seed=3)
    assert high - low == pytest.approx(2 * 1.96 * 5, abs=1.5)


def test_recall_within_a_category_ignores_other_categories():
    similarity = np.array([[2.0, 1, 9, 9], [3, 2, 9, 9], [9, 9, 2, 1], [9, 9, 1, 2]])
    within = recall_within(similarity, ["a", "a", "b", "b"])
    assert within == (75.0, 50.0, 4)
    assert recall_within(np.eye(3), ["a", "b", "c"]) == (100.0, 100.0, 3)


def test_the_best_wrong_clip_is_never_the_match():
    assert best_wrong(np.array([[9.0, 1, 2], [np.nan, 5, 4], [1, 3, 0]])).tolist() == [2, 2, 1]
    assert best_wrong(np.array([[1.0]])).tolist() == [-1]


def test_chance_of_a_hundred():
    assert chance_level(100) == {"R@1": 1.0, "R@5": 5.0, "R@10": 10.0, "MdR": 50.5, "MnR": 50.5}


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="multi_caption_metrics"):
        retrieval_metrics(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="'official' or 'average'"):
        retrieval_metrics(np.zeros((2, 2)), ties="first")


@pytest.mark.parametrize("count", [1, 2, 3, 127, 128, 300])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_best_wrong_answer_is_the_highest_one_beside_the_match(count: int, transposed: bool) -> None:
    """Against the plain definition, with ties, NaN and rows without any score; memory order does not matter."""
    random = np.random.default_rng(count)
    matrix = random.integers(0, 5, (count, count)).astype(np.float32)
    matrix[random.random((count, count)) < 0.1] = np.nan
    matrix[count // 2] = np.nan
    found = best_wrong(matrix.T if transposed else matrix)
    plain = (matrix.T if transposed else matrix).astype(np.float64)
    for query, row in enumerate(plain):
        others = [place for place in range(count) if place != query]
        if not others:
            assert found[query] == -1
            continue
        scores = [-np.inf if np.isnan(row[place]) else row[place] for place in others]
        assert found[query] != query
        assert scores[others.index(found[query])] == max(scores)
        if max(scores) > -np.inf:
            assert found[query] == others[int(np.argmax(scores))], "of equal ones the first"
