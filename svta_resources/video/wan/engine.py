"""What makes the resident pipeline fast without being part of a clip's recipe: attention, compilation, reuse.

None of it changes what is computed but for the attention kernel and the compiler, which round differently; both are
recorded with every clip. Everything here works on diffsynth's pipeline from outside.
"""

import contextlib
import importlib
import importlib.util
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.settings import Fp8Mode

ATTENTION_VARIABLE = "SVTA_WAN_ATTENTION"
COMPILE_VARIABLE = "SVTA_WAN_COMPILE"
ATTENTIONS = ("auto", "stock", "flash3", "cudnn", "sdpa")
_FLASH3 = "flash_attn_interface"  # how FlashAttention 3 is imported
_KEPT_EMBEDDINGS = 64  # 4 MB each at full size; the negative prompt's is asked for with every clip
_SWITCH = {"": False, "0": False, "1": True}


@dataclass(frozen=True)
class EngineOptions:
    """How to compute, not what.

    Attributes:
        attention: "flash3", "cudnn" or "sdpa" (PyTorch's choice); "stock" is whatever diffsynth takes; "auto" takes
            FlashAttention 3 where it is installed, else cuDNN, on a GPU, and stock on the CPU.
        compile: compile the transformer's blocks; pays from about the tenth clip of a process on.
    """

    attention: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        """Raise GeneratorError for an unknown attention."""
        if self.attention not in ATTENTIONS:
            raise GeneratorError(
                f"{ATTENTION_VARIABLE}={self.attention!r} is not known. Use one of: {', '.join(ATTENTIONS)}."
            )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "EngineOptions":
        """Read SVTA_WAN_ATTENTION and SVTA_WAN_COMPILE. Raises GeneratorError."""
        environ = os.environ if environ is None else environ
        switch = environ.get(COMPILE_VARIABLE, "")
        if switch not in _SWITCH:
            raise GeneratorError(f"{COMPILE_VARIABLE}={switch!r} is not known. Set 1 to compile, 0 not to.")
        return cls(environ.get(ATTENTION_VARIABLE) or "auto", _SWITCH[switch])

    def check(self, mode: Fp8Mode) -> None:
        """Raise GeneratorError for what cannot work together, or is not installed. Imports nothing."""
        if self.attention == "flash3" and importlib.util.find_spec(_FLASH3) is None:
            raise GeneratorError(
                f"{ATTENTION_VARIABLE}=flash3 needs FlashAttention 3 (module {_FLASH3}), which is not installed. "
                "Install it, or use cudnn."
            )
        if self.compile and mode in (Fp8Mode.storage, Fp8Mode.w8a8):
            raise GeneratorError(
                f"Compilation gains nothing with fp8 {mode.value}, whose layers are wrapped. Use fp8 rounded, or unset "
                f"{COMPILE_VARIABLE}."
            )


@dataclass(frozen=True)
class Engine:
    """A prepared pipeline: what it computes attention with, and the context its calls run in."""

    attention: str
    compiled: bool
    backends: tuple[Any, ...] = ()

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """The context for a call of the pipeline."""
        if not self.backends:
            return contextlib.nullcontext()
        from torch.nn.attention import sdpa_kernel

        return sdpa_kernel(list(self.backends), set_priority=True)


def prepare(pipe: Any, options: EngineOptions) -> Engine:
    """Make a loaded pipeline fast, as `options` say; returns what was chosen."""
    device = str(pipe.device)
    pipe.dit.freqs = tuple(table.to(device) for table in pipe.dit.freqs)  # stock copies them anew at every forward
    pipe.text_encoder.forward = RememberedEmbeddings(pipe.text_encoder.forward)
    chosen = options.attention
    if chosen == "auto" and device.startswith("cuda"):
        chosen = "flash3" if importlib.util.find_spec(_FLASH3) else "cudnn"
    backends: tuple[Any, ...] = ()
    if chosen in ("auto", "stock"):
        chosen = f"stock ({_stock_attention()})"
    else:
        _replace_attention(pipe.dit, chosen)
        backends = _backends(chosen)
    if options.compile:
        pipe.compile_pipeline(mode="default", dynamic=False, compile_models=["dit"])
    return Engine(chosen, options.compile, backends)


class RememberedEmbeddings:
    """The text encoder's forward pass, computed once for each of the newest prompts; bit-equal by construction."""

    def __init__(self, encode: Any, kept: int = _KEPT_EMBEDDINGS) -> None:
        self._encode, self._kept = encode, kept
        self._known: OrderedDict[tuple[bytes, bytes], Any] = OrderedDict()

    def __call__(self, ids_BL: Any, mask_BL: Any) -> Any:
        """Token ids and mask (B, L) to embeddings (B, L, D); the caller may write into them."""
        key = (ids_BL.cpu().numpy().tobytes(), mask_BL.cpu().numpy().tobytes())
        if key not in self._known:
            self._known[key] = self._encode(ids_BL, mask_BL)
        self._known.move_to_end(key)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
        return self._known[key].clone()


class ComputedSteps:
    """Stands before diffsynth's model function and counts the forward passes that TeaCache did not skip."""

    def __init__(self, model_fn: Any) -> None:
        self._model_fn = model_fn
        self.count = 0

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Call through; a computed pass leaves a new residual in the cache, a skipped one the old."""
        cache = inputs.get("tea_cache")
        before = None if cache is None else cache.previous_residual
        predicted = self._model_fn(*args, **inputs)
        self.count += cache is None or cache.previous_residual is not before
        return predicted


def _stock_attention() -> str:
    """What diffsynth takes, by what could be imported."""
    from diffsynth.models import wan_video_dit

    order = (
        ("FLASH_ATTN_3_AVAILABLE", "flash3"),
        ("FLASH_ATTN_2_AVAILABLE", "flash2"),
        ("SAGE_ATTN_AVAILABLE", "sage"),
    )
    return next((name for flag, name in order if getattr(wan_video_dit, flag)), "sdpa")


def _backends(chosen: str) -> tuple[Any, ...]:
    """PyTorch's attention kernels in the order to try them; () leaves the choice to PyTorch."""
    if chosen != "cudnn":
        return ()
    from torch.nn.attention import SDPBackend

    return (
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    )


def _replace_attention(dit: Any, chosen: str) -> None:
    """Give every block our attention: which kernel runs must not hang on what else is installed."""
    import torch

    class Attention(torch.nn.Module):
        """Queries, keys and values (B, S, N * D) to (B, S, N * D); no parameters."""

        def __init__(self, heads: int) -> None:
            super().__init__()
            self.heads = heads

        def forward(self, q: Any, k: Any, v: Any) -> Any:
            q, k, v = (x.unflatten(2, (self.heads, -1)) for x in (q, k, v))
            return attend(q, k, v).flatten(2)

    def sdpa(q_BSND: Any, k_BSND: Any, v_BSND: Any) -> Any:
        q, k, v = (x.transpose(1, 2) for x in (q_BSND, k_BSND, v_BSND))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    def flash3(q_BSND: Any, k_BSND: Any, v_BSND: Any) -> Any:
        attended = importlib.import_module(_FLASH3).flash_attn_func(q_BSND, k_BSND, v_BSND)
        return attended[0] if isinstance(attended, tuple) else attended

    attend = flash3 if chosen == "flash3" else sdpa
    for block in dit.blocks:
        for part in (block.self_attn, block.cross_attn):
            part.attn = Attention(part.attn.num_heads)
