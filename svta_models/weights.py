"""Files of weights: reading them in every published form, and putting them into a model all or nothing.

Known forms: OpenAI's CLIP as a TorchScript archive or a bare state dict; open_clip's state dict of the same model
(.bin, .pt or .safetensors, alone or as `state_dict` of a training checkpoint, with the text tower's names bare or below
`text.`, from a compiled model too); CLIP4Clip's and X-CLIP's `pytorch_model.bin.<epoch>`. Names do not tell the
activation: open_clip's models that were not trained with quick GELU load without complaint and compute something else.
No code from a file is run: pickles are read with weights_only.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svta_models.errors import SvtaError
from svta_models.initialisation import CLIP_PREFIX
from svta_models.presets import ClipConfig

_NOT_WEIGHTS = {"input_resolution", "context_length", "vocab_size", "attn_mask"}  # constants in CLIP's own files
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_BARE_CLIP = ("visual.", "transformer.resblocks.", "token_embedding.")
_WRAPPED = re.compile(r"^(?:module\.|_orig_mod\.)+")  # a data-parallel model, a compiled one, or both
_TEXT_TOWER = "text."  # where open_clip's models with a text tower of their own keep it


class WrongWeights(SvtaError):
    """A file of weights does not fit the model; the message names what is missing, unexpected or misshapen.

    A long list is shortened in the message; `missing` and `unexpected` hold all names.
    """

    def __init__(self, message: str, missing: Sequence[str] = (), unexpected: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing, self.unexpected = tuple(missing), tuple(unexpected)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a local file of weights, names as they stand in it. Raises WrongWeights for what is no such file."""
    path = Path(path)
    if not path.is_file():
        raise WrongWeights(f"{path} is not a file: give the path of the weights")
    try:
        state = _read(path)
    except (RuntimeError, ValueError, OSError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise WrongWeights(
            f"{path} is not a readable file of weights ({_first_line(error)}): fetch it again"
        ) from error
    for name in _WRAPPERS:
        if isinstance(state.get(name), Mapping):
            state = dict(state[name])
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WrongWeights(f"{path} holds no tensors: give a state dict or a TorchScript archive")
    return tensors


def published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names as CLIP4Clip and X-CLIP publish them: wrappers' names go, bare CLIP names get `clip.`, constants go."""
    renamed = {_WRAPPED.sub("", name): tensor for name, tensor in state.items()}
    if any(name.startswith(_BARE_CLIP) for name in renamed):
        renamed = {f"{CLIP_PREFIX}{name.removeprefix(_TEXT_TOWER)}": tensor for name, tensor in renamed.items()}
    return {name: tensor for name, tensor in renamed.items() if name.removeprefix(CLIP_PREFIX) not in _NOT_WEIGHTS}


def has_head(state: Mapping[str, Tensor]) -> bool:
    """Whether a state under published names holds anything beside CLIP."""
    return any(not name.startswith(CLIP_PREFIX) for name in state)


def clip_config_of(state: Mapping[str, Tensor], fit: str = "crop") -> ClipConfig:
    """Read the towers' sizes from the weights. Raises WrongWeights when `state` holds no whole CLIP ViT."""
    named = published_names(state)

    def shape(name: str) -> torch.Size:
        if f"{CLIP_PREFIX}{name}" not in named:
            raise WrongWeights(
                f"these weights have no {CLIP_PREFIX}{name}: they are not a CLIP with a vision transformer"
            )
        return named[f"{CLIP_PREFIX}{name}"].shape

    def layers(tower: str) -> int:
        block = re.compile(rf"^{re.escape(CLIP_PREFIX + tower)}\.resblocks\.(\d+)\.")
        return 1 + max((int(found[1]) for name in named if (found := block.match(name))), default=-1)

    width, _, patch, _ = shape("visual.conv1.weight")
    context, text_width = shape("positional_embedding")
    return ClipConfig(
        image=patch * round((shape("visual.positional_embedding")[0] - 1) ** 0.5),
        patch=patch,
        vision_width=width,
        vision_layers=layers("visual.transformer"),
        text_width=text_width,
        text_layers=layers("transformer"),
        embed_dim=shape("text_projection")[1],
        context=context,
        vocab=shape("token_embedding.weight")[0],
        fit=fit,
    )


def load_weights(model: nn.Module, state: Mapping[str, Tensor], origin: str, only_clip: bool = False) -> None:
    """Copy `state` into `model`, all or nothing; half precision becomes the model's own.

    `origin` names the file in the error. `only_clip`: the state must be exactly CLIP, the rest of the model keeps its
    values. Raises WrongWeights.
    """
    expected = {name: own for name, own in model.state_dict().items() if not only_clip or name.startswith(CLIP_PREFIX)}
    given = {name: _shaped(tensor, expected.get(name)) for name, tensor in published_names(state).items()}
    problems = {
        "missing": sorted(set(expected) - set(given)),
        "unexpected": sorted(set(given) - set(expected)),
        "of another shape": [
            f"{name} {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in sorted(set(expected) & set(given))
            if given[name].shape != expected[name].shape
        ],
    }
    found = [f"{len(names)} {kind} ({_shortened(names)})" for kind, names in problems.items() if names]
    if found:
        raise WrongWeights(
            f"{origin} does not fit the model: {'; '.join(found)}. Choose the matching file or preset",
            problems["missing"],
            problems["unexpected"],
        )
    model.load_state_dict(given, strict=not only_clip)


def _read(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    if _is_torchscript(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # OpenAI published archives; nothing else reads them
            archive: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
            return dict(archive.state_dict())
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping):
        raise ValueError(f"it holds a {type(state).__name__}")
    return dict(state)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _shaped(tensor: Tensor, expected: Tensor | None) -> Tensor:
    """A scalar is stored as shape () by some and (1,) by others."""
    return tensor.reshape(()) if expected is not None and expected.ndim == 0 and tensor.numel() == 1 else tensor


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shortened(names: list[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f", and {len(names) - limit} more" if len(names) > limit else "")
