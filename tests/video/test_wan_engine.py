"""What makes Wan fast must not change what it makes: attention, reuse, counting, memory, and how it fails."""

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from svta_resources.gpu import Card
from svta_resources.video.generator import DeviceFailed, GeneratorError
from svta_resources.video.wan import generator as generator_module
from svta_resources.video.wan.engine import EngineOptions, RememberedEmbeddings
from svta_resources.video.wan.generator import WanGenerator
from svta_resources.video.wan.memory import needed_bytes, problem_with, require_card, tokens, weight_bytes
from svta_resources.video.wan.presets import PRESETS, preset_named
from svta_resources.video.wan.settings import Fp8Mode, WanSettings
from svta_resources.video.wan.tiny import write_tiny

CAPTION = "A car runs a red light and hits a cyclist."
SEED = 42
FRAMES = 9
FULL = preset_named("wan2.1-t2v-14b")
GIB = 1024  # MiB


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("wan") / "tiny"))


@pytest.fixture(scope="module")
def reference(weights: str) -> np.ndarray:
    return _open(weights).generate(CAPTION, SEED)


def _open(weights: str, engine: EngineOptions | None = None, **settings: Any) -> WanGenerator:
    return WanGenerator("tiny", weights, engine=engine or EngineOptions(), frames=FRAMES, **settings)


@pytest.mark.parametrize("attention", ["stock", "sdpa", "cudnn"])
def test_our_attention_makes_the_frames_of_the_stock_one(weights: str, attention: str, reference: np.ndarray) -> None:
    """On the CPU all of them end in the same kernel, so that any difference would be ours."""
    generator = _open(weights, EngineOptions(attention))
    assert (generator.generate(CAPTION, SEED) == reference).all()
    assert generator.provenance()["attention"].startswith(attention)


def test_flash_attention_gets_heads_and_their_numbers_where_it_expects_them(
    weights: str, monkeypatch: pytest.MonkeyPatch, reference: np.ndarray
) -> None:
    """A stand-in with FlashAttention 3's interface: (B, S, N, D) in and out."""
    seen = []

    def flash_attn_func(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, None]:
        seen.append(q.shape)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2), None

    stand_in = types.ModuleType("flash_attn_interface")
    stand_in.flash_attn_func = flash_attn_func
    stand_in.__spec__ = types.SimpleNamespace(name="flash_attn_interface")
    generator = _open(weights, EngineOptions("flash3"))
    generator.load()
    monkeypatch.setitem(sys.modules, "flash_attn_interface", stand_in)
    assert (generator.generate(CAPTION, SEED) == reference).all()
    assert {shape[2:] for shape in seen} == {(2, 12)}


