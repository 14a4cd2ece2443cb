"""`eval_tables`: evaluates a model and renders the paper's tables from all current rows."""

from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from svta_assets.checkpoints.assets import model_checkpoints
from svta_assets.partitions import models
from svta_assets.results import OWNERS, Stopwatch, column_schema, percent_shown, pictures, result
from svta_assets.tables.paper import SYNTHETIC
from svta_assets.workspace import prepare_workspace
from svta_resources.gpu_resource import GpuResource
from svta_resources.home import HomeResource


class EvaluationConfig(dg.Config):
    """Which release gives the test pairs, and which training is looked at."""

    release: str = Field(default="latest", description="latest, a name or a hash")
    shuffle_captions: bool = Field(default=False, description="evaluate the control trained on shuffled captions")
    benchmarks: list[str] | None = Field(
        default=None, description="real benchmarks of benchmarks.yaml to evaluate on; null = all of them, [] = none"
    )
    checkpoint: str = Field(
        default="", description="id of the checkpoint, or an imported one's name; empty: the newest of the release"
    )


@dg.asset(
    group_name="tables",
    partitions_def=models,
    deps=[dg.AssetDep(model_checkpoints, partition_mapping=dg.IdentityPartitionMapping())],
    kinds={"python", "pytorch"},
    owners=OWNERS,
    code_version="1",
    pool="gpu",
    metadata=column_schema("evaluations"),
    description="R@1/5/10, MdR and MnR in both directions on the release's test split and zero-shot on the real videos "
    "of benchmarks.yaml, with the paper's numbers beside them; a rank for every query. Asks the gate train_meets_test "
    "first.",
)
def eval_tables(
    context: dg.AssetExecutionContext, config: EvaluationConfig, home: HomeResource, gpu: GpuResource
) -> dg.MaterializeResult:
    from svta_assets.tables.evaluate import evaluate_model
    from svta_assets.tables.per_category import categories_of
    from svta_assets.tables.render import write_tables

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "eval_tables", context.partition_key)
    with gpu.device() as device:
        chosen = config.release, config.shuffle_captions, device, config.benchmarks
        rows = evaluate_model(work, context.partition_key, *chosen, context.log.info, config.checkpoint)
    tables = write_tables(work)
    watch.record(rows.height)
    facts = _metadata(rows, tables, config.shuffle_captions)
    for name, text in categories_of(work, context.partition_key).items():
        facts[f"{name} by category"] = dg.MetadataValue.md(text)
    return result(rows, facts | pictures(work, "eval_tables", context.partition_key), without=("at",))


def _metadata(rows: pl.DataFrame, tables: dict[str, str], control: bool) -> dict[str, Any]:
    ours = rows.filter(pl.col("trained_on_shuffled") == control, direction="t2v", benchmark=SYNTHETIC)
    newest = ours.sort("at").row(-1, named=True)
    titles = {name: f"Table {name.removeprefix('table')}" for name in tables}
    trained = "the trained model" if newest["trained_on"] else "published weights, not trained on this release"
    return {
        **{titles[name]: dg.MetadataValue.md(text) for name, text in tables.items()},
        "evaluated": "the control trained on shuffled captions" if control else trained,
        "T2V R@1": percent_shown(newest["r1"]),
        "T2V R@10": percent_shown(newest["r10"]),
        "T2V R@10 by chance": percent_shown(newest["r10_chance"]),
        "test pairs": newest["pairs"],
    }
