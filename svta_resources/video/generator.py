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
    del settings
    raise GeneratorError(
        f"The generator 'wan:{preset}' is not part of this version yet. "
        f"Set {SETTING}=procedural, the generator that is available."
    )


_OPENERS: dict[str, Callable[[str, dict[str, Any]], VideoGenerator]] = {
    "procedural": _open_procedural,
    "wan": _open_wan,
}


def open_generator(spec: str, **settings: Any) -> VideoGenerator:
    """Open the generator that `spec` names: `procedural`, or `wan:<preset>` once it exists.

    Args:
        spec: family, optionally with a preset after a colon.
        settings: height, width (pixels, even), frames and fps of the clips.

    Raises:
        GeneratorError: unknown family or preset, or settings the generator cannot use.
    """
    family, _, preset = spec.strip().partition(":")
    opener = _OPENERS.get(family)
    if opener is None:
        known = ", ".join(sorted(_OPENERS))
        raise GeneratorError(f"Unknown video generator {spec!r}. Set {SETTING} to one of: {known}.")
    return opener(preset, settings)
