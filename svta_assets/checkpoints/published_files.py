"""Published checkpoint files of CLIP4Clip and X-CLIP as rows of `checkpoints`, beside the models trained here.

A published file (`pytorch_model.bin.4`) becomes a checkpoint with the recipe `published`: no release, no curves. It is
evaluated like any other, and a training may start from it (setting `start` of the recipes paper and svta).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.checkpoints.trainable import trainable
from svta_assets.checkpoints.training import FOLDER
from svta_assets.workspace import Workspace, utc_now
from svta_models.identity import canonical_json, recipe_sha
from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.retrieval import RetrievalModel

PUBLISHED = "published"
GRAM = "gram"
FRAMES: dict[str, dict[str, Any]] = {
    "published": {"feature_framerate": 1, "resize": "exact"},
    "spread": {"feature_framerate": None, "resize": "fast"},
}
"""How an imported model is shown clips: one frame a second as its authors do, or all slots spread over the clip."""


@dataclass(frozen=True)
class PublishedFile:
    """What the user says of a file.

    preset: its CLIP; empty for the one that the paper's table has for `model`. name: what people call it, shown in the
    tables. max_words, max_frames: text tokens and frame slots it was trained with; X-CLIP has weights for each of them.
    """

    path: Path
    model: str
    name: str = ""
    preset: str = ""
    frames: str = "published"
    max_words: int = 32
    max_frames: int = 12


@dataclass(frozen=True)
class Imported:
    """The row of `checkpoints`; `is_new` is false when the same file was there already."""

    row: Mapping[str, Any]
    is_new: bool


def import_published(work: Workspace, given: PublishedFile) -> Imported:
    """Check a published file, copy it into the store and record it.

    Raises WrongWeights naming what is missing, unexpected or misshapen, and SvtaError for a model without such files.
    """
    if given.model == GRAM:
        from svta_assets.checkpoints.published_gram import import_gram

        return import_gram(work, given.path, given.name, given.preset, given.frames)
    from svta_models.clip_files import file_sha256
    from svta_models.clip_tokenizer import ClipTokenizer
    from svta_models.published import open_published

    recipe, shape = _recipe(given), _shape(given)
    model = open_published(trainable(given.model).method, given.path, shape)
    recipe["weights"] = file_sha256(given.path)
    return record_published(work, given.model, recipe, model, ClipTokenizer())


def record_published(
    work: Workspace, model: str, recipe: Mapping[str, Any], network: "RetrievalModel", tokenizer: Any
) -> Imported:
    """Copy an opened model into the store and add its row, unless the same file is there with the same recipe."""
    from svta_models.checkpoint import save_checkpoint

    sha = recipe_sha({"model": model, "recipe": recipe})
    known = work.catalog.read("checkpoints", model)
    if (same := known.filter(recipe_sha=sha)).height:
        return Imported(same.row(0, named=True), False)
    facts: dict[str, Any] = {"recipe": recipe, "release": None, "seed": None, "best_epoch": None, "curves": []}
    checkpoint = save_checkpoint(work.store, f"{FOLDER}/{model}", network, tokenizer, facts)
    row = {
        "checkpoint_id": checkpoint,
        "model": model,
        "recipe_sha": sha,
        "recipe": canonical_json(recipe),
        "uri": f"{FOLDER}/{model}/{checkpoint}",
        "curves": "[]",
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        "made_at": utc_now(),
    }
    rows = work.catalog.tables["checkpoints"].frame([row])
    work.catalog.publish("checkpoints", model, pl.concat([known, rows]))
    return Imported(rows.row(0, named=True), True)


def _shape(given: PublishedFile) -> dict[str, Any]:
    from svta_models.presets import preset_values

    return preset_values(_preset(given)) | {"max_words": given.max_words, "max_frames": given.max_frames}


def _recipe(given: PublishedFile) -> dict[str, Any]:
    """What is known of how the file was made, and how its model is shown clips."""
    if given.frames not in FRAMES:
        raise SvtaError(f"frames {given.frames!r} is none of {', '.join(FRAMES)}")
    return {
        "name": PUBLISHED,
        "called": given.name,
        "preset": _preset(given),
        "max_words": given.max_words,
        "max_frames": given.max_frames,
        "shuffle_captions": False,
        **FRAMES[given.frames],
    }


def _preset(given: PublishedFile) -> str:
    return given.preset or str(trainable(given.model).settings("paper")["preset"])


def in_words(recipe: Mapping[str, Any]) -> str:
    """How tables name an imported checkpoint: that it was not trained on the release, and which file it is."""
    called = f" {recipe['called']}" if recipe["called"] else ""
    return f"published weights{called} ({recipe['weights'][:12]}), {recipe['preset']}, not trained on this release"
