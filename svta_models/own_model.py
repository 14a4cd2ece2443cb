"""Bring your own model: one Python file that says its name and how to load it.

    name = "my-model"                       # lower case letters, digits and hyphens
    max_frames, size, fit = 12, 224, "crop" # optional: what `frames` holds; these are the defaults

    def load(device): return Mine()         # an object with the functions below

    class Mine:
        def encode_text(self, captions): ...          # list of N strings -> (N, D) tensor, or a tuple of tensors
        def encode_frames(self, frames, mask): ...    # (B, T, 3, size, size) uint8, (B, T) int64 -> as above
        def similarity(self, texts, clips): ...       # optional: (N, M), higher = nearer; default: cosine of vectors

A model is found by its file, by the name of an importable module, or by its own name among those that SVTA_MODELS
(files or modules, separated like PATH) and the entry point group `svta.models` list. It is code: run only your own.
"""

import hashlib
import importlib
import importlib.util
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from svta_models.errors import SvtaError
from svta_models.frames import Fit
from svta_models.gallery import FrameChoice
from svta_models.retrieval import Features

SETTING = "SVTA_MODELS"
ENTRY_POINTS = "svta.models"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FUNCTIONS = ("encode_text", "encode_frames")
_ID_LENGTH = 16


@dataclass(frozen=True)
class OwnModel:
    """A model of one's own, not loaded yet. `id`: hash of its file, so that a changed one is evaluated anew."""

    name: str
    id: str
    module: ModuleType

    @property
    def choice(self) -> FrameChoice:
        """The frames that the model asks for."""
        given = getattr(self.module, "fit", "crop")
        if given not in ("crop", "squash"):
            raise SvtaError(f"model {self.name}: fit is {given!r}; set it to crop or squash")
        fit: Fit = "squash" if given == "squash" else "crop"
        return FrameChoice(int(getattr(self.module, "max_frames", 12)), int(getattr(self.module, "size", 224)), fit)


def find_own_model(given: str, environ: Mapping[str, str] | None = None) -> OwnModel:
    """The model of a file, of an importable module, or of a registered name. Raises SvtaError."""
    if given.endswith(".py") or os.sep in given:
        return open_own_model(given)
    registered = own_models(environ)
    if given in registered:
        return registered[given]
    if importlib.util.find_spec(given.partition(".")[0]) is not None:
        return open_own_model(given)
    known = f"known: {', '.join(registered)}" if registered else f"none is listed in {SETTING} or as an entry point"
    raise SvtaError(f"no model {given!r}: give its file (model.py) or a registered name; {known}")


def own_models(environ: Mapping[str, str] | None = None) -> dict[str, OwnModel]:
    """All registered models by name. Raises SvtaError for one that cannot be imported, or a name used twice."""
    from importlib.metadata import entry_points

    listed = ((os.environ if environ is None else environ).get(SETTING) or "").split(os.pathsep)
    listed = [one for one in listed if one] + [one.value for one in entry_points(group=ENTRY_POINTS)]
    found: dict[str, OwnModel] = {}
    for one in listed:
        model = open_own_model(one)
        if model.name in found:
            raise SvtaError(f"two registered models are called {model.name!r}: rename one (the second is {one})")
        found[model.name] = model
    return found


def open_own_model(given: str) -> OwnModel:
    """Import a model's file or module and check what it promises. Raises SvtaError naming the file."""
    module = _from_file(Path(given)) if given.endswith(".py") or os.sep in given else _imported(given)
    name = getattr(module, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SvtaError(f"{given}: `name` is {name!r}; set it to letters, digits and hyphens, like my-model")
    if not callable(getattr(module, "load", None)):
        raise SvtaError(f"{given} has no function load(device): add one that returns the model")
    source = Path(module.__file__).read_bytes() if module.__file__ else given.encode()
    return OwnModel(name, hashlib.sha256(source).hexdigest()[:_ID_LENGTH], module)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SvtaError(f"{path} does not exist: give the model's Python file")
    spec = importlib.util.spec_from_file_location(f"svta_own_{path.stem.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise SvtaError(f"{path} is not a Python file: give the model's .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's file raises while it is imported
        raise SvtaError(f"{path} cannot be imported ({type(error).__name__}: {error})") from error
    return module


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise SvtaError(f"module {name} cannot be imported ({type(error).__name__}: {error})") from error


class OwnEncoder:
    """A loaded model of one's own, for `svta_models.evaluation.evaluate_gallery`."""

    def __init__(self, own: OwnModel, device: str = "cpu") -> None:
        self._loaded: Any = own.module.load(device)
        missing = [name for name in _FUNCTIONS if not callable(getattr(self._loaded, name, None))]
        if missing:
            raise SvtaError(f"model {own.name}: what load() returns has no {' and no '.join(missing)}")
        self._name = own.name
        self.id, self.choice, self.device = own.id, own.choice, torch.device(device)
        # What a similarity of its own needs is not known; the product of two vectors needs one float.
        self.cells_per_pair = 1024 if hasattr(self._loaded, "similarity") else 1

    def text_keys(self, captions: Sequence[str]) -> list[Hashable]:
        return list(captions)

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Features:
        return self._features("encode_text", len(captions), self._loaded.encode_text(list(captions)))

    @torch.no_grad()
    def clips(self, frames_BTCHW: Tensor, mask_BT: Tensor) -> Features:
        given = self._loaded.encode_frames(frames_BTCHW.to(self.device), mask_BT.to(self.device))
        return self._features("encode_frames", len(frames_BTCHW), given)

    @torch.no_grad()
    def score(self, texts: Features, clips: Features) -> Tensor:
        expected = (len(texts[0]), len(clips[0]))
        if not hasattr(self._loaded, "similarity"):
            return _unit(texts[0]) @ _unit(clips[0]).T
        one_each = len(texts) == 1 and len(clips) == 1
        answer = self._loaded.similarity(*((texts[0], clips[0]) if one_each else (texts, clips)))
        if not isinstance(answer, Tensor) or tuple(answer.shape) != expected:
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise SvtaError(f"model {self._name}: similarity gave {got}, not (captions, clips) = {expected}")
        return answer

    def _features(self, function: str, count: int, given: Any) -> Features:
        parts = given if isinstance(given, tuple) else (given,)
        wrong = [part for part in parts if not isinstance(part, Tensor) or not part.ndim or len(part) != count]
        if wrong or not parts:
            got = tuple(wrong[0].shape) if wrong and isinstance(wrong[0], Tensor) else type(given).__name__
            raise SvtaError(f"model {self._name}: {function} gave {got} for {count} items; one row for each is due")
        return parts


def _unit(vectors_ND: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors_ND.float().flatten(1), dim=1)
