"""The benchmark of Wan clips: what it computes about a run, and that it needs nothing but diffsynth."""

import ast
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from svta_resources.profiles import project_root
from svta_resources.video.wan.engine import EngineOptions
from svta_resources.video.wan.generator import WanGenerator
from svta_resources.video.wan.presets import PRESETS
from svta_resources.video.wan.tiny import DIT, T5

BENCHMARKS = project_root() / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the script is run: its folder is on the path."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _module(name: str) -> ModuleType:
    import importlib

    return importlib.import_module(name)


@pytest.mark.usefixtures("on_path")
def test_the_share_of_busy_time_counts_overlapping_kernels_once_and_idles_only_between_clips() -> None:
    busy = _module("generation").busy
    kernels = [(0.0, 4.0), (2.0, 5.0), (6.0, 8.0), (10.0, 14.0), (14.0, 20.0)]
    facts = busy(kernels, clips=[0.0, 9.0])
    assert facts["busy"] == pytest.approx((5 + 2 + 10) / 20)
    assert facts["idle"] == pytest.approx(2 / 20), "from the last kernel of a clip to the first of the next"
    assert busy([], []) == {}
    assert busy([(1.0, 2.0)], [0.0]) == {"busy": 1.0, "idle": 0.0}


@pytest.mark.usefixtures("on_path")
def test_operations_of_a_forward_pass_are_those_counted_on_the_model() -> None:
    """505.2 TFLOP at 33x480x832 for 14B, counted by PyTorch's own counter on the meta device."""
    random_wan = _module("random_wan")
    assert random_wan.forward_flops(random_wan.DITS["wan2.1-t2v-14b"], 14_040) / 1e12 == pytest.approx(505.2, abs=0.2)


@pytest.mark.usefixtures("on_path")
def test_full_shapes_are_the_models(tmp_path: Path) -> None:
    """On the meta device: parameters as published, and as the presets state them."""
    preset = PRESETS["wan2.1-t2v-14b"]
    model = _module("random_wan").RandomWan(preset, tmp_path, "cpu")
    assert model.parameters("dit") == preset.dit_parameters
    assert model.parameters("t5") + model.parameters("vae") == preset.other_parameters


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize("fp8", ["rounded", "storage"])
def test_random_weights_go_through_the_real_loader(tmp_path: Path, fp8: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that the 14B shapes take on a GPU, at small shapes."""
    monkeypatch.setattr(torch.cpu, "empty_cache", lambda: None, raising=False)
    random_wan = _module("random_wan")
    monkeypatch.setitem(random_wan._CLASSES, "vae", ("wan_video_vae", "svta_resources.video.wan.tiny_vae.TinyWanVae"))
    preset = PRESETS["wan2.1-t2v-1.3b"]
    states = random_wan.RandomWan(preset, tmp_path / fp8, "cpu", {"dit": DIT, "t5": T5})
    small = {"frames": 5, "height": 32, "width": 48, "steps": 3, "tea_cache_threshold": None}
    generator = WanGenerator(preset.name, str(states.folder), EngineOptions(), states, fp8=fp8, **small)
    monkeypatch.setattr(generator, "_require_cpu", lambda: None)
    frames = generator.generate("A dog runs.", 42)
    assert frames.shape == (5, 32, 48, 3)
    assert frames.std() > 0
    files = [path.stat().st_size for path in states.folder.rglob("*") if path.is_file()]
    assert max(files) < 20_000, "no weights on the disk"


@pytest.mark.usefixtures("on_path")
def test_nearness_of_clips() -> None:
    pictures = _module("pictures")
    clip = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert pictures.psnr(clip, clip) == math.inf
    assert pictures.ssim(clip, clip) == pytest.approx(1.0)
    noisy = np.clip(clip.astype(int) + 5, 0, 255).astype(np.uint8)
    assert 20 * math.log10(255 / 5) == pytest.approx(pictures.psnr(clip[clip < 250], noisy[clip < 250]))
    assert 0.9 < pictures.ssim(clip, noisy) < 1.0
    assert pictures.ssim(clip, clip[::-1].copy()) < 0.2


NEW_IN_3_11 = {"Self", "assert_never", "LiteralString", "Never", "Required", "NotRequired", "Unpack", "TypeVarTuple"}


def test_it_needs_nothing_of_python_3_11_and_no_package_but_those_of_diffsynth() -> None:
    """Names that came with 3.11, and packages that diffsynth does not bring, are taken away before it is imported."""
    script = (
        "import datetime, enum, hashlib, sys\n"
        "del enum.StrEnum, hashlib.file_digest, datetime.UTC\n"
        "absent = 'tomllib dagster polars duckdb av obstore openai sklearn click skia pydantic'\n"
        "sys.modules.update(dict.fromkeys(absent.split()))\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import generation\n"
        "from svta_resources.video.wan import tiny\n"
        "print(*(module.__file__ for module in list(sys.modules.values()) if getattr(module, '__file__', None)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(BENCHMARKS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    root = project_root()
    ours = [Path(name) for name in done.stdout.split() if Path(name).is_relative_to(root) and ".venv" not in name]
    assert {"generation.py", "engine.py", "layout.py", "overlap.py"} <= {path.name for path in ours}
    for path in ours:
        tree = ast.parse(path.read_text(), feature_version=(3, 10))
        from_typing = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "typing"]
        assert not NEW_IN_3_11 & {alias.name for node in from_typing for alias in node.names}, path
