"""The one interface of every video generator, and how a setting becomes a generator."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    import numpy as np

SETTING = "SVTA_VIDEO_GENERATOR"


class GeneratorError(SvtaError):
    """A generator is unknown, not available here, or was given settings it cannot use."""


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
    """Open the generator that `spec` names: `procedural`, or `wan:<preset>`.

    Args:
        spec: family, optionally with a preset after a colon.
        settings: height, width (pixels), frames and fps of the clips; more for Wan (`WanSettings`).

    Raises:
        GeneratorError: unknown family or preset, or settings the generator cannot use.
    """
    family, _, preset = spec.strip().partition(":")
    opener = _OPENERS.get(family)
    if opener is None:
        known = ", ".join(sorted(_OPENERS))
        raise GeneratorError(f"Unknown video generator {spec!r}. Set {SETTING} to one of: {known}.")
    return opener(preset, settings)
