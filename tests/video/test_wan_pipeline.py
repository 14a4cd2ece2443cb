"""The real diffsynth pipeline on a tiny random checkpoint: what it makes, what it skips, and what it never does."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.generator import WanGenerator
from svta_resources.video.wan.loading import INSTALL, WanLoadError
from svta_resources.video.wan.tiny import write_tiny

CAPTION = "A man in a red jacket falls on the pavement."
SEED = 42
FRAMES = 9


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
def generator(weights: str) -> WanGenerator:
    return _open(weights)


def _open(weights: str, **settings: Any) -> WanGenerator:
    return WanGenerator("tiny", weights, frames=FRAMES, **settings)


def test_a_caption_becomes_frames_and_the_same_ones_again(generator: WanGenerator) -> None:
    frames = generator.generate(CAPTION, SEED)
    assert frames.shape == (FRAMES, 64, 96, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 5
    other = generator.generate("一只狗在跑", SEED)
    assert (other != frames).any(), "the caption matters, in any script"
    assert (generator.generate(CAPTION, SEED + 1) != frames).any()
    assert (generator.generate(CAPTION, SEED) == frames).all(), "no state is left between clips"


def test_frames_are_those_of_the_stock_pipeline(generator: WanGenerator) -> None:
    """Called as diffsynth's own examples do, with pictures as its output."""
    ours = generator.generate(CAPTION, SEED)
    chosen = generator.settings
    pictures = generator._loaded().pipe(
        prompt=CAPTION,
        negative_prompt=chosen.negative_prompt,
        seed=SEED,
        height=chosen.height,
        width=chosen.width,
        num_frames=chosen.frames,
        num_inference_steps=chosen.steps,
        tea_cache_l1_thresh=chosen.tea_cache_threshold,
        tea_cache_model_id=chosen.tea_cache_model_id,
    )
    assert (np.stack([np.asarray(picture) for picture in pictures]) == ours).all()


def test_a_fresh_process_makes_the_same_frames(generator: WanGenerator, weights: str) -> None:
    script = (
        "import hashlib, sys, torch\n"
        "from svta_resources.video.wan.generator import WanGenerator\n"
        "torch.set_num_threads(1)\n"
        f"frames = WanGenerator('tiny', sys.argv[1], frames={FRAMES}).generate(sys.argv[2], {SEED})\n"
        "print(hashlib.sha256(frames.tobytes()).hexdigest())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, weights, CAPTION], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == sha256(generator.generate(CAPTION, SEED).tobytes()).hexdigest()


def test_rounded_and_stored_fp8_make_the_same_frames(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "empty_cache", lambda: None, raising=False)  # diffsynth asks every device for it
    modes = {mode: _open(weights, fp8=mode).generate(CAPTION, SEED) for mode in ("none", "rounded", "storage")}
    assert (modes["rounded"] == modes["storage"]).all()
    assert (modes["rounded"] != modes["none"]).any()


def test_fp8_products_are_refused_where_the_device_has_none(weights: str) -> None:
    with pytest.raises(GeneratorError, match="Use rounded"):
        _open(weights, fp8="w8a8").generate(CAPTION, SEED)


def test_skipped_steps_are_on_record(generator: WanGenerator, weights: str) -> None:
    generator.generate(CAPTION, SEED)
    happened = generator.provenance()
    assert happened["steps_skipped"] > 0
    assert happened["steps_computed"] + happened["steps_skipped"] == generator.settings.steps
    assert happened["denoise_seconds"] > 0
    assert happened["decode_seconds"] > 0
    without = _open(weights, tea_cache_threshold=None)
    frames = without.generate(CAPTION, SEED)
    assert without.provenance()["steps_skipped"] == 0
    assert (frames != generator.generate(CAPTION, SEED)).any()


def test_the_recipe_is_what_was_chosen_and_nothing_that_merely_happened(generator: WanGenerator, weights: str) -> None:
    before = generator.recipe()
    generator.generate(CAPTION, SEED)
    assert generator.recipe() == before
    assert not set(before) & set(generator.provenance())
    assert _open(weights, steps=7).recipe() != before
    assert before["weights"] == generator.layout.identity()


def test_the_network_is_never_asked(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError(f"the network was asked: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert _open(weights).generate(CAPTION, SEED).shape[0] == FRAMES


def test_planning_loads_no_weights(weights: str) -> None:
    """`svta plan` asks thousands of recipes on machines without a card."""
    script = (
        "import sys\n"
        "from svta_resources.video.wan.generator import WanGenerator\n"
        "generator = WanGenerator('tiny', sys.argv[1])\n"
        "generator.check()\n"
        "generator.recipe()\n"
        "assert not {'torch', 'diffsynth', 'transformers'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, weights], check=True)


def test_without_diffsynth_the_command_to_install_it_is_given(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WanLoadError) as problem:
        _open(weights).check()
    assert INSTALL in str(problem.value)


def test_weights_that_do_not_fit_are_named(weights: str, tmp_path: Path) -> None:
    """A whole file of another model under the right name."""
    import shutil

    from safetensors.torch import save_file

    other = shutil.copytree(weights, tmp_path / "other")
    save_file({"x": torch.ones(2)}, other / "diffusion_pytorch_model-00001-of-00002.safetensors")
    with pytest.raises(WanLoadError, match="cannot load wan:tiny"):
        WanGenerator("tiny", str(other), frames=FRAMES).generate(CAPTION, SEED)


def test_the_full_model_is_refused_without_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GeneratorError, match="needs a CUDA device"):
        WanGenerator("wan2.1-t2v-14b", str(tmp_path))._device()
