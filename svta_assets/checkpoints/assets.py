"""`model_checkpoints`: one retrieval model trained on the latest release."""

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from svta_assets.partitions import models
from svta_assets.results import OWNERS, Stopwatch, column_schema, percent_shown, pictures, result
from svta_assets.splits.assets import splits
from svta_assets.workspace import prepare_workspace
from svta_resources.home import HomeResource

if TYPE_CHECKING:
    from svta_models.execution import TrainResult


class TrainingConfig(dg.Config):
    """What to train, and how the training runs. Empty values are the profile's."""

    release: str = Field(default="latest", description="release to train on: latest, a name or a hash")
    seed: int = Field(default=42, description="seed of initialisation, order and augmentation")
    recipe: str = Field(
        default="",
        description="scratch, paper (official settings to the letter) or svta (all frame slots filled); empty: "
        "SVTA_TRAINING_RECIPE, else the profile's. paper and svta start from CLIP weights in SVTA_CLIP_DIR, gram from "
        "its own in SVTA_GRAM_DIR",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="settings of the recipe to change, such as {batch_size: 64}"
    )
    shuffle_captions: bool = Field(default=False, description="control: deal captions to the wrong clips")
    retrain: bool = Field(default=False, description="train although an equal checkpoint exists")
    checkpoint_every: int = Field(
        default=200, description="steps after which the training's state is written, beside every epoch; 0: epochs only"
    )
    max_broken: float = Field(
        default=0.01, description="share of a split's clips that may be broken; they are left out and become rejects"
    )
    devices: int = Field(default=0, description="GPUs to train on, a process each; 0: as many as are free and divide")
    cluster: str = Field(
        default="",
        description="cuda or cpu: train on such devices of the Ray cluster (SVTA_RAY_ADDRESS), on any of its nodes; "
        "`devices` then counts those, 0: as many as it has and divide. Empty: on this machine",
    )
    frame_cache_gb: float = Field(
        default=64.0, description="size of the cache of decoded frames for paper and svta; 0: frames in memory"
    )


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
    context: dg.AssetExecutionContext, config: TrainingConfig, home: HomeResource
) -> dg.MaterializeResult:
    from svta_assets.checkpoints.training import TrainingRequest, train_model

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "model_checkpoints", context.partition_key)
    trained = train_model(work, TrainingRequest(context.partition_key, **config.model_dump()), context.log.info)
    watch.record(trained.rows.height)
    newest = trained.rows.drop_nulls("epoch").sort("made_at").row(-1, named=True)  # not an imported file
    facts = _metadata(newest, trained.result) | pictures(work, "model_checkpoints", context.partition_key)
    return result(trained.rows, facts, without=("seconds", "made_at"))


def _metadata(row: dict[str, Any], trained: "TrainResult | None") -> dict[str, Any]:
    curves = json.loads(row["curves"])
    lines = ["| epoch | loss | val R@1 | val R@10 |", "|---|---|---|---|"]
    lines += [f"| {c['epoch']} | {c['loss']:.3f} | {c['r_at_1']:.1f} | {c['r_at_10']:.1f} |" for c in curves]
    return {
        "what happened": _what_happened(trained),
        **_of_this_run(trained),
        "recipe": json.loads(row["recipe"])["name"],
        "checkpoint": row["checkpoint_id"],
        "release": row["release"],
        "best epoch": row["epoch"],
        "validation R@1": percent_shown(row["val_r1"]),
        "parameters": row["parameters"],
        "training seconds": row["seconds"],
        "curves": dg.MetadataValue.md("\n".join(lines)),
    }


def _what_happened(trained: "TrainResult | None") -> str:
    if trained is None:
        return "an equal checkpoint exists; set `retrain` to train it again"
    return f"went on after step {trained.resumed_at}" if trained.resumed_at else "trained"


def _of_this_run(trained: "TrainResult | None") -> dict[str, Any]:
    """What is known only of a training that has just ended."""
    if trained is None:
        return {}
    return {"pairs left out, clip broken": len(trained.broken), "seconds waited for input": round(trained.waited_s, 2)}
