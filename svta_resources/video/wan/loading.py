"""A resident diffsynth pipeline from local files, in one of four fp8 modes. Nothing here may reach the network."""

import contextlib
import importlib.util
import io
import os
from typing import Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.layout import WanLayout
from svta_resources.video.wan.settings import Fp8Mode

INSTALL = "pip install --constraint constraints.txt --editable '.[wan]'"
_OFFLINE = {"DIFFSYNTH_SKIP_DOWNLOAD": "true", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_W8A8_CAPABILITY = (8, 9)  # Ada and Hopper: the first cards with fp8 products
_KEPT_IN_BF16 = ("head", "text_embedding", "time_embedding", "time_projection")  # small, and sensitive to rounding


class WanLoadError(GeneratorError):
    """diffsynth is missing or could not load the weights."""


def load_pipeline(layout: WanLayout, mode: Fp8Mode, device: str) -> Any:
    """Load the pipeline onto a device ("cuda", "cpu") and return diffsynth's `WanVideoPipeline`, computing in bfloat16.

    Raises:
        WanLoadError: diffsynth is not installed, or it cannot read the files; its own words are kept.
        GeneratorError: the device cannot do what the mode needs.
    """
    os.environ.update(_OFFLINE)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # diffsynth prints
        pipeline, config = _diffsynth()
        if layout.preset.name == "tiny":
            from svta_resources.video.wan.tiny import register_tiny

            register_tiny(layout)
        try:
            return pipeline.from_pretrained(
                torch_dtype=_dtypes()[0],
                device=device,
                model_configs=[config(path=path, **_how(path, mode, device)) for path in _files(layout)],
                tokenizer_config=config(path=layout.tokenizer),
                redirect_common_files=False,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            last = said.getvalue().strip().splitlines()[-1:]
            raise WanLoadError(
                f"diffsynth cannot load wan:{layout.preset.name} from {layout.folder}: {error} (it last said: "
                f"{' '.join(last)}). Compare the files with the publisher's hashes: `svta doctor --hash`."
            ) from error


def require_diffsynth() -> None:
    """Raise WanLoadError with the command to install it when diffsynth is not there. Imports nothing."""
    if importlib.util.find_spec("diffsynth") is None:
        raise WanLoadError(f"The wan generator needs diffsynth, which is not installed. Install it: {INSTALL}")


def _diffsynth() -> tuple[Any, Any]:
    require_diffsynth()
    try:
        from diffsynth.pipelines.wan_video import ModelConfig, WanVideoPipeline
    except ImportError as error:
        raise WanLoadError(f"diffsynth cannot be imported ({error}). Install it anew: {INSTALL}") from error
    return WanVideoPipeline, ModelConfig


def _files(layout: WanLayout) -> tuple[Any, str, str]:
    return layout.dit, layout.t5, layout.vae


def _dtypes() -> tuple[Any, Any]:
    import torch

    return torch.bfloat16, torch.float8_e4m3fn


def _how(path: Any, mode: Fp8Mode, device: str) -> dict[str, Any]:
    """The part of a diffsynth ModelConfig that makes the mode. As in the paper's engine, fp8 covers all models."""
    bfloat16, fp8 = _dtypes()
    match mode:
        case Fp8Mode.none:
            return {}
        case Fp8Mode.storage:
            kept = {f"{stage}_dtype": fp8 for stage in ("offload", "onload", "preparing")}
            places = {f"{stage}_device": device for stage in ("offload", "onload", "preparing", "computation")}
            return {**kept, **places, "computation_dtype": bfloat16}
        case Fp8Mode.rounded:
            return {"state_dict": _rounded(path, device)}
        case Fp8Mode.w8a8:
            return {"quantize": _w8a8(device)} if isinstance(path, list) else {"state_dict": _rounded(path, device)}


def _rounded(path: Any, device: str) -> dict[str, Any]:
    """Weights rounded to fp8 and kept as bfloat16. Rounded from the file's own type: by way of bfloat16 it differs."""
    from diffsynth.core.loader.file import load_state_dict

    bfloat16, fp8 = _dtypes()
    state = load_state_dict(path, device=device)
    return {name: tensor.to(fp8).to(bfloat16) for name, tensor in state.items()}


def _w8a8(device: str) -> Any:
    import torch

    if device != "cuda" or torch.cuda.get_device_capability() < _W8A8_CAPABILITY:
        card = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
        raise GeneratorError(
            f"fp8 mode w8a8 multiplies in fp8, which {card} cannot (compute capability 8.9 is needed). Use rounded."
        )
    try:
        from diffsynth.core.quant import QuantizeConfig

        return QuantizeConfig(method="torchao_fp8_w8a8", exclude_modules=list(_KEPT_IN_BF16))
    except ImportError as error:
        raise WanLoadError(f"fp8 mode w8a8 needs torchao ({error}). Install it, or use rounded.") from error
