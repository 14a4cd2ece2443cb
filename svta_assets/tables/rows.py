"""From an evaluation to rows of `evaluations` and `query_ranks`."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from svta_assets.tables.best_answers import best_answers
from svta_assets.tables.paper import FIGURES
from svta_assets.workspace import Workspace, utc_now
from svta_models.metrics import RECALL_AT, retrieval_metrics, summarise

if TYPE_CHECKING:
    from svta_models.evaluation import Evaluation

DIRECTIONS = ("t2v", "v2t")


def evaluation_rows(
    evaluation: "Evaluation", facts: Mapping[str, Any], touched: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Both directions' rows of `evaluations`.

    facts: columns that the evaluation does not know (checkpoint_id, model, release, benchmark, ...). touched: pairs
    that the release's texts already hold; the others are scored again among themselves. None where that means nothing.
    """
    rows = []
    for direction in DIRECTIONS:
        official, averaged = (
            (evaluation.metrics_t2v, evaluation.averaged_t2v)
            if direction == "t2v"
            else (evaluation.metrics_v2t, evaluation.averaged_v2t)
        )
        within = evaluation.within[direction]
        figures: dict[str, Any] = {name: official[said] for name, said in FIGURES.items()}
        figures |= {f"{name}_averaged": averaged[said] for name, said in FIGURES.items()}
        for k in RECALL_AT:
            figures[f"r{k}_low"], figures[f"r{k}_high"] = evaluation.intervals[direction][f"R@{k}"]
        rows.append(
            {
                **facts,
                **figures,
                **_untouched(evaluation, direction, touched),
                **_reranked(evaluation, direction),
                "frames": evaluation.frames or None,
                "heard": evaluation.heard,
                "direction": direction,
                "pairs": len(evaluation.pair_ids),
                "ranks": int(official["ranks"]),
                "r10_chance": evaluation.chance["R@10"],
                "r1_within": within.r_at_1,
                "r1_within_chance": within.chance,
                "data_sha": evaluation.data_sha,
                "at": utc_now(),
            }
        )
    return rows


def _untouched(evaluation: "Evaluation", direction: str, touched: Collection[str] | None) -> dict[str, Any]:
    if touched is None:
        return {}
    rest = np.asarray([place for place, pair in enumerate(evaluation.pair_ids) if pair not in touched], dtype=np.int64)
    if not len(rest):
        return {"untouched_pairs": 0}
    part = evaluation.similarity[np.ix_(rest, rest)]
    found = retrieval_metrics(part if direction == "t2v" else part.T)
    return {"untouched_pairs": len(rest), **{f"untouched_{name}": found[said] for name, said in FIGURES.items()}}


def _reranked(evaluation: "Evaluation", direction: str) -> dict[str, Any]:
    """Figures of both rules after re-ranking, for a model that has a matching head."""
    if evaluation.reranked is None:
        return {}
    figures: dict[str, Any] = {"reranked": evaluation.reranked.candidates}
    for rule, by_direction in evaluation.reranked.ranks.items():
        found = summarise(by_direction[direction])
        figures |= {f"{rule}_{name}": found[said] for name, said in FIGURES.items()}
    return figures


def _rank_columns(evaluation: "Evaluation") -> pl.DataFrame:
    """Ranks of every query after re-ranking, in the order of `query_ranks`: both directions one below the other."""
    assert evaluation.reranked is not None
    ranks = evaluation.reranked.ranks
    columns = {rule: np.concatenate([found[direction] for direction in DIRECTIONS]) for rule, found in ranks.items()}
    return pl.DataFrame({f"rank_{rule}": column for rule, column in columns.items()})


def rank_rows(evaluation: "Evaluation", key: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of `query_ranks`; `key`: checkpoint_id, release and benchmark."""
    ranks = evaluation.query_ranks.select(
        "direction",
        "rank",
        "category",
        pl.col("pair_id").alias("query"),
        pl.col("best_wrong_pair_id").alias("best_wrong"),
    )
    if evaluation.reranked is not None:
        ranks = pl.concat([ranks, _rank_columns(evaluation)], how="horizontal")
    ranks = ranks.join(best_answers(evaluation.similarity, evaluation.pair_ids), on=("direction", "query"), how="left")
    return ranks.with_columns(pl.lit(value).alias(name) for name, value in key.items())


def publish(work: Workspace, table: str, model: str, rows: pl.DataFrame, key: Mapping[str, Any]) -> pl.DataFrame:
    """Write a model's rows of a table; they replace what an earlier evaluation of the same `key` wrote."""
    declared = work.catalog.tables[table]
    same = pl.all_horizontal(pl.col(name) == value for name, value in key.items())
    kept = work.catalog.read(table, model).filter(~same)
    return work.catalog.publish(table, model, pl.concat([kept, declared.frame(rows)]))
