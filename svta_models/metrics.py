"""Retrieval metrics: recall at K (R@K, percent), median rank (MdR) and mean rank (MnR), and their uncertainty.

Similarity matrices have queries as rows and the gallery as columns; the match of query i is column i (transpose for
video-to-text). Two rules for ties:

* `official`: what CLIP4Clip and X-CLIP print and the paper's tables hold (its Table 3 counts 292 and 294 ranks for
  290 pairs). Every gallery position that ties with the match is collected as one more rank, and a query whose own
  score is not finite disappears.
* `average`: one rank per query, the mean of its tied positions; a query without a score counts as ranked last.

Ranks come from counting scores above the match, so nothing is ever sorted.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

Ties = Literal["official", "average"]
RECALL_AT = (1, 5, 10)
_BYTE_ROWS = 128  # rows counted in single bytes before they could overflow; bounds the temporaries too


class WithinCategory(NamedTuple):
    """R@1 when each query searches only clips of its own category, and what guessing would give (percent)."""

    r_at_1: float
    chance: float
    queries: int


def retrieval_metrics(similarity: Any, ties: Ties = "official") -> dict[str, float]:
    """Score a square similarity matrix (numpy or torch, queries as rows).

    Returns R@1, R@5, R@10 in percent, MdR and MnR (1-based), `queries` and `ranks` (how many ranks were counted: with
    `official` ties it can differ from the number of queries, and it is the denominator of every figure).
    """
    matrix = _square(similarity)
    if ties == "official":
        counted = collected_ranks(matrix)
    elif ties == "average":
        counted = ranks(matrix)
    else:
        raise ValueError(f"ties={ties!r}: use 'official' or 'average'")
    return summarise(counted, queries=len(matrix))


def summarise(counted: np.ndarray, queries: int | None = None) -> dict[str, float]:
    """Turn 1-based ranks into R@1, R@5, R@10 (percent), MdR, MnR; NaN throughout when there is no rank."""
    total = len(counted)
    result = {f"R@{k}": recall_at(counted, k) for k in RECALL_AT}
    result["MdR"] = float(np.median(counted)) if total else float("nan")
    result["MnR"] = float(np.mean(counted)) if total else float("nan")
    result["queries"] = float(total if queries is None else queries)
    result["ranks"] = float(total)
    return result


def recall_at(counted: np.ndarray, k: int) -> float:
    """Percent of 1-based ranks that are at most `k`."""
    return 100.0 * float(np.count_nonzero(counted <= k)) / len(counted) if len(counted) else float("nan")


def chance_level(gallery: int) -> dict[str, float]:
    """What a random order of `gallery` clips gives: R@K in percent, MdR and MnR."""
    middle = (gallery + 1) / 2
    return {**{f"R@{k}": 100.0 * min(k, gallery) / gallery for k in RECALL_AT}, "MdR": middle, "MnR": middle}


def ranks(similarity: Any) -> np.ndarray:
    """Rank of each query's match, (N,) float64, 1 = best, tied positions averaged, NaN score = last."""
    matrix = _square(similarity)
    above, tied = _above_and_tied(matrix)
    # The match ties with itself unless it is NaN; a query without a score found nothing.
    averaged = above + (tied + 1) / 2
    return np.where(np.isnan(np.diagonal(matrix)), float(len(matrix)), averaged)


def collected_ranks(similarity: Any) -> np.ndarray:
    """All 1-based ranks the published evaluation collects, in query order: one per tied position."""
    matrix = _square(similarity)
    above, tied = _above_and_tied(matrix)
    # The published code looks for zeros in (sorted row - own score); infinity minus infinity is never zero.
    tied = np.where(np.isfinite(np.diagonal(matrix)), tied, 0)
    starts = np.repeat(above, tied)
    within = np.arange(tied.sum()) - np.repeat(np.cumsum(tied) - tied, tied)
    return np.asarray(starts + within + 1)


