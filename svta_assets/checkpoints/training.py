"""Train one retrieval model on a release and record it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from svta_assets.checkpoints.trainable import trainable
from svta_assets.gates import leakage, one_generator, require
from svta_assets.workspace import Workspace, utc_now
from svta_models.identity import canonical_json, recipe_sha
from svta_models.release import Release, resolve

if TYPE_CHECKING:
    from svta_models.recipe import Recipe
    from svta_models.training import EpochReport

FOLDER = "checkpoints"


@dataclass(frozen=True)
class TrainingRequest:
    """Which model, on which release, with which seed."""

    model: str
    release: str = "latest"
    seed: int = 42
    shuffle_captions: bool = False


def train_model(
    work: Workspace, request: TrainingRequest, retrain: bool, say: Callable[[str], None], device: str = "cpu"
) -> tuple[pl.DataFrame, bool]:
    """Train unless an equal checkpoint exists; return the model's rows of `checkpoints` and whether it trained."""
    trainable(request.model)
    release = Release(work.store, resolve(work.store, request.release))
    require(work, [leakage(work, release), one_generator(work, release)], request.model)
    recipe = _recipe(work, request)
    chosen = {"model": request.model, "release": release.hash, "seed": request.seed, "recipe": recipe.to_dict()}
    rows = work.catalog.read("checkpoints", request.model)
    if not retrain and recipe_sha(chosen) in set(rows["recipe_sha"]):
        return rows, False
    return _train(work, release, recipe, chosen, rows, say, device), True


def _recipe(work: Workspace, request: TrainingRequest) -> "Recipe":
    from svta_models.recipe import Recipe

    own = trainable(request.model).scratch if work.profile.recipe == "scratch" else {}
    recipe = Recipe.from_mapping({"name": work.profile.recipe, **own})
    return replace(recipe, shuffle_captions=request.shuffle_captions)


def _train(
    work: Workspace,
    release: Release,
    recipe: "Recipe",
    chosen: dict[str, object],
    rows: pl.DataFrame,
    say: Callable[[str], None],
    device: str,
) -> pl.DataFrame:
    from svta_models.training import train

    def on_epoch(report: "EpochReport") -> None:
        if report.epoch % 5 == 0 or report.epoch == report.epochs:
            say(
                f"training {chosen['model']}: epoch {report.epoch}/{report.epochs}, loss {report.loss:.3f}, "
                f"validation R@1 {report.r_at_1:.1f}, {report.eta_s:.0f} s left"
            )

    model, seed = str(chosen["model"]), int(str(chosen["seed"]))
    method = trainable(model).method
    trained = train(release, work.store, f"{FOLDER}/{model}", recipe, seed, on_epoch, method, device)
    best = next(curve for curve in trained.curves if curve["epoch"] == trained.best_epoch)
    row = {
        "checkpoint_id": trained.checkpoint_id,
        "model": model,
        "release": release.hash,
        "recipe_sha": recipe_sha(chosen),
        "recipe": canonical_json(recipe.to_dict()),
        "uri": f"{FOLDER}/{model}/{trained.checkpoint_id}",
        "epoch": trained.best_epoch,
        "val_r1": best["r_at_1"],
        "curves": json.dumps(trained.curves),
        "parameters": trained.parameters,
        "seconds": round(trained.seconds, 2),
        "made_at": utc_now(),
    }
    kept = rows.filter(pl.col("checkpoint_id") != trained.checkpoint_id)
    return work.catalog.publish(
        "checkpoints", model, pl.concat([kept, work.catalog.tables["checkpoints"].frame([row])])
    )
