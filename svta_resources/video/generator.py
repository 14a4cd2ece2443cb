"""The interfaces of video generators, and how a setting becomes a generator."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl

from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    import numpy as np

    from svta_resources.gpu import Card

SETTING = "SVTA_VIDEO_GENERATOR"


class GeneratorError(SvtaError):
    """A generator is unknown, not available here, or was given settings it cannot use."""


class DeviceFailed(GeneratorError):
    """The device has failed and with it this process: nothing more can be made in it (`overlap.TwoStageWork`)."""

    retires_process = True


class CannotLoad(GeneratorError):
    """The model cannot be loaded: no clip can be made, so the run ends instead of rejecting one after the other."""

    retires_process = True
    ends_run = True


@runtime_checkable
class VideoGenerator(Protocol):
    """Turns a caption into frames. The same caption, seed and recipe give the same frames."""

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> "np.ndarray":
        """Return frames (T, H, W, 3) uint8 RGB; `category` is only a hint for a caption that names no action."""
        ...

    def recipe(self) -> dict[str, Any]:
        """Return what the user chose (preset, sizes, weights); it is hashed, so no versions, devices or times."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return what merely happened (library versions, device); recorded beside the clip, never hashed."""
        ...


@runtime_checkable
class DeviceGenerator(Protocol):
    """What a generator has besides when it needs a device of its own, as Wan does."""

    def begin(self, caption: str, seed: int, *, category: str | None = None) -> Callable[[], "np.ndarray"]:
        """Do the device's part of `generate`; the function returned does the rest in any thread, beside other clips."""
        ...

    def load(self) -> None:
        """Load the model unless it is there."""
        ...

    def check_device(self) -> None:
        """Raise GeneratorError when no visible device can hold the model. Loads nothing."""
        ...

    def usable(self, card: "Card") -> bool:
        """Whether this card can hold the model, as far as its driver tells."""
        ...


@runtime_checkable
class SceneReader(Protocol):
    """What a generator can say besides when it draws from a parsed scene, as the procedural one does."""

    def describe(self, caption: str, *, category: str | None = None) -> dict[str, Any]:
        """Return the scene it reads from a caption as plain values; `neutral` is true when it found too little."""
        ...

    def hint(self, caption: str, category: str) -> str | None:
        """Return the category if the caption's frames depend on it, else None. It belongs to the clip's recipe."""
        ...


def _open_procedural(preset: str, settings: dict[str, Any]) -> VideoGenerator:
    if preset:
        raise GeneratorError(f"The procedural generator has no preset {preset!r}. Set {SETTING}=procedural.")
    from svta_resources.video.procedural.generator import ProceduralGenerator

    try:
        return ProceduralGenerator(**settings)
    except TypeError as error:
        raise GeneratorError(
            f"The procedural generator does not take these settings: {error}. It takes height, width, frames and fps."
        ) from error


def _open_wan(preset: str, settings: dict[str, Any]) -> VideoGenerator:
    from svta_resources.video.wan.generator import WanGenerator

    generator = WanGenerator(preset, **settings)
    generator.check()
    return generator


_OPENERS: dict[str, Callable[[str, dict[str, Any]], VideoGenerator]] = {
    "procedural": _open_procedural,
    "wan": _open_wan,
}


def open_generator(spec: str, **settings: Any) -> VideoGenerator:
    """Open the generator that `spec` names: `procedural`, or `wan:<preset>`, with settings of its own after a `?`.

    Args:
        spec: family, optionally with a preset after a colon and settings: `wan:wan2.1-t2v-14b?fp8=storage&steps=30`.
        settings: height, width (pixels), frames and fps of the clips; more for Wan (`WanSettings`).

    Raises:
        GeneratorError: unknown family or preset, or settings the generator cannot use.
    """
    family, preset = family_and_preset(spec)
    query = spec.strip().partition("?")[2]
    opener = _OPENERS.get(family)
    if opener is None:
        known = ", ".join(sorted(_OPENERS))
        raise GeneratorError(f"Unknown video generator {spec!r}. Set {SETTING} to one of: {known}.")
    return opener(preset, {**_settings_in(query), **settings})


def family_and_preset(spec: str) -> tuple[str, str]:
    """Split `wan:tiny?steps=8` into ("wan", "tiny"); a family without presets has ""."""
    family, _, preset = spec.strip().partition("?")[0].partition(":")
    return family, preset


def _settings_in(query: str) -> dict[str, Any]:
    """Settings of a spec: numbers, true, false and null as JSON writes them, everything else is text."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise GeneratorError(f"{SETTING}: {query!r} is not a list of settings. Write name=value&name=value.") from error
    return {name: _value(text) for name, text in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
