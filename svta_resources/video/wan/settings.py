"""What the user chooses about Wan clips; all of it is hashed into a clip's recipe."""

from dataclasses import asdict, dataclass, field
from enum import Enum
from importlib.resources import files
from typing import Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.presets import WanPreset

SPATIAL_FACTOR = 16  # the VAE's 8 times the transformer's patch of 2
TEMPORAL_FACTOR = 4  # the VAE keeps the first frame and joins every 4 that follow


class Fp8Mode(str, Enum):  # noqa: UP042 - StrEnum needs Python 3.11; benchmarks/generation.py runs on 3.10
    """How the diffusion transformer's weights use 8-bit floats (e4m3).

    storage: kept as fp8 in memory, cast up at every use. rounded: rounded to fp8 once and kept as bfloat16, the same
    frames as `storage` bit for bit with twice its memory and none of its casts. w8a8: products in fp8; other frames.
    """

    none = "none"
    storage = "storage"
    rounded = "rounded"
    w8a8 = "w8a8"


def default_negative_prompt() -> str:
    """What Wan2.1 is told to avoid, as its authors publish it (in Chinese)."""
    return (files("svta_resources.video.wan") / "negative_prompt.txt").read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class WanSettings:
    """Settings of the paper's generation (SVTA paper: 33 frames, 15 fps, 480x832, quality 6, TeaCache 0.08, FP8).

    height, width in pixels; fps in frames per second; quality of the mp4, 0..10; cfg: classifier-free guidance scale;
    shift: of the flow-matching schedule; tea_cache_threshold: None switches TeaCache off; tiled: decode the latents in
    tiles (less memory, slightly other pixels).
    """

    height: int
    width: int
    frames: int = 33
    fps: float = 15
    quality: int = 6
    steps: int = 50
    cfg: float = 5.0
    shift: float = 5.0
    tea_cache_threshold: float | None = 0.08
    tea_cache_model_id: str = ""
    negative_prompt: str = field(default_factory=default_negative_prompt)
    tiled: bool = True
    fp8: str = Fp8Mode.rounded.value

    def __post_init__(self) -> None:
        """Refuse what the model would silently change. Raises GeneratorError."""
        for name in ("height", "width"):
            pixels = getattr(self, name)
            if pixels < SPATIAL_FACTOR or pixels % SPATIAL_FACTOR:
                raise GeneratorError(_nearest(name, pixels, SPATIAL_FACTOR, 0, "pixels"))
        if self.frames < 1 or self.frames % TEMPORAL_FACTOR != 1:
            raise GeneratorError(_nearest("frames", self.frames, TEMPORAL_FACTOR, 1, "frames"))
        if self.steps < 2 or self.fps <= 0 or not 0 <= self.quality <= 10:
            raise GeneratorError(
                f"Wan cannot use steps {self.steps}, fps {self.fps:g}, quality {self.quality}: steps must be at "
                "least 2, fps above 0, quality 0 to 10."
            )
        if self.tea_cache_threshold is not None and self.tea_cache_threshold <= 0:
            raise GeneratorError(
                f"TeaCache threshold {self.tea_cache_threshold:g} cannot be used: set one above 0, or null to switch "
                "it off."
            )
        if self.fp8 not in [mode.value for mode in Fp8Mode]:
            raise GeneratorError(
                f"Unknown fp8 mode {self.fp8!r}. Use one of: {', '.join(mode.value for mode in Fp8Mode)}."
            )

    @classmethod
    def of(cls, preset: WanPreset, **chosen: Any) -> "WanSettings":
        """The preset's settings with some of them chosen otherwise. Raises GeneratorError for an unknown one."""
        given = {
            "height": preset.height,
            "width": preset.width,
            "steps": preset.steps,
            "tea_cache_threshold": preset.tea_cache_threshold,
            "tea_cache_model_id": preset.tea_cache_model_id,
        }
        try:
            return cls(**{**given, **chosen})
        except TypeError as error:
            raise GeneratorError(f"The generator wan:{preset.name} does not take these settings: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a clip's recipe."""
        return asdict(self)


def _nearest(name: str, value: int, factor: int, rest: int, unit: str) -> str:
    below = max(factor + rest, (value - rest) // factor * factor + rest)
    if rest:
        return f"Wan cannot make {value} {unit}: it makes {factor}n+{rest}. Set {name} to {below} or {below + factor}."
    return (
        f"Wan cannot make clips of {name} {value}: it must be a multiple of {factor} {unit}. Set {below} or "
        f"{below + factor}."
    )
