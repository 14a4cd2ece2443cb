"""`model_checkpoints`: one retrieval model trained on the latest release."""

import json
from typing import Any

import dagster as dg
from pydantic import Field

from svta_assets.partitions import models
from svta_assets.results import OWNERS, Stopwatch, column_schema, result
from svta_assets.splits.assets import splits
from svta_assets.workspace import prepare_workspace
from svta_resources.gpu_resource import GpuResource
from svta_resources.home import HomeResource


class TrainingConfig(dg.Config):
    """How to train; the recipe's other settings come from the profile."""

    release: str = Field(default="latest", description="release to train on: latest, a name or a hash")
    seed: int = Field(default=42, description="seed of initialisation, order and augmentation")
    shuffle_captions: bool = Field(default=False, description="control: deal captions to the wrong clips")
    retrain: bool = Field(default=False, description="train although an equal checkpoint exists")


@dg.asset(
    group_name="checkpoints",
    partitions_def=models,
    deps=[splits],
    kinds={"python", "pytorch"},
    owners=OWNERS,
    code_version="1",
    pool="gpu",
    metadata=column_schema("checkpoints"),
    description="A text-video retrieval model trained on the latest release; best epoch by validation T2V R@1, never "
    "by test. Asks the gates leakage and one_generator first. An equal checkpoint is not trained again.",
)
def model_checkpoints(
    context: dg.AssetExecutionContext, config: TrainingConfig, home: HomeResource, gpu: GpuResource
) -> dg.MaterializeResult:
    from svta_assets.checkpoints.training import TrainingRequest, train_model

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "model_checkpoints", context.partition_key)
    request = TrainingRequest(context.partition_key, config.release, config.seed, config.shuffle_captions)
    with gpu.device() as device:
        rows, trained = train_model(work, request, config.retrain, context.log.info, device)
    watch.record(rows.height)
    newest = rows.sort("made_at").row(-1, named=True)
    return result(rows, _metadata(newest, trained), without=("seconds", "made_at"))


def _metadata(row: dict[str, Any], trained: bool) -> dict[str, Any]:
    curves = json.loads(row["curves"])
    lines = ["| epoch | loss | val R@1 | val R@10 |", "|---|---|---|---|"]
    lines += [f"| {c['epoch']} | {c['loss']:.3f} | {c['r_at_1']:.1f} | {c['r_at_10']:.1f} |" for c in curves]
    return {
        "what happened": "trained" if trained else "an equal checkpoint exists; set `retrain` to train it again",
        "checkpoint": row["checkpoint_id"],
        "release": row["release"],
        "best epoch": row["epoch"],
        "validation R@1": row["val_r1"],
        "parameters": row["parameters"],
        "training seconds": row["seconds"],
        "curves": dg.MetadataValue.md("\n".join(lines)),
    }
