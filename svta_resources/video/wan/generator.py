"""The Wan generator: one resident pipeline per process, clip after clip."""

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from svta_resources.gpu import Card, cards
from svta_resources.video.generator import DeviceFailed, GeneratorError
from svta_resources.video.wan.engine import ComputedSteps, Engine, EngineOptions, prepare
from svta_resources.video.wan.layout import WanLayout, find_layout
from svta_resources.video.wan.loading import States, load_pipeline, require_diffsynth
from svta_resources.video.wan.memory import problem_with, require_card
from svta_resources.video.wan.presets import preset_named
from svta_resources.video.wan.settings import Fp8Mode, WanSettings

if TYPE_CHECKING:
    import numpy as np

ENGINE = "diffsynth"


_FATAL = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error", "device-side assert", "NCCL error")


@dataclass
class _Watch:
    """When the denoising loop of the newest clip began and ended."""

    began: float = 0.0
    ended: float = 0.0

    def steps(self, timesteps: Iterable[Any]) -> Iterator[Any]:
        """Stand where diffsynth shows its progress bar: around the denoising loop."""
        self.began = time.perf_counter()
        yield from timesteps
        _wait_for_device()
        self.ended = time.perf_counter()


@dataclass(frozen=True)
class _Loaded:
    """A pipeline ready to be called, and what stands around it."""

    pipe: Any
    engine: Engine
    steps: ComputedSteps


