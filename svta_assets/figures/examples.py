"""The ranked lists that Figure 5 shows, from the ranks of an evaluation and the release it searched."""

from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.figures.retrieval import Answer, Frame, Ranked
from svta_assets.figures.stills import stills
from svta_assets.tables.current import ranks_of
from svta_assets.tables.paper import SYNTHETIC
from svta_assets.workspace import Workspace
from svta_models.release import DamagedClip, Release

if TYPE_CHECKING:
    import numpy as np


def ranked_examples(work: Workspace, model: str) -> tuple[list[Ranked], str]:
    """Four text-to-video queries of a model's newest evaluation on SVTA, and the hash of the release searched.

    No queries where the model was not evaluated, or before best answers were kept.
    """
    ranks = ranks_of(work, model, SYNTHETIC).filter(pl.col("best").list.len() > 0, direction="t2v")
    if ranks.is_empty():
        return [], ""
    release = Release(work.store, ranks["release"][0])
    pairs = {row["pair_id"]: row for row in release.frame.iter_rows(named=True)}
    chosen = choose(ranks.with_columns(kind=pl.col("query").replace_strict({k: v["kind"] for k, v in pairs.items()})))
    shown = {pair for row in chosen for pair in _answers(row)}
    frames = stills({pair: frame for pair in sorted(shown) if (frame := _middle(release, pairs[pair])) is not None})
    return [_ranked(row, pairs, frames) for row in chosen], release.hash


def choose(ranks: pl.DataFrame) -> list[dict[str, Any]]:
    """The first hit (by id) of each kind, the first near miss and the worst miss, so far as there are such.

    Chosen by rule, not by looks: two queries that the model answers and two that it does not.
    """
    ordered = ranks.sort("query")
    hits = ordered.filter(pl.col("rank") <= 1).unique("kind", keep="first", maintain_order=True).sort("kind")
    near = ordered.filter(pl.col("rank") > 1, pl.col("rank") <= pl.col("best").list.len()).head(1)
    worst = ordered.filter(pl.col("rank") > pl.col("best").list.len())
    worst = worst.sort("rank", descending=True, maintain_order=True).head(1)
    return [*hits.to_dicts(), *near.to_dicts(), *worst.to_dicts()]


def _answers(row: dict[str, Any]) -> list[str]:
    """The pairs of a ranked list; the right one is added where it is not among the best."""
    best = list(row["best"])
    return best if row["query"] in best else [*best, row["query"]]


def _ranked(row: dict[str, Any], pairs: dict[str, dict[str, Any]], frames: dict[str, Frame]) -> Ranked:
    answers = tuple(
        Answer(
            rank=place if place <= len(row["best"]) else row["rank"],
            right=pair == row["query"],
            category=pairs[pair]["final_category"],
            frame=frames.get(pair),
        )
        for place, pair in enumerate(_answers(row), start=1)
    )
    query = pairs[row["query"]]
    return Ranked(query["caption"], query["final_category"], row["rank"], answers)


def _middle(release: Release, row: dict[str, Any]) -> "np.ndarray | None":
    """The frame in the middle of a clip; None where the clip is gone, damaged or does not decode."""
    from svta_models.frames import DecodeError, decode_video

    try:
        frames = decode_video(release.split("all").clip_bytes(row))
    except (DamagedClip, DecodeError):
        return None
    middle: np.ndarray = frames[len(frames) // 2]
    return middle
