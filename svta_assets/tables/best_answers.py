"""The highest-ranked answers of every query: what a ranked list shows, kept because a similarity is not."""

from typing import Any

import numpy as np
import polars as pl

KEPT = 5
_ROWS = 256  # rows of a similarity looked at at a time
_SCHEMA: dict[str, Any] = {"query": pl.String, "best": pl.List(pl.String)}


def best_answers(similarity: np.ndarray, pair_ids: list[str]) -> pl.DataFrame:
    """Columns direction, query and best: the pair ids of the KEPT best answers of each query, best first.

    similarity: (N, N), rows captions. Equal scores stand in the order of the gallery (which of those at the last place
    are kept is left to numpy); NaN counts as the lowest.
    """
    parts = []
    for direction, matrix in (("t2v", similarity), ("v2t", similarity.T)):
        found = pl.DataFrame({"query": pair_ids, "best": _best(matrix, pair_ids)}, schema=_SCHEMA)
        parts.append(found.with_columns(direction=pl.lit(direction)))
    return pl.concat(parts)


def _best(matrix: np.ndarray, pair_ids: list[str]) -> list[list[str]]:
    kept, found = min(KEPT, matrix.shape[1]), list[list[str]]()
    for start in range(0, len(matrix), _ROWS):
        block = np.nan_to_num(matrix[start : start + _ROWS], nan=-np.inf)
        places = np.sort(np.argpartition(-block, kept - 1, axis=1)[:, :kept], axis=1)
        order = np.argsort(-np.take_along_axis(block, places, axis=1), axis=1, kind="stable")
        found += [[pair_ids[place] for place in row] for row in np.take_along_axis(places, order, axis=1).tolist()]
    return found
