"""Train one retrieval model on a release and record it."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.checkpoints.devices import Devices, devices_for
from svta_assets.checkpoints.trainable import SCRATCH, trainable
from svta_assets.gates import leakage, one_generator, require
from svta_assets.schemas import REJECTS
from svta_assets.workspace import Workspace, utc_now
from svta_models.identity import canonical_json, recipe_sha
from svta_models.release import Release, resolve

if TYPE_CHECKING:
    from svta_models.execution import EpochReport, Execution, TrainResult
    from svta_models.recipe import AnyRecipe

FOLDER = "checkpoints"
RECIPE_VARIABLE = "SVTA_TRAINING_RECIPE"
STAGE, BROKEN = "model_checkpoints", "clip is broken"
_GIB = 1 << 30
_KEY_LENGTH = 16


@dataclass(frozen=True)
class TrainingRequest:
    """Which model, on which release, with which seed; `recipe` "" is the environment's or the profile's.

    settings: changes to the recipe. What follows them says how the training runs and is not part of its identity:
    see `TrainingConfig`.
    """

    model: str
    release: str = "latest"
    seed: int = 42
    shuffle_captions: bool = False
    retrain: bool = False
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_every: int = 0
    max_broken: float = 0.01
    devices: int = 0
    cluster: str = ""
    frame_cache_gb: float = 64.0


@dataclass(frozen=True)
class Trained:
    """The model's rows of `checkpoints`, and the training that has just ended (None: an equal one existed)."""

    rows: pl.DataFrame
    result: "TrainResult | None"


def train_model(work: Workspace, request: TrainingRequest, say: Callable[[str], None]) -> Trained:
    """Train unless an equal checkpoint exists. Raises TrainingBusy when another process is at the same training."""
    trainable(request.model)
    release = Release(work.store, resolve(work.store, request.release))
    require(work, [leakage(work, release), one_generator(work, release)], request.model)
    recipe = _recipe(work, request)
    chosen = {"model": request.model, "release": release.hash, "seed": request.seed, "recipe": recipe.to_dict()}
    if (rows := _existing(work, request, recipe_sha(chosen))) is not None:
        return Trained(rows, None)
    from svta_models.training_state import held_folder, remove_folder, remove_states

    states = f"{FOLDER}/{request.model}/.training/{recipe_sha(chosen)[:_KEY_LENGTH]}"
    folder = work.home.path / states
    with held_folder(folder) as lock:
        if (rows := _existing(work, request, recipe_sha(chosen))) is not None:  # it has ended since the first look
            remove_folder(folder)
            return Trained(rows, None)
        with _devices(work, request, recipe) as devices:
            how = _execution(work, request, recipe, devices)
            kept = {"folder": folder} if devices.start is None else {"states": states}  # what every process can see
            how = replace(how, held=(*devices.held, lock), **kept)
            result = _train(work, release, request, recipe, how, devices, say)
        trained = _publish(work, release, recipe, chosen, result)
        if how.states:
            remove_states(work.store, states)
        remove_folder(folder)  # only now: a run that is killed before goes on here, and ends at once
    return Trained(trained, result)


def _existing(work: Workspace, request: TrainingRequest, sha: str) -> pl.DataFrame | None:
    rows = work.catalog.read("checkpoints", request.model)
    return rows if not request.retrain and sha in set(rows["recipe_sha"]) else None


def _recipe(work: Workspace, request: TrainingRequest) -> "AnyRecipe":
    """The recipe with its model's and its request's settings, and the hash of the weights that it starts from."""
    from svta_models.recipe import Recipe, read_recipe
    from svta_models.starting import starting_weights

    name = request.recipe or os.environ.get(RECIPE_VARIABLE) or work.profile.recipe
    model = trainable(request.model)
    chosen = {**model.settings(name), **request.settings, "shuffle_captions": request.shuffle_captions}
    recipe = read_recipe({"name": name, **chosen}, model.method)
    prefix = f"{FOLDER}/{request.model}"
    if not isinstance(recipe, Recipe) and (weights := starting_weights(recipe, work.store, prefix)) is not None:
        recipe = replace(recipe, weights=weights.sha256)
    return recipe