def test_an_embedding_is_computed_once_and_may_be_written_into() -> None:
    calls = []

    def encode(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        calls.append(ids)
        return ids.float()[..., None] * mask[..., None]

    remembered = RememberedEmbeddings(encode, kept=2)
    one, two, three = (torch.tensor([[number, number]]) for number in (1, 2, 3))
    mask = torch.ones_like(one)
    first = remembered(one, mask)
    first[:] = 0  # as diffsynth does behind the prompt's end
    assert remembered(one, mask).flatten().tolist() == [1, 1]
    assert remembered(one, torch.tensor([[1, 0]])).flatten().tolist() == [1, 0]
    assert len(calls) == 2
    remembered(two, mask)
    remembered(three, mask)
    assert len(calls) == 4
    remembered(one, mask)
    assert len(calls) == 5, "only the newest are kept"


def test_the_negative_prompt_is_encoded_once_a_process(weights: str) -> None:
    generator = _open(weights)
    generator.load()
    encoder = generator._loaded().pipe.text_encoder
    known = encoder.forward._known
    for caption in ("A dog runs.", "A cat sits.", "A dog runs."):
        generator.generate(caption, SEED)
    assert len(known) == 3


@pytest.mark.parametrize(("threshold", "cfg"), [(0.08, 5.0), (None, 5.0), (0.08, 1.0)])
def test_computed_steps_are_those_that_enter_the_first_block(weights: str, threshold: float | None, cfg: float) -> None:
    generator = _open(weights, tea_cache_threshold=threshold, cfg=cfg)
    entered = []
    generator._loaded().pipe.dit.blocks[0].register_forward_pre_hook(lambda *_: entered.append(1))
    generator.generate(CAPTION, SEED)
    computed = len(entered) // (1 if cfg == 1.0 else 2)
    happened = generator.provenance()
    assert (happened["steps_computed"], happened["steps_skipped"]) == (computed, generator.settings.steps - computed)
    assert (happened["steps_skipped"] > 0) == (threshold is not None)


def test_frames_may_be_made_while_the_next_clip_is_drawn(weights: str, reference: np.ndarray) -> None:
    generator = _open(weights)
    first = generator.begin(CAPTION, SEED)
    second = generator.begin("A dog runs.", SEED)
    assert (first() == reference).all()
    assert (second() != reference).any()


def _failing(generator: WanGenerator, error: BaseException) -> None:
    """Let the pipeline fail as the device would."""

    def fail(**inputs: Any) -> None:
        raise error

    loaded = generator._loaded()
    generator._model = generator_module._Loaded(fail, loaded.engine, loaded.steps)


def test_too_little_memory_is_the_clips_fault_and_names_the_setting(weights: str) -> None:
    generator = _open(weights)
    _failing(generator, torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"))
    with pytest.raises(GeneratorError, match="Tried to allocate 2 GiB.*Set fp8=storage") as problem:
        generator.generate(CAPTION, SEED)
    assert not isinstance(problem.value, DeviceFailed)
    smaller = _open(weights, fp8="storage", tiled=False)
    assert "a smaller height and width, or fewer frames, with tiled=true" in smaller._too_little_memory(
        RuntimeError("x")
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
)
def test_a_failed_device_retires_the_process(weights: str, error: RuntimeError) -> None:
    generator = _open(weights)
    _failing(generator, error)
    with pytest.raises(DeviceFailed, match="its process is replaced") as problem:
        generator.generate(CAPTION, SEED)
    assert problem.value.retires_process


def test_other_errors_are_left_as_they_are(weights: str) -> None:
    generator = _open(weights)
    _failing(generator, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch") as problem:
        generator.generate(CAPTION, SEED)
    assert not isinstance(problem.value, GeneratorError)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SVTA_WAN_ATTENTION": "flash9"}, "flash9.*auto, stock, flash3, cudnn, sdpa"),
        ({"SVTA_WAN_COMPILE": "yes"}, "Set 1 to compile"),
    ],
)
def test_unknown_options_are_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(GeneratorError, match=message):
        EngineOptions.from_environ(environ)


def test_options_that_cannot_work_are_refused_before_anything_loads() -> None:
    assert EngineOptions.from_environ({"SVTA_WAN_COMPILE": "1"}) == EngineOptions("auto", True)
    assert EngineOptions.from_environ({}) == EngineOptions()
    with pytest.raises(GeneratorError, match="fp8 storage.*Use fp8 rounded"):
        EngineOptions(compile=True).check(Fp8Mode.storage)
    with pytest.raises(GeneratorError, match="FlashAttention 3.*not installed"):
        EngineOptions("flash3").check(Fp8Mode.rounded)


def test_memory_follows_the_mode_and_the_size() -> None:
    settings = WanSettings.of(FULL)
    assert tokens(settings) == 14_040  # counted on the architecture at 33x480x832
    assert weight_bytes(FULL, Fp8Mode.rounded) == 2 * weight_bytes(FULL, Fp8Mode.storage)
    needed = {mode: needed_bytes(FULL, settings, mode) for mode in Fp8Mode}
    assert needed[Fp8Mode.storage] < needed[Fp8Mode.w8a8] < needed[Fp8Mode.rounded] == needed[Fp8Mode.none]
    assert needed_bytes(FULL, WanSettings.of(FULL, frames=81)) > needed_bytes(FULL, settings)


def _card(memory_gb: int | None, capability: tuple[int, int] | None = (9, 0)) -> Card:
    return Card("0", "GPU-x", "Some card", None if memory_gb is None else memory_gb * GIB, None, None, capability)


@pytest.mark.parametrize(
    ("card", "fp8", "says"),
    [
        (_card(80), "rounded", None),
        (_card(32), "storage", None),
        (_card(32), "rounded", "rounded needs about 44 GB, cuda:0 (Some card) has 34 GB"),
        (_card(None), "rounded", None),
        (_card(80, (8, 0)), "w8a8", "cannot (compute capability 8.9 is needed)"),
        (_card(80, None), "w8a8", None),
        (_card(80, (8, 9)), "w8a8", None),
    ],
)
def test_a_card_is_judged_before_anything_loads(card: Card, fp8: str, says: str | None) -> None:
    found = problem_with(card, FULL, WanSettings.of(FULL, fp8=fp8))
    assert (found is None) == (says is None)
    assert says is None or says in str(found)


def test_the_setting_to_change_is_named() -> None:
    chosen = WanSettings.of(FULL)
    with pytest.raises(GeneratorError, match="Use fp8=storage"):
        require_card([_card(32)], FULL, chosen)
    with pytest.raises(GeneratorError, match="a larger card, or the preset wan2.1-t2v-1.3b"):
        require_card([_card(8)], FULL, chosen)
    require_card([_card(8), _card(80)], FULL, chosen)  # one of them can
    require_card([_card(12)], PRESETS["tiny"], WanSettings.of(PRESETS["tiny"]))


@pytest.fixture
def visible(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Card]], None]:
    return lambda found: monkeypatch.setattr(generator_module, "cards", lambda: found)


def test_the_generator_asks_the_driver(visible: Callable[[list[Card]], None], tmp_path: Any) -> None:
    generator = WanGenerator("wan2.1-t2v-14b", str(tmp_path), engine=EngineOptions())
    visible([])
    with pytest.raises(GeneratorError, match="needs a CUDA device"):
        generator.check_device()
    visible([_card(32)])
    with pytest.raises(GeneratorError, match="Use fp8=storage"):
        generator.check_device()
    assert not generator.usable(_card(32))
    visible([_card(141)])
    generator.check_device()
    assert generator.usable(_card(141))
    visible([])
    WanGenerator("tiny", str(tmp_path), engine=EngineOptions()).check_device()
