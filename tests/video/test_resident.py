"""The pool of a process takes the cards that can hold the model, holds them while it is open, and gives them back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from svta_resources import gpu
from svta_resources.gpu import DeviceError, DeviceLease
from svta_resources.gpu_resource import GpuResource
from svta_resources.profiles import PROFILES, Profile
from svta_resources.video.generator import GeneratorError, open_generator
from svta_resources.video.resident import close_resident_pools, resident_pool
from svta_resources.video.wan.tiny import write_tiny

SPEC = "wan:tiny?frames=5"


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with a small and a large card, as its nvidia-smi reports them."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\necho '0, GPU-a, Small, 8000, 8000, 1.0, 9.0'\necho '1, GPU-b, Large, 90000, 90000, 1.0, 9.0'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(gpu.LOCK_DIR_VARIABLE, str(tmp_path / "locks"))
    monkeypatch.setenv(gpu.WAIT_VARIABLE, "0.2")
    monkeypatch.delenv(gpu.VISIBLE_VARIABLE, raising=False)
    monkeypatch.setenv("SVTA_WAN_DIR", str(write_tiny(tmp_path / "weights")))
    yield tmp_path
    close_resident_pools()


@pytest.fixture
def profile() -> Profile:
    return replace(PROFILES["gpu"], generator=SPEC)


def _free() -> int:
    """How many of the machine's cards nobody holds."""
    visible = os.environ.pop(gpu.VISIBLE_VARIABLE, None)
    try:
        with DeviceLease().lease("cuda", 2, timeout_s=0, at_least=1) as rest:
            return len(rest.devices)
    except DeviceError:
        return 0
    finally:
        if visible is not None:
            os.environ[gpu.VISIBLE_VARIABLE] = visible


def test_every_free_card_gets_a_worker_without_configuration(cards: Path, profile: Profile) -> None:
    generator = open_generator(SPEC)
    assert _free() == 2
    pool = resident_pool(profile, generator, str(cards / "store"))
    assert len(pool.pids) == 2
    assert _free() == 0
    assert resident_pool(profile, generator, str(cards / "store")) is pool
    close_resident_pools()
    assert _free() == 2


def test_a_card_in_use_elsewhere_is_left_alone(cards: Path, profile: Profile) -> None:
    with DeviceLease().lease("cuda"):
        os.environ.pop(gpu.VISIBLE_VARIABLE)
        assert len(resident_pool(profile, open_generator(SPEC), str(cards)).pids) == 1
        close_resident_pools()


def test_only_cards_that_can_hold_the_model_are_taken(
    cards: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = open_generator(SPEC)
    monkeypatch.setattr(type(generator), "usable", lambda self, card: card.model == "Large")
    assert len(resident_pool(profile, generator, str(cards)).pids) == 1
    assert os.environ[gpu.VISIBLE_VARIABLE] == "1"


def test_no_worker_starts_where_no_card_can_hold_the_model(
    cards: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_resources.video.wan.memory.WORKING_BYTES_PER_TOKEN", 10**10)
    with pytest.raises(GeneratorError, match="Large.*has 94 GB"):
        resident_pool(profile, open_generator(SPEC), str(cards))
    assert _free() == 2


def test_a_generator_of_the_cpu_leaves_the_cards_alone(cards: Path) -> None:
    pool = resident_pool(replace(PROFILES["demo"], workers=3), open_generator("procedural"), str(cards))
    assert len(pool.pids) == 3
    assert _free() == 2


def test_training_in_the_same_process_takes_the_card_from_the_pool(cards: Path, profile: Profile) -> None:
    pids = resident_pool(profile, open_generator(SPEC), str(cards)).pids
    with GpuResource().device() as device:
        assert device == "cuda"
        assert _free() == 1
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert _free() == 2


def test_cards_of_a_killed_run_become_free(cards: Path) -> None:
    """kill -9: its workers hold the locks, too, and end by themselves."""
    script = (
        "import sys, time\n"
        "from dataclasses import replace\n"
        "from svta_resources.profiles import PROFILES\n"
        "from svta_resources.video.generator import open_generator\n"
        "from svta_resources.video.resident import resident_pool\n"
        f"profile = replace(PROFILES['gpu'], generator={SPEC!r})\n"
        "print(*resident_pool(profile, open_generator(profile.generator), sys.argv[1]).pids, flush=True)\n"
        "time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(cards)], stdout=subprocess.PIPE, text=True)
    assert len(run.stdout.readline().split()) == 2
    assert _free() == 0
    run.kill()
    with DeviceLease().lease("cuda", 2, timeout_s=60) as held:
        assert len(held.devices) == 2
    run.wait()
    run.stdout.close()


def test_without_a_card_training_computes_on_the_cpu(cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "")
    with GpuResource().device() as device:
        assert device == "cpu"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("wan:tiny?frames=34", "Set frames to 33 or 37"),
        ("wan:tiny?fp8=int4", "none, storage, rounded, w8a8"),
        ("wan:tiny?colour=red", "colour"),
        ("wan:tiny?frames", "name=value"),
        ("procedural?hight=64", "hight"),
    ],
)
@pytest.mark.usefixtures("cards")
def test_settings_in_the_name_are_checked(spec: str, message: str) -> None:
    with pytest.raises(GeneratorError, match=message):
        open_generator(spec)


@pytest.mark.usefixtures("cards")
def test_settings_in_the_name_reach_the_recipe() -> None:
    recipe = open_generator("wan:tiny?steps=8&tea_cache_threshold=null&fp8=storage&tiled=false").recipe()
    chosen = (recipe["steps"], recipe["tea_cache_threshold"], recipe["fp8"], recipe["tiled"])
    assert chosen == (8, None, "storage", False)
    assert open_generator("procedural?height=64&width=64").recipe()["height"] == 64
