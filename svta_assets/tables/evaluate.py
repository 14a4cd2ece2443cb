"""Evaluate a model's newest checkpoint on a release's test split."""

from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.gates import require, train_meets_test
from svta_assets.workspace import Workspace, utc_now
from svta_models.release import Release, resolve
from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.evaluation import Evaluation

BENCHMARK = "svta"


def evaluate_model(
    work: Workspace, model: str, release_ref: str, control: bool = False, device: str = "cpu"
) -> pl.DataFrame:
    """Evaluate the newest checkpoint trained on the release (else the newest); return the model's `evaluations`.

    `control` takes the newest of those trained on shuffled captions instead, which are never looked at otherwise.
    """
    from svta_models.checkpoint import load_checkpoint
    from svta_models.evaluation import evaluate

    release = Release(work.store, resolve(work.store, release_ref))
    chosen = _checkpoint(work, model, release.hash, control)
    trained_on = Release(work.store, chosen["release"])
    require(work, [train_meets_test(work, trained_on, release)], model)
    checkpoint = load_checkpoint(work.store, f"checkpoints/{model}", chosen["checkpoint_id"])
    checkpoint.model.to(device)
    evaluation = evaluate(checkpoint, release.split("test"))
    key = {"checkpoint_id": chosen["checkpoint_id"], "release": release.hash, "benchmark": BENCHMARK}
    rows = [_row(evaluation, name) | key | {"model": model, "trained_on_shuffled": control} for name in ("t2v", "v2t")]
    _publish(work, "query_ranks", model, _ranks(evaluation, key), key)
    return _publish(work, "evaluations", model, pl.DataFrame(rows), key)


def _checkpoint(work: Workspace, model: str, release: str, control: bool) -> dict[str, Any]:
    rows = work.catalog.read("checkpoints", model).sort("made_at")
    shuffled = pl.col("recipe").str.json_path_match("$.shuffle_captions") == "true"
    rows = rows.filter(shuffled if control else ~shuffled)
    if rows.is_empty():
        how = " and shuffle_captions: true" if control else ""
        raise SvtaError(f"model {model} has no such checkpoint: materialize model_checkpoints with its partition{how}")
    matching = rows.filter(pl.col("release") == release)
    return (matching if matching.height else rows).row(-1, named=True)


def _row(evaluation: "Evaluation", direction: str) -> dict[str, Any]:
    metrics = evaluation.metrics_t2v if direction == "t2v" else evaluation.metrics_v2t
    low, high = evaluation.intervals[direction]["R@10"]
    within = evaluation.within[direction]
    return {
        "direction": direction,
        "pairs": len(evaluation.pair_ids),
        "r1": metrics["R@1"],
        "r5": metrics["R@5"],
        "r10": metrics["R@10"],
        "mdr": metrics["MdR"],
        "mnr": metrics["MnR"],
        "r10_low": low,
        "r10_high": high,
        "r10_chance": evaluation.chance["R@10"],
        "r1_within": within.r_at_1,
        "r1_within_chance": within.chance,
        "at": utc_now(),
    }


def _ranks(evaluation: "Evaluation", key: dict[str, Any]) -> pl.DataFrame:
    ranks = evaluation.query_ranks.select(
        "direction", pl.col("pair_id").alias("query"), "rank", pl.col("best_wrong_pair_id").alias("best_wrong")
    )
    return ranks.with_columns(pl.lit(value).alias(name) for name, value in key.items())


def _publish(work: Workspace, table: str, model: str, rows: pl.DataFrame, key: dict[str, Any]) -> pl.DataFrame:
    """Replace what an earlier evaluation of the same checkpoint and release wrote."""
    declared = work.catalog.tables[table]
    same = pl.all_horizontal(pl.col(name) == value for name, value in key.items())
    kept = work.catalog.read(table, model).filter(~same)
    return work.catalog.publish(table, model, pl.concat([kept, declared.frame(rows)]))