def multi_caption_metrics(similarity: Any, captions_per_video: Sequence[int]) -> dict[str, dict[str, float]]:
    """Score several captions per clip, published rules: {"t2v": ..., "v2t": ...}.

    `similarity` is (captions, clips) with the captions of one clip adjacent. Text-to-video ranks every caption (MdR is
    the lower median there); video-to-text lets a clip's best caption stand for it and uses `official` ties.
    """
    matrix = _array(similarity)
    owner = np.repeat(np.arange(len(captions_per_video)), captions_per_video)
    if matrix.ndim != 2 or matrix.shape != (len(owner), len(captions_per_video)):
        raise ValueError(
            f"similarity is {matrix.shape}, but captions_per_video describes {len(owner)} captions of "
            f"{len(captions_per_video)} clips: rows are captions, columns clips"
        )
    own = matrix[np.arange(len(owner)), owner]
    t2v_ranks = (matrix > own[:, None]).sum(axis=1) + 1
    t2v = summarise(t2v_ranks)
    t2v["MdR"] = float(np.sort(t2v_ranks)[(len(t2v_ranks) - 1) // 2])
    starts = np.concatenate([[0], np.cumsum(captions_per_video)[:-1]])
    best_VV = np.maximum.reduceat(matrix, starts, axis=0)
    return {"t2v": t2v, "v2t": retrieval_metrics(best_VV.T)}


def bootstrap_interval(
    counted: np.ndarray, k: int, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap of R@k over queries: (low, high) in percent. `counted` are 1-based ranks, one per query."""
    found = np.asarray(counted) <= k
    if not len(found):
        return float("nan"), float("nan")
    # Resampling n yes/no outcomes with replacement is one binomial draw per resample.
    draws = np.random.default_rng(seed).binomial(len(found), found.mean(), size=resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(100.0 * draws / len(found), [tail, 1 - tail])
    return float(low), float(high)


def recall_within(similarity: Any, groups: Sequence[Hashable]) -> WithinCategory:
    """R@1 when a query searches only the clips of its own group, averaged over queries, with its chance.

    Tells how much of the recall is finding the clip and not merely its category. Ties follow `average`.
    """
    matrix = _square(similarity)
    if len(groups) != len(matrix):
        raise ValueError(f"{len(groups)} groups for {len(matrix)} queries: give one group per row")
    codes = np.unique(np.asarray([str(group) for group in groups]), return_inverse=True)[1]
    found, chance = np.zeros(len(matrix)), np.zeros(len(matrix))
    for code in range(codes.max(initial=-1) + 1):
        members = np.flatnonzero(codes == code)
        found[members] = ranks(matrix[np.ix_(members, members)]) <= 1
        chance[members] = 1 / len(members)
    if not len(matrix):
        return WithinCategory(float("nan"), float("nan"), 0)
    return WithinCategory(100.0 * float(found.mean()), 100.0 * float(chance.mean()), len(matrix))


def best_wrong(similarity: Any) -> np.ndarray:
    """Column of the highest-scoring clip that is not the match, per query; -1 when the gallery is the match alone.

    Of equal scores the first column counts; NaN is below everything. Memory is a few rows, not a copy of the matrix.
    """
    matrix = _square(similarity)
    if len(matrix) < 2:
        return np.full(len(matrix), -1)
    if matrix.flags.f_contiguous and not matrix.flags.c_contiguous:
        return _best_wrong_down(matrix.T)
    best = np.empty(len(matrix), dtype=np.int64)
    for start in range(0, len(matrix), _BYTE_ROWS):
        best[start : start + _BYTE_ROWS] = _without_match(matrix, start).argmax(axis=1)
    best[0] = best[0] or 1  # nothing but NaN: the first answer, and not the match
    return best


def _best_wrong_down(matrix: np.ndarray) -> np.ndarray:
    """`best_wrong` where queries are columns, read row by row as the matrix lies in memory."""
    # Start at a wrong answer, so that a query without any finite score still names one.
    best = np.where(np.arange(len(matrix)) == 0, 1, 0)
    highest = np.full(len(matrix), -np.inf)
    for start in range(0, len(matrix), _BYTE_ROWS):
        part = _without_match(matrix, start)
        rows = part.argmax(axis=0)
        values = part[rows, np.arange(len(matrix))]
        better = values > highest
        best, highest = np.where(better, start + rows, best), np.where(better, values, highest)
    return best


def _without_match(matrix: np.ndarray, start: int) -> np.ndarray:
    """A copy of some rows, the match and NaN below everything else."""
    part = matrix[start : start + _BYTE_ROWS].astype(np.float64)
    part[np.arange(len(part)), np.arange(start, start + len(part))] = -np.inf
    return np.where(np.isnan(part), -np.inf, part)


def _above_and_tied(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per query, how many scores are above the match's and how many equal it; NaN is neither.

    The matrix is read in the order it lies in memory: a transposed one (video-to-text) is counted down its columns.
    """
    own = np.diagonal(matrix).copy()
    above, tied = np.zeros(len(matrix), dtype=np.int64), np.zeros(len(matrix), dtype=np.int64)
    if matrix.flags.f_contiguous and not matrix.flags.c_contiguous:
        for start in range(0, len(matrix), _BYTE_ROWS):
            part = matrix.T[start : start + _BYTE_ROWS]
            above += (part > own).view(np.uint8).sum(axis=0, dtype=np.uint8)
            tied += (part == own).view(np.uint8).sum(axis=0, dtype=np.uint8)
        return above, tied
    for query, row in enumerate(matrix):
        above[query] = np.count_nonzero(row > own[query])
        tied[query] = np.count_nonzero(row == own[query])
    return above, tied


def _square(similarity: Any) -> np.ndarray:
    matrix = _array(similarity)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"similarity is {matrix.shape}: one clip per caption needs a square matrix (rows = queries); "
            "for several captions per clip use multi_caption_metrics"
        )
    return matrix


def _array(similarity: Any) -> np.ndarray:
    if hasattr(similarity, "detach"):  # a torch tensor, without importing torch here
        similarity = similarity.detach().cpu()
        # numpy has no bfloat16; double precision stays, for rounding it would make ties
        similarity = (similarity.float() if similarity.dtype.itemsize < 4 else similarity).numpy()
    return np.asarray(similarity)
