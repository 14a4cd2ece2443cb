"""The lease: one holder a GPU, freed when its holder dies; devices found without torch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from svta_resources import gpu
from svta_resources.gpu import DeviceError, DeviceLease, visible_devices

HOLDER = """
import time
from svta_resources.gpu import DeviceLease
with DeviceLease().lease("cuda", timeout_s=5) as devices:
    print(*devices.devices, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, as its nvidia-smi reports them; also for child processes."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nprintf '0, GPU-aaaa-1\\n1, GPU-bbbb-2\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(gpu.LOCK_DIR_VARIABLE, str(tmp_path / "locks"))
    monkeypatch.delenv(gpu.VISIBLE_VARIABLE, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, ["cuda:0", "cuda:1"]),
        ("1", ["cuda:1"]),
        ("1,0", ["cuda:1", "cuda:0"]),
        ("GPU-bbbb", ["cuda:1"]),
        ("0,7,1", ["cuda:0"]),
        ("MIG-x/1", ["cuda:MIG-x/1"]),
        ("", []),
        ("-1", []),
    ],
)
@pytest.mark.usefixtures("two_cards")
def test_visible_devices_follow_the_variable(
    setting: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv(gpu.VISIBLE_VARIABLE, setting)
    assert visible_devices() == expected


def test_a_machine_without_a_driver_has_no_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "_PROC_GPUS", tmp_path)
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "0")
    assert visible_devices() == []


def test_the_drivers_folder_serves_where_nvidia_smi_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, uuid in (("0000:01:00.0", "GPU-aa"), ("0000:02:00.0", "GPU-bb")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "information").write_text(f"Model:  Some card\nGPU UUID:  {uuid}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "_PROC_GPUS", tmp_path)
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "GPU-bb")
    assert visible_devices() == ["cuda:1"]


def test_another_process_gets_the_other_card_and_a_third_waits_in_vain(two_cards: Path) -> None:
    holders = [subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert sorted(holder.stdout.readline().strip() for holder in holders) == ["cuda:0", "cuda:1"]
        with pytest.raises(DeviceError, match="not free after 0.3 s"), DeviceLease().lease("cuda", timeout_s=0.3):
            pass
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


@pytest.mark.usefixtures("two_cards")
def test_a_lease_sets_the_variable_and_puts_it_back() -> None:
    with DeviceLease().lease("cuda", count=2) as held:
        assert held.devices == ("cuda:0", "cuda:1")
        assert os.environ[gpu.VISIBLE_VARIABLE] == "0,1"
    assert gpu.VISIBLE_VARIABLE not in os.environ


@pytest.mark.usefixtures("two_cards")
def test_a_card_is_one_card_by_index_and_by_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "1")
    with DeviceLease().lease("cuda"):
        monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "GPU-bbbb-2")
        with pytest.raises(DeviceError, match=f"process {os.getpid()}"), DeviceLease().lease("cuda", timeout_s=0):
            pass


@pytest.mark.usefixtures("two_cards")
def test_a_failed_lease_of_both_leaves_the_free_one_free() -> None:
    lease = DeviceLease()
    with lease.lease("cuda") as held:
        os.environ.pop(gpu.VISIBLE_VARIABLE)
        with pytest.raises(DeviceError, match="not free"), lease.lease("cuda", count=2, timeout_s=0.2):
            pass
        with lease.lease("cuda", timeout_s=0) as other:
            assert {*held.devices, *other.devices} == {"cuda:0", "cuda:1"}


def test_a_killed_holder_frees_its_card(two_cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu.VISIBLE_VARIABLE, "0")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().split() == ["cuda:0"]
    with pytest.raises(DeviceError, match=f"process {holder.pid}"), DeviceLease().lease("cuda", timeout_s=0.2):
        pass
    holder.send_signal(signal.SIGKILL)
    with DeviceLease().lease("cuda", timeout_s=60) as held:
        assert held.devices == ("cuda:0",)
    holder.wait()


@pytest.mark.usefixtures("two_cards")
def test_a_run_is_content_with_the_cards_that_are_free() -> None:
    lease = DeviceLease()
    with lease.lease("cuda") as held:
        os.environ.pop(gpu.VISIBLE_VARIABLE)
        with lease.lease("cuda", count=2, timeout_s=0, at_least=1) as rest:
            assert {*held.devices, *rest.devices} == {"cuda:0", "cuda:1"}
            assert len(rest.devices) == 1


def test_a_card_stays_held_while_a_process_that_was_given_the_lock_lives(two_cards: Path) -> None:
    """The holder may be killed while its worker still occupies the card."""
    script = (
        "import subprocess, time\n"
        "from svta_resources.gpu import DeviceLease\n"
        "with DeviceLease().lease('cuda', count=2) as held:\n"
        "    worker = subprocess.Popen(['sleep', '60'], pass_fds=held.descriptors, stdout=subprocess.DEVNULL)\n"
        "    print(worker.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    worker = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    with pytest.raises(DeviceError, match="not free"), DeviceLease().lease("cuda", timeout_s=0.3):
        pass
    os.kill(worker, signal.SIGKILL)
    with DeviceLease().lease("cuda", count=2, timeout_s=1):
        pass


def test_cards_are_described_as_far_as_the_driver_does(two_cards: Path) -> None:
    tool = two_cards / "bin" / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho '0, GPU-aaaa-1, NVIDIA H200, 143771, 143000, 550.90.07, 9.0'\n"
        "echo '1, GPU-bbbb-2, Old card, [N/A], [N/A], 390.1'\n"
    )
    known, old = gpu.cards()
    assert (known.model, known.memory_mb, known.free_mb) == ("NVIDIA H200", 143771, 143000)
    assert (known.driver, known.capability) == ("550.90.07", (9, 0))
    assert (old.model, old.memory_mb, old.driver, old.capability) == ("Old card", None, "390.1", None)


@pytest.mark.usefixtures("two_cards")
def test_how_long_to_wait_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpu.WAIT_VARIABLE, "0.2")
    with DeviceLease().lease("cuda", count=2):
        monkeypatch.delenv(gpu.VISIBLE_VARIABLE)
        with pytest.raises(DeviceError, match="not free after 0.2 s"), DeviceLease().lease("cuda"):
            pass
    monkeypatch.setenv(gpu.WAIT_VARIABLE, "soon")
    with pytest.raises(DeviceError, match="SVTA_GPU_WAIT_S=soon"), DeviceLease().lease("cuda"):
        pass


@pytest.mark.usefixtures("two_cards")
def test_the_cpu_is_shared_and_more_cards_than_there_are_is_an_error() -> None:
    lease = DeviceLease()
    with lease.lease("cpu", count=3) as first, lease.lease("cpu") as second:
        assert (first.devices, second.devices) == (("cpu",) * 3, ("cpu",))
    with pytest.raises(DeviceError, match="3 CUDA device"), lease.lease("cuda", count=3):
        pass
    with pytest.raises(DeviceError, match="'cpu' or 'cuda'"), lease.lease("tpu"):
        pass