def _devices(work: Workspace, request: TrainingRequest, recipe: "AnyRecipe") -> AbstractContextManager[Devices]:
    from svta_models.recipe import Recipe

    ranks = 1 if isinstance(recipe, Recipe) else recipe.ranks
    return devices_for(request.cluster, request.devices, ranks, work.profile.ray_address, work.home.media_url)


def _execution(work: Workspace, request: TrainingRequest, recipe: "AnyRecipe", devices: Devices) -> "Execution":
    from svta_models.decode_pool import usable_processors
    from svta_models.execution import Execution

    # Tiny frames of a tiny release fit into memory; 12 frames of 224 pixels are 1.8 MB a clip.
    cached = recipe.name != SCRATCH and request.frame_cache_gb > 0
    return Execution(
        device=devices.kind,
        processes=devices.processes,
        checkpoint_every=request.checkpoint_every,
        frame_cache=work.home.path / "frame_cache" if cached else None,
        frame_cache_bytes=int(request.frame_cache_gb * _GIB),
        decode_workers=usable_processors() if cached else 0,
        max_broken=request.max_broken,
    )


def _train(
    work: Workspace,
    release: Release,
    request: TrainingRequest,
    recipe: "AnyRecipe",
    how: "Execution",
    devices: Devices,
    say: Callable[[str], None],
) -> "TrainResult":
    from svta_models.training import train

    every = 5 if recipe.name == SCRATCH else 1  # tiny models take a second an epoch

    def on_epoch(report: "EpochReport") -> None:
        if report.epoch % every == 0 or report.epoch == report.epochs:
            say(
                f"training {request.model}: epoch {report.epoch}/{report.epochs}, loss {report.loss:.3f}, "
                f"validation R@1 {report.r_at_1:.1f}, {report.eta_s:.0f} s left"
            )

    prefix, method = f"{FOLDER}/{request.model}", trainable(request.model).method
    result = train(
        release, work.store, prefix, recipe, request.seed, on_epoch, method, how=how, say=say, start=devices.start
    )
    _publish_rejects(work, request.model, result.broken)
    return result


def _publish_rejects(work: Workspace, model: str, broken: dict[str, str]) -> None:
    """The clips that this model was trained without; rows of an earlier training go."""
    part = f"{STAGE}.{model}"
    rows = [{"stage": STAGE, "key": pair, "reason": BROKEN, "detail": why} for pair, why in sorted(broken.items())]
    if rows or work.catalog.read("rejects", part).height:
        work.catalog.publish("rejects", part, REJECTS.frame(rows))


def _publish(
    work: Workspace, release: Release, recipe: "AnyRecipe", chosen: dict[str, object], result: "TrainResult"
) -> pl.DataFrame:
    model = str(chosen["model"])
    best = next(curve for curve in result.curves if curve["epoch"] == result.best_epoch)
    row = {
        "checkpoint_id": result.checkpoint_id,
        "model": model,
        "release": release.hash,
        "recipe_sha": recipe_sha(chosen),
        "recipe": canonical_json(recipe.to_dict()),
        "uri": f"{FOLDER}/{model}/{result.checkpoint_id}",
        "epoch": result.best_epoch,
        "val_r1": best["r_at_1"],
        "curves": json.dumps(result.curves),
        "parameters": result.parameters,
        "seconds": round(result.seconds, 2),
        "made_at": utc_now(),
    }
    rows = work.catalog.read("checkpoints", model)
    kept = rows.filter(pl.col("checkpoint_id") != result.checkpoint_id)
    return work.catalog.publish(
        "checkpoints", model, pl.concat([kept, work.catalog.tables["checkpoints"].frame([row])])
    )