class WanGenerator:
    """Wan2.1 text-to-video. Frames depend on the caption, the seed and the recipe; the category is never looked at.

    Nothing is loaded before the first clip: planning a backfill reads only the weights' headers.
    """

    def __init__(
        self,
        preset: str,
        folder: str | None = None,
        engine: EngineOptions | None = None,
        states: States | None = None,
        **settings: Any,
    ) -> None:
        """Choose a preset and settings (see `WanSettings`).

        Args:
            folder: of the weights, instead of SVTA_WAN_DIR.
            engine: how to compute, instead of SVTA_WAN_ATTENTION and SVTA_WAN_COMPILE.
            states: tensors instead of those in the files (`load_pipeline`).

        Raises:
            GeneratorError: unknown preset or settings, or settings the model cannot use.
        """
        self.preset = preset_named(preset)
        self.settings = WanSettings.of(self.preset, **settings)
        self.engine = engine or EngineOptions.from_environ()
        self._folder, self._states = folder, states
        self._layout: WanLayout | None = None
        self._model: _Loaded | None = None
        self._watch = _Watch()
        self._happened: dict[str, Any] = {}

    @property
    def layout(self) -> WanLayout:
        """Where the weights are. Raises WanLayoutError."""
        if self._layout is None:
            self._layout = find_layout(self.preset, self._folder)
        return self._layout

    def check(self) -> None:
        """Raise GeneratorError for what is known to be wrong before anything is loaded: diffsynth, weights, options."""
        require_diffsynth()
        self.engine.check(Fp8Mode(self.settings.fp8))
        _ = self.layout

    def usable(self, card: Card) -> bool:
        """Whether a card can make these clips, as far as its driver tells."""
        return problem_with(card, self.preset, self.settings) is None

    def check_device(self) -> None:
        """Raise GeneratorError when no visible card can make these clips. Loads nothing."""
        visible = cards()
        if not visible:
            self._require_cpu()
        require_card(visible, self.preset, self.settings)

    def recipe(self) -> dict[str, Any]:
        """Return what the user chose, the weights among it."""
        chosen = {"kind": "wan", "preset": self.preset.name, "weights": self.layout.identity()}
        return chosen | self.settings.to_dict()

    def provenance(self) -> dict[str, Any]:
        """Return what merely happened, of the newest clip: device, versions, seconds, steps computed and skipped."""
        return {ENGINE: _version(ENGINE), "torch": _version("torch"), **self._happened}

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> "np.ndarray":
        """Make the clip: frames (T, H, W, 3) uint8. Raises as `begin` does."""
        return self.begin(caption, seed, category=category)()

    def begin(self, caption: str, seed: int, *, category: str | None = None) -> "Callable[[], np.ndarray]":
        """Do the device's part of a clip; the function returned turns it into frames on the CPU.

        Raises:
            GeneratorError: there is no device for this preset, or it ran out of memory: the clip is rejected.
            DeviceFailed: the device has failed; a fresh process may do better.
            WanLayoutError, WanLoadError: at the first clip only.
        """
        del category
        model = self._loaded()
        model.steps.count = 0
        began = time.perf_counter()
        with self._device_errors(), model.engine.context():
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                video = model.pipe(**self._call(caption, seed))
            if video.device.type != "cpu":
                video = _to_pixels(video).cpu()
            model.pipe.vae.model.clear_cache()  # its feature maps would stay on the device until the next clip
        self._remember(began, model.steps.count)
        return lambda: _to_frames(video)

    def load(self) -> None:
        """Load the model unless it is there. Raises WanLayoutError, WanLoadError or GeneratorError."""
        self._loaded()

    def _loaded(self) -> "_Loaded":
        if self._model is not None:
            return self._model
        began = time.perf_counter()
        device = self._device()
        with self._device_errors():
            pipe = load_pipeline(self.layout, Fp8Mode(self.settings.fp8), device, self._states)
            with contextlib.redirect_stdout(io.StringIO()):
                engine = prepare(pipe, self.engine)
        pipe.model_fn = steps = ComputedSteps(pipe.model_fn)
        self._model = _Loaded(pipe, engine, steps)
        self._happened |= {
            "load_seconds": round(time.perf_counter() - began, 3),
            "device": device,
            "attention": engine.attention,
            "compiled": engine.compiled,
        }
        return self._model

    @contextlib.contextmanager
    def _device_errors(self) -> Iterator[None]:
        """Tell too little memory, which is the clip's fault, from a failed device, which is the process's end."""
        import torch

        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            message = self._too_little_memory(error)
            torch.cuda.empty_cache()
            raise GeneratorError(message) from error
        except RuntimeError as error:  # torch.AcceleratorError is one
            if any(sign in str(error) for sign in _FATAL):
                first = str(error).splitlines()[0]
                raise DeviceFailed(f"The device failed ({first}); its process is replaced") from error
            raise

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

    def _device(self) -> str:
        import torch

        if torch.cuda.is_available():
            return "cuda"
        self._require_cpu()
        return "cpu"

    def _require_cpu(self) -> None:
        if self.preset.name != "tiny":
            raise GeneratorError(
                f"wan:{self.preset.name} needs a CUDA device and none is visible. Look at nvidia-smi and "
                "CUDA_VISIBLE_DEVICES, or set SVTA_VIDEO_GENERATOR=procedural."
            )

    def _remember(self, began: float, forwards: int) -> None:
        """Keep what the clip cost. Guidance asks the transformer twice a step; both halves skip the same steps."""
        computed = forwards // (1 if self.settings.cfg == 1.0 else 2)
        ended, watch = time.perf_counter(), self._watch
        self._happened |= {
            "steps_computed": computed,
            "steps_skipped": self.settings.steps - computed,
            "text_seconds": round(watch.began - began, 3),
            "denoise_seconds": round(watch.ended - watch.began, 3),
            "decode_seconds": round(ended - watch.ended, 3),
            **_device_facts(),
        }

    def _too_little_memory(self, error: Exception) -> str:
        chosen = self.settings
        less = "fp8=storage" if chosen.fp8 != Fp8Mode.storage.value else "a smaller height and width, or fewer frames"
        tiled = "" if chosen.tiled else ", with tiled=true"
        return f"The device ran out of memory ({str(error).splitlines()[0]}). Set {less}{tiled} (docs/models/wan.md)."


def _to_pixels(video_BCTHW: Any) -> Any:
    """Turn the decoder's -1..1 into uint8 (C, T, H, W) as diffsynth makes its own pictures: scaled, cut off."""
    import torch

    if video_BCTHW.dtype == torch.uint8:
        return video_BCTHW
    return ((video_BCTHW[0] + 1) * (255 / 2)).clip(0, 255).to(torch.uint8)


def _to_frames(video: Any) -> "np.ndarray":
    """Turn the decoder's output, or its pixels, into frames (T, H, W, 3) uint8."""
    frames: np.ndarray = _to_pixels(video).permute(1, 2, 3, 0).contiguous().numpy()
    return frames


def _wait_for_device() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


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
