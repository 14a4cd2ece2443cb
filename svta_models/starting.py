"""The published weights that a recipe starts from: CLIP's, GRAM's pre-trained ones, or an imported checkpoint's."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from svta_models.checkpoint import checkpoint_config
from svta_models.clip_files import file_sha256, open_clip_file
from svta_models.errors import SvtaError
from svta_models.gram.files import find_gram_files
from svta_models.media_store import MediaStore
from svta_models.recipe import AnyRecipe, FineTuning, GramTuning


@dataclass(frozen=True)
class StartingWeights:
    """A file of weights; `sha256` is what a recipe is hashed with (for GRAM over all files of its folder)."""

    path: Path
    sha256: str


def starting_weights(recipe: AnyRecipe, store: MediaStore, prefix: str) -> StartingWeights | None:
    """The weights of a recipe, None for one that starts from random ones.

    `store`, `prefix`: where the model's checkpoints are, for a recipe that starts from one of them.

    Raises SvtaError naming the variable and the files looked for, or when they are not those that the recipe names.
    """
    if isinstance(recipe, FineTuning) and recipe.start:
        found = _imported(store, prefix, recipe.start)
    elif isinstance(recipe, FineTuning):
        file = open_clip_file(recipe.preset)
        found = StartingWeights(file.path, file.sha256)
    elif isinstance(recipe, GramTuning):
        files = find_gram_files()
        found = StartingWeights(files.weights, files.sha256)
    else:
        return None
    if recipe.weights not in ("", found.sha256):
        raise SvtaError(
            f"{found.path} has sha256 {found.sha256[:12]}, the recipe names {recipe.weights[:12]}: it was changed; put "
            "the file back, or start the training anew"
        )
    return found


def _imported(store: MediaStore, prefix: str, checkpoint: str) -> StartingWeights:
    """The weights of an imported checkpoint. One that was trained here is refused: what it has seen would be forgotten
    by the gate that keeps training pairs out of the test."""
    if not store.exists(f"{prefix}/{checkpoint}/config.json"):
        raise SvtaError(f"start: there is no checkpoint {checkpoint!r} in {prefix}; see `svta checkpoint list`")
    config = checkpoint_config(store, prefix, checkpoint)
    if config["release"] is not None:
        raise SvtaError(
            f"start: checkpoint {checkpoint} was trained on release {config['release']}; a training starts from "
            "published weights only: take one in with `svta checkpoint import`"
        )
    path = _local(store, f"{prefix}/{checkpoint}/model.safetensors", config["weights_sha256"])
    if file_sha256(path) != config["weights_sha256"]:
        raise SvtaError(f"{path} differs from the sha256 in its config.json: run `svta verify`")
    return StartingWeights(path, config["weights_sha256"])


def _local(store: MediaStore, key: str, sha256: str) -> Path:
    """The object as a file of this machine: processes of a training read it at the same time."""
    if (found := store.local_path(key)) is not None:
        return found
    path = Path(tempfile.gettempdir()) / f"svta-start-{sha256[:16]}.safetensors"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            file.write(store.get(key))
        os.replace(file.name, path)
    return path
