"""A trained model as two immutable objects: `<prefix>/<id>/model.safetensors` and `<prefix>/<id>/config.json`.

`id` is a hash of config.json, which holds the hash of the weights: the same training gives the same id, and an id
says everything about what was trained on what. The weights are written first, so a checkpoint whose config.json
exists is whole; a killed run leaves at most weights that nothing refers to.
"""

import json
from dataclasses import dataclass
from typing import Any

from svta_models.clip_tokenizer import AnyTokenizer, tokenizer_from_json
from svta_models.errors import SvtaError
from svta_models.identity import canonical_json
from svta_models.media_store import MediaStore, MissingObject, sha256_hex
from svta_models.published import build_model
from svta_models.retrieval import RetrievalModel
from svta_models.weights import load_weights

FORMAT = 1
ID_LENGTH = 16
_CONFIG_KEYS = (
    "format", "method", "model", "tokenizer", "recipe", "release", "seed", "best_epoch", "curves", "weights_sha256",
)  # fmt: skip


class CheckpointError(SvtaError):
    """A checkpoint is missing, incomplete, changed or of another kind."""


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to use: `model` in eval mode, its `tokenizer`, and the whole `config` it was saved with."""

    id: str
    model: RetrievalModel
    tokenizer: AnyTokenizer
    config: dict[str, Any]

    @property
    def release(self) -> str:
        """Hash of the release the model was trained on; empty for published weights."""
        return str(self.config["release"] or "")

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe it was trained with."""
        return dict(self.config["recipe"])


def save_checkpoint(
    store: MediaStore, prefix: str, model: RetrievalModel, tokenizer: AnyTokenizer, facts: dict[str, Any]
) -> str:
    """Write a checkpoint and return its id. `facts`: recipe, release, seed, best_epoch, curves; nothing that varies
    between equal trainings (times, devices), so that equal trainings share one checkpoint."""
    from safetensors.torch import save

    weights = save({name: tensor.cpu().contiguous() for name, tensor in model.published_state().items()})
    config = {
        "format": FORMAT,
        "method": model.method.lower(),
        "model": _sizes(model),
        "tokenizer": tokenizer.to_json(),
        "weights_sha256": sha256_hex(weights),
        **facts,
    }
    text = canonical_json(config).encode()
    folder = f"{prefix}/{sha256_hex(text)[:ID_LENGTH]}"
    store.put_new(f"{folder}/model.safetensors", weights)
    store.put_new(f"{folder}/config.json", text)
    return folder.rsplit("/", 1)[-1]


def _sizes(model: RetrievalModel) -> dict[str, Any]:
    """The towers' sizes, and the head's where there is one beyond mean pooling."""
    return model.config.to_dict() | ({} if model.method == "clip4clip-meanP" else model.head.to_dict())


def load_checkpoint(store: MediaStore, prefix: str, checkpoint_id: str) -> Checkpoint:
    """Load a checkpoint. Raises CheckpointError naming the file (and WrongWeights the tensors) that do not fit."""
    folder = f"{prefix}/{checkpoint_id}"
    config = _read_config(store, f"{folder}/config.json", checkpoint_id)
    state = _read_weights(store, f"{folder}/model.safetensors", config["weights_sha256"])
    model = build_model(config["method"], config["model"])
    load_weights(model, state, origin=f"{folder}/model.safetensors")
    return Checkpoint(checkpoint_id, model.eval(), tokenizer_from_json(config["tokenizer"]), config)


def checkpoint_config(store: MediaStore, prefix: str, checkpoint_id: str) -> dict[str, Any]:
    """What a checkpoint was saved with, without its weights. Raises CheckpointError."""
    return _read_config(store, f"{prefix}/{checkpoint_id}/config.json", checkpoint_id)


def list_checkpoints(store: MediaStore, prefix: str) -> list[str]:
    """Ids of the whole checkpoints below `prefix`."""
    keys = [item.key for item in store.list(f"{prefix}/")]
    return [key.split("/")[-2] for key in keys if key.endswith("/config.json")]


def _read_config(store: MediaStore, key: str, checkpoint_id: str) -> dict[str, Any]:
    data = _get(store, key)
    if sha256_hex(data)[:ID_LENGTH] != checkpoint_id:
        raise CheckpointError(f"{key} does not match its folder's name: it was changed or moved; {_AGAIN}")
    try:
        config: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise CheckpointError(f"{key} is not JSON ({error}); {_AGAIN}") from error
    missing = [name for name in _CONFIG_KEYS if not isinstance(config, dict) or name not in config]
    if missing:
        raise CheckpointError(f"{key} lacks {', '.join(missing)}; {_AGAIN}")
    if config["format"] != FORMAT:
        raise CheckpointError(f"{key} has format {config['format']}, this version reads {FORMAT}; {_AGAIN}")
    return config


def _read_weights(store: MediaStore, key: str, expected_sha256: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = _get(store, key)
    try:
        state = load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{key} is not a whole safetensors file ({error}); {_AGAIN}") from error
    actual = sha256_hex(data)
    if actual != expected_sha256:
        raise CheckpointError(f"{key} has sha256 {actual[:12]}, its config.json says {expected_sha256[:12]}; {_AGAIN}")
    return state


def _get(store: MediaStore, key: str) -> bytes:
    try:
        return store.get(key)
    except MissingObject as error:
        raise CheckpointError(f"{key} is missing from {store.url}; {_AGAIN}") from error


_AGAIN = "restore it or materialize `model_checkpoints` again"
