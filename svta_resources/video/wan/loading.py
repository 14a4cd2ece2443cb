"""A resident diffsynth pipeline from local files, in one of four fp8 modes. Nothing here may reach the network."""

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.layout import WanLayout
from svta_resources.video.wan.memory import W8A8_CAPABILITY
from svta_resources.video.wan.settings import Fp8Mode

INSTALL = "pip install --constraint constraints.txt --editable '.[wan]'"
_OFFLINE = {"DIFFSYNTH_SKIP_DOWNLOAD": "true", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
# Layers that stay in bfloat16 under w8a8: small, and sensitive to rounding.
_KEPT_IN_BF16 = (
    "head.head",
    "text_embedding.0",
    "text_embedding.2",
    "time_embedding.0",
    "time_embedding.2",
    "time_projection.1",
)
States = Callable[[Any], dict[str, Any]]  # file(s) of a model to its tensors


class WanLoadError(GeneratorError):
    """diffsynth is missing or could not load the weights."""


def load_pipeline(layout: WanLayout, mode: Fp8Mode, device: str, states: States | None = None) -> Any:
    """Load the pipeline onto a device ("cuda", "cpu") and return diffsynth's `WanVideoPipeline`, computing in bfloat16.

    Args:
        states: gives a model's tensors instead of its files, which are then only looked at for what model they are.

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
                model_configs=[config(path=path, **_how(path, mode, device, states)) for path in _files(layout)],
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


def _how(path: Any, mode: Fp8Mode, device: str, states: States | None) -> dict[str, Any]:
    """The part of a diffsynth ModelConfig that makes the mode. As in the paper's engine, fp8 covers all models."""
    bfloat16, fp8 = _dtypes()
    given = {"state_dict": states(path)} if states else {}
    if mode is Fp8Mode.storage:
        kept = {f"{stage}_dtype": fp8 for stage in ("offload", "onload", "preparing")}
        places = {f"{stage}_device": device for stage in ("offload", "onload", "preparing", "computation")}
        return {**kept, **places, "computation_dtype": bfloat16, **_cast(given, fp8)}
    if mode is Fp8Mode.rounded or (mode is Fp8Mode.w8a8 and not isinstance(path, list)):
        return {"state_dict": _rounded(given.get("state_dict") or _tensors(path, device))}
    if mode is Fp8Mode.w8a8:
        return {"quantize": _w8a8(device), **given}
    return given


def _cast(given: dict[str, Any], dtype: Any) -> dict[str, Any]:
    return {name: {key: tensor.to(dtype) for key, tensor in state.items()} for name, state in given.items()}


def _rounded(tensors: Any) -> dict[str, Any]:
    """Weights rounded to fp8 and kept as bfloat16. Rounded from the file's own type: by way of bfloat16 it differs."""
    bfloat16, fp8 = _dtypes()
    items = tensors.items() if isinstance(tensors, dict) else tensors
    return {name: tensor.to(fp8).to(bfloat16) for name, tensor in items}


def _tensors(path: Any, device: str) -> Iterator[tuple[str, Any]]:
    """Tensors of one file or several, on the device, one after the other: the fp32 model as a whole needs 57 GB."""
    from diffsynth.core.loader.file import load_state_dict
    from safetensors import safe_open

    for file in path if isinstance(path, list) else [path]:
        if file.endswith(".safetensors"):
            with safe_open(file, framework="pt", device=device) as opened:
                for name in opened.keys():  # noqa: SIM118 - not a dict: it has no other way to list its names
                    yield name, opened.get_tensor(name)
        else:
            for name, tensor in load_state_dict(file, device="cpu").items():
                yield name, tensor.to(device)


def _w8a8(device: str) -> Any:
    import torch

    if device != "cuda" or torch.cuda.get_device_capability() < W8A8_CAPABILITY:
        card = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
        raise GeneratorError(
            f"fp8 mode w8a8 multiplies in fp8, which {card} cannot (compute capability 8.9 is needed). Use rounded."
        )
    try:
        from diffsynth.core.quant import QuantizeConfig

        return QuantizeConfig(method="torchao_fp8_w8a8", exclude_modules=list(_KEPT_IN_BF16))
    except ImportError as error:
        raise WanLoadError(f"fp8 mode w8a8 needs torchao ({error}). Install it, or use rounded.") from error
