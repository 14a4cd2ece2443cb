"""`svta doctor` tells what the machine has without loading torch, and hashes weight files as `sha256sum` does."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from svta_cli import doctor, machine
from svta_models.errors import SvtaError
from svta_resources import gpu
from svta_resources.profiles import Home
from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.tiny import write_tiny
from tests.cli.conftest import Svta
from tests.stages.toy_category import ToyCategory

TWO_CARDS = """0, GPU-aaaa-1, NVIDIA H200, 143771, 143000, 570.86.15, 9.0
1, GPU-bbbb-2, NVIDIA L4, 23034, 1024, [N/A], 8.9
"""


def _lines(svta: Svta) -> dict[str, str]:
    """What each check said, continuation lines included."""
    said: dict[str, str] = {}
    name = ""
    for line in svta("doctor")[1].splitlines():
        if line.startswith(("ok ", "problem ")):
            name = line[9:].partition(":")[0]
            said[name] = line
        else:
            said[name] += f"\n{line}"
    return said


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, as its nvidia-smi reports them."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{TWO_CARDS}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(gpu.VISIBLE_VARIABLE, raising=False)
    return tool


@pytest.mark.usefixtures("nvidia_smi", "home")
def test_every_card_is_described_and_what_the_driver_does_not_tell_is_left_out(svta: Svta) -> None:
    first, second = _lines(svta)["devices"].splitlines()[1:]
    assert first.split() == (
        "cuda:0 NVIDIA H200, 139.6 GiB free of 140.4 GiB, compute capability 9.0, driver 570.86.15".split()
    )
    assert "cuda:1 NVIDIA L4, 1.0 GiB free of 22.5 GiB, compute capability 8.9" in second


@pytest.mark.usefixtures("nvidia_smi", "home")
def test_only_visible_cards_are_described(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "1")
    assert "cuda:1 NVIDIA L4" in _lines(svta)["devices"]
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "")
    assert f"no GPU, {machine.processors()} processors" in _lines(svta)["devices"]


@pytest.mark.usefixtures("home")
def test_a_device_that_cannot_hold_the_model_is_a_problem(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_device() -> None:
        raise GeneratorError("w8a8 needs compute capability 8.9; set fp8=storage")

    generator = SimpleNamespace(check_device=check_device, recipe=dict)
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: generator)
    assert "set fp8=storage" in _lines(svta)["video generator"]
    assert _lines(svta)["video generator"].startswith("problem")


def test_the_doctor_imports_no_torch(home: Home) -> None:
    code = (
        "import sys; from svta_cli.main import run; code = run(['doctor']); "
        "assert 'torch' not in sys.modules and 'diffsynth' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_say_what_is_and_what_is_not_installed() -> None:
    found, missing = machine.installed(("polars", "no-such-package"))
    assert found[0].startswith("polars ")
    assert missing == ["no-such-package"]


def test_memory_is_that_of_the_container_where_it_has_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n")
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.host_memory() == (600 * 1024, 1000 * 1024)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.host_memory() == (600 * 1024, 1000 * 1024)
    (tmp_path / "memory.max").write_text("500000\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert machine.host_memory() == (400_000, 500_000)
    (tmp_path / "meminfo").write_text("")
    with pytest.raises(SvtaError, match="does not tell the memory"):
        machine.host_memory()


def test_the_disk_is_told_in_clips(toy: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 MB (an estimate: there are none yet)" in _lines(svta)["disk"]
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    sizes = [toy.file(clip).stat().st_size for clip in toy.clips["clip_id"]]
    mean_mb = sum(sizes) / len(sizes) / 1e6
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 5_000_000_000)
    said = re.search(r"5 GB free, room for about ([\d,]+) clips of", _lines(svta)["disk"])
    assert said
    assert int(said[1].replace(",", "")) == pytest.approx(5000 / mean_mb, rel=0.05)
    toy.file("p1-0").unlink()
    assert "clips of" in _lines(svta)["disk"], "a clip whose file is gone is not weighed"


@pytest.mark.usefixtures("toy")
def test_clips_an_hour_are_those_of_the_configured_generator(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not measured yet" in _lines(svta)["speed"]
    assert "--pilot 4" in _lines(svta)["speed"]
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    said = _lines(svta)["speed"]
    assert "clips an hour and device (median of 12, newest 20" in said
    assert " a clip at " not in said
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "2.5")
    assert " a clip at 2.5 an hour" in _lines(svta)["speed"]
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "much")
    assert _lines(svta)["speed"].startswith("problem  speed: SVTA_GPU_HOUR_PRICE='much'")


def test_another_profiles_home_is_said_once(svta: Svta, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare()
    monkeypatch.setenv("SVTA_PROFILE", "production")
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "procedural")
    lines = _lines(svta)
    refused = [name for name, line in lines.items() if "belongs to profile" in line]
    assert refused == ["home"]
    assert lines["speed"].startswith("ok")


# -- hashes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny Wan weights, configured."""
    folder = write_tiny(tmp_path / "weights")
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "wan:tiny")
    monkeypatch.setenv("SVTA_WAN_DIR", str(folder))
    return folder


def _sha256sum_check(folder: Path, listing: str) -> subprocess.CompletedProcess[str]:
    command = ["sha256sum", "--strict", "-c", "-"]
    return subprocess.run(command, cwd=folder, input=listing, capture_output=True, text=True, check=False)


def test_sha256sum_accepts_the_hashes_and_finds_a_changed_byte(weights: Path, svta: Svta) -> None:
    code, out, err = svta("doctor", "--hash")
    assert code == 0, err
    checked = _sha256sum_check(weights, out)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(": OK") == 4 == len(out.splitlines())
    assert "4 files" in err
    assert "4/4 Wan2.1_VAE.pth" in err
    vae = weights / "Wan2.1_VAE.pth"
    data = bytearray(vae.read_bytes())
    data[len(data) // 2] ^= 1
    vae.write_bytes(data)
    assert "Wan2.1_VAE.pth: FAILED" in _sha256sum_check(weights, out).stdout


def test_missing_weights_and_a_generator_without_any_are_said(
    weights: Path, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    (weights / "Wan2.1_VAE.pth").unlink()
    code, out, err = svta("doctor", "--hash")
    assert (code, out) == (1, "")
    assert "lacks 1 file(s) of wan:tiny: Wan2.1_VAE.pth" in err
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "procedural")
    code, out, err = svta("doctor", "--hash")
    assert (code, out) == (1, "")
    assert "procedural has no weight files" in err


def test_progress_is_drawn_where_somebody_watches(
    weights: Path, svta: Svta, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("svta_cli.weights._SAY_EVERY_S", 0.0)
    monkeypatch.setattr("svta_cli.weights._CHUNK", 1 << 16)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out, err = svta("doctor", "--hash")
    assert code == 0
    assert "100%, 0 s left: 4/4 Wan2.1_VAE.pth" in err
    assert len(out.splitlines()) == 4


def test_every_check_is_named_in_the_output(svta: Svta, home: Home) -> None:
    assert set(_lines(svta)) == set(doctor.CHECKS)
