"""The Wan generator: one resident pipeline per process, clip after clip."""

import contextlib
import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.layout import WanLayout, find_layout
from svta_resources.video.wan.loading import load_pipeline, require_diffsynth
from svta_resources.video.wan.presets import preset_named
from svta_resources.video.wan.settings import Fp8Mode, WanSettings

if TYPE_CHECKING:
    import numpy as np

ENGINE = "diffsynth"


@dataclass
class _Watch:
    """What one clip cost: forwards of the transformer that were computed, and seconds by stage."""

    computed: int = 0
    denoising_began: float = 0.0
    denoising_ended: float = 0.0

    def steps(self, timesteps: Iterable[Any]) -> Iterator[Any]:
        """Stand where diffsynth shows its progress bar: around the denoising loop."""
        self.denoising_began = time.perf_counter()
        yield from timesteps
        self.denoising_ended = time.perf_counter()


class WanGenerator:
    """Wan2.1 text-to-video. Frames depend on the caption, the seed and the recipe; the category is never looked at.

    Nothing is loaded before the first clip: planning a backfill reads only the weights' headers.
    """

    def __init__(self, preset: str, folder: str | None = None, **settings: Any) -> None:
        """Choose a preset and settings (see `WanSettings`); `folder` replaces SVTA_WAN_DIR. Raises GeneratorError."""
        self.preset = preset_named(preset)
        self.settings = WanSettings.of(self.preset, **settings)
        self._folder = folder
        self._layout: WanLayout | None = None
        self._pipeline: Any = None
        self._watch = _Watch()
        self._happened: dict[str, Any] = {}

    @property
    def layout(self) -> WanLayout:
        """Where the weights are. Raises WanLayoutError."""
        if self._layout is None:
            self._layout = find_layout(self.preset, self._folder)
        return self._layout

    def check(self) -> None:
        """Raise GeneratorError for what is known to be missing before anything is loaded: diffsynth, or weights."""
        require_diffsynth()
        _ = self.layout

    def recipe(self) -> dict[str, Any]:
        """Return what the user chose, the weights among it."""
        chosen = {"kind": "wan", "preset": self.preset.name, "weights": self.layout.identity()}
        return chosen | self.settings.to_dict()

    def provenance(self) -> dict[str, Any]:
        """Return what merely happened, of the newest clip: device, versions, seconds, steps computed and skipped."""
        return {ENGINE: _version(ENGINE), "torch": _version("torch"), **self._happened}

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> "np.ndarray":
        """Make the clip: frames (T, H, W, 3) uint8.

        Raises:
            GeneratorError: there is no device for this preset, or it ran out of memory.
            WanLayoutError, WanLoadError: at the first clip only.
        """
        del category
        import torch

        pipe = self._loaded()
        self._watch.computed = 0
        began = time.perf_counter()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                video_BCTHW = pipe(**self._call(caption, seed))
        except torch.cuda.OutOfMemoryError as error:
            raise GeneratorError(self._too_little_memory(error)) from error
        frames = _to_uint8(video_BCTHW)
        self._remember(pipe, began)
        return frames

    def _call(self, caption: str, seed: int) -> dict[str, Any]:
        chosen = self.settings
        cache = {"tea_cache_l1_thresh": chosen.tea_cache_threshold, "tea_cache_model_id": chosen.tea_cache_model_id}
        return {
            "prompt": caption,
            "negative_prompt": chosen.negative_prompt,
            "seed": seed,
            "rand_device": "cpu",  # the same noise on every card
            "height": chosen.height,
            "width": chosen.width,
            "num_frames": chosen.frames,
            "cfg_scale": chosen.cfg,
            "cfg_merge": False,  # merging switches TeaCache off without a word
            "num_inference_steps": chosen.steps,
            "sigma_shift": chosen.shift,
            "tiled": chosen.tiled,
            "progress_bar_cmd": self._watch.steps,
            "output_type": "floatpoint",
            **(cache if chosen.tea_cache_threshold is not None else {}),
        }

    def _loaded(self) -> Any:
        if self._pipeline is None:
            began = time.perf_counter()
            self._pipeline = load_pipeline(self.layout, Fp8Mode(self.settings.fp8), self._device())
            self._pipeline.dit.blocks[0].register_forward_pre_hook(self._count)
            self._happened["load_seconds"] = round(time.perf_counter() - began, 3)
        return self._pipeline

    def _count(self, module: Any, arguments: Any) -> None:
        """Count computed forwards: a step that TeaCache skips never enters the first block."""
        del module, arguments
        self._watch.computed += 1

    def _device(self) -> str:
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self.preset.name == "tiny":
            return "cpu"
        raise GeneratorError(
            f"wan:{self.preset.name} needs a CUDA device and none is visible. Look at nvidia-smi and "
            "CUDA_VISIBLE_DEVICES, or set SVTA_VIDEO_GENERATOR=procedural."
        )

    def _remember(self, pipe: Any, began: float) -> None:
        """Keep what the clip cost. Guidance asks the transformer twice a step; both halves skip the same steps."""
        per_step = 1 if self.settings.cfg == 1.0 else 2
        computed = self._watch.computed // per_step
        ended, watch = time.perf_counter(), self._watch
        self._happened |= {
            "device": str(pipe.device),
            "steps_computed": computed,
            "steps_skipped": self.settings.steps - computed,
            "encode_seconds": round(watch.denoising_began - began, 3),
            "denoise_seconds": round(watch.denoising_ended - watch.denoising_began, 3),
            "decode_seconds": round(ended - watch.denoising_ended, 3),
            **_device_facts(),
        }

    def _too_little_memory(self, error: Exception) -> str:
        less = "fp8 storage" if self.settings.fp8 != Fp8Mode.storage else "a smaller size or fewer frames"
        return f"The device ran out of memory ({str(error).splitlines()[0]}). Use {less}, with tiled decoding."


def _to_uint8(video_BCTHW: Any) -> "np.ndarray":
    """Turn the decoder's -1..1 into frames (T, H, W, 3) as diffsynth makes its own pictures: scaled, cut off."""
    import torch

    pixels_CTHW = ((video_BCTHW[0] + 1) * (255 / 2)).clip(0, 255).to("cpu", torch.uint8)
    frames: np.ndarray = pixels_CTHW.permute(1, 2, 3, 0).contiguous().numpy()
    return frames


def _device_facts() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        return {}
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return {"device_name": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "peak_memory_gb": round(peak, 2)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
