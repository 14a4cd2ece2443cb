"""Which devices this machine has, and who may use them: one lock file a GPU, freed by the kernel at process death.

Dagster's pools limit runs of one instance; this lease is the real guard, because command-line runs, other instances
and other people on the machine do not know of each other's pools.
"""

import fcntl
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from svta_resources.errors import SvtaError

LOCK_DIR_VARIABLE = "SVTA_LOCK_DIR"
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.1
NVIDIA_SMI_TIMEOUT_S = 20
WAIT_VARIABLE = "SVTA_GPU_WAIT_S"  # how long a run waits for a GPU that another process holds
_WAIT_S = 900.0
_PROC_GPUS = Path("/proc/driver/nvidia/gpus")
_QUERY = [
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,memory.free,driver_version,compute_cap",
    "--format=csv,noheader,nounits",
]


class DeviceError(SvtaError):
    """There is no such device here, or it stays in use."""


@dataclass(frozen=True)
class Card:
    """A GPU as its driver describes it; what is not known is None.

    Attributes:
        name: what CUDA_VISIBLE_DEVICES takes: an index or a UUID.
        uuid: names the lock file, so that an index and a UUID of one card meet in one lock.
        memory_mb, free_mb: MiB in all, and MiB that no process holds now.
        capability: compute capability, for example (9, 0).
    """

    name: str
    uuid: str
    model: str | None = None
    memory_mb: int | None = None
    free_mb: int | None = None
    driver: str | None = None
    capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Lease:
    """Devices that are held, and the lock files that hold them: give these to processes that use the devices."""

    devices: tuple[str, ...]
    descriptors: tuple[int, ...] = ()


def _installed_gpus() -> list[Card]:
    """Ask the driver for the machine's GPUs without importing torch; [] without a driver."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return _gpus_in_proc()
    return [_card(line) for line in done.stdout.splitlines() if line.strip()]


def _card(line: str) -> Card:
    """Read one line of the driver's answer; older drivers say [N/A] or leave columns out."""
    index, uuid, *facts = (cell.strip() for cell in line.split(","))
    model, memory, free, driver, capability = (*facts, *[""] * 5)[:5]
    version = re.fullmatch(r"(\d+)\.(\d+)", capability)
    return Card(
        index,
        uuid,
        model or None,
        int(memory) if memory.isdigit() else None,
        int(free) if free.isdigit() else None,
        driver or None,
        (int(version[1]), int(version[2])) if version else None,
    )


def _gpus_in_proc() -> list[Card]:
    """Read the driver's own folder: containers often have it without nvidia-smi. CUDA counts in PCI order there."""
    found = []
    for index, card in enumerate(sorted(_PROC_GPUS.glob("*/information"))):
        match = re.search(r"^GPU UUID:\s*(\S+)", card.read_text(), re.MULTILINE)
        found.append(Card(str(index), match.group(1) if match else f"pci-{card.parent.name}"))
    return found


def cards() -> list[Card]:
    """Return the installed GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; [] means: only the CPU."""
    wanted = os.environ.get(VISIBLE_VARIABLE)
    if wanted is not None and wanted.strip() in ("", "-1"):
        return []  # hidden on purpose: do not even ask the driver
    installed = _installed_gpus()
    if wanted is None or not installed:
        return installed
    visible = []
    for entry in wanted.split(","):
        name = entry.strip()
        gpu = next((gpu for gpu in installed if name == gpu.name or _is_uuid_of(name, gpu)), None)
        if gpu is None and not name.startswith("MIG-"):
            break  # CUDA, too, ignores everything after the first entry that it does not know
        visible.append(gpu or Card(name, name))
    return visible


def _is_uuid_of(name: str, gpu: Card) -> bool:
    return name.startswith("GPU-") and gpu.uuid.startswith(name)  # CUDA takes an unambiguous beginning


def visible_devices() -> list[str]:
    """Return the CUDA devices this process may use ("cuda:0", ...); [] means: only the CPU."""
    return [f"cuda:{gpu.name}" for gpu in cards()]


def lock_folder() -> Path:
    """Return the machine-wide folder of lock files (`SVTA_LOCK_DIR`, else below the temporary folder), created."""
    folder = Path(os.environ.get(LOCK_DIR_VARIABLE) or Path(tempfile.gettempdir()) / "svta-locks")
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # other people's runs must meet the same locks
    except OSError as error:
        raise DeviceError(
            f"The lock folder {folder} cannot be made: {error}. Set {LOCK_DIR_VARIABLE} to a folder that every user "
            "of this machine can write."
        ) from error
    return folder


class DeviceLease:
    """Leases devices of this machine, each GPU to one holder at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder` for the lock files instead of the machine-wide one."""
        self._folder = folder

    @contextmanager
    def lease(
        self,
        kind: str = "cpu",
        count: int = 1,
        timeout_s: float | None = None,
        at_least: int | None = None,
        usable: Callable[[Card], bool] = lambda card: True,
    ) -> Iterator[Lease]:
        """Hold `count` devices for the time of the `with` block.

        "cpu" needs no exclusive lock. For "cuda", CUDA_VISIBLE_DEVICES is set to the leased cards for this process and
        those it starts, and put back at the end; lease before CUDA is first used. A process that is given the lease's
        descriptors keeps the cards held until it ends, too.

        Args:
            timeout_s: how long to wait for devices in use; by default SVTA_GPU_WAIT_S, or 15 minutes.
            at_least: be content with fewer than `count` where others are in use.
            usable: which cards come into question.

        Raises:
            DeviceError: fewer than `count` such devices exist, or they stay in use for `timeout_s` seconds.
        """
        if kind == "cpu":
            yield Lease(("cpu",) * count)
            return
        if kind != "cuda":
            raise DeviceError(f"Unknown kind of device {kind!r}. Use 'cpu' or 'cuda'.")
        gpus = [card for card in cards() if usable(card)]
        if len(gpus) < count:
            raise DeviceError(
                f"{count} CUDA device(s) wanted, {len(gpus)} visible. Look at nvidia-smi and {VISIBLE_VARIABLE}, "
                "or lease fewer."
            )
        limit_s = wait_s() if timeout_s is None else timeout_s
        with ExitStack() as stack:
            held = self._wait_for(gpus, count, at_least or count, limit_s, stack)
            stack.enter_context(_variable(VISIBLE_VARIABLE, ",".join(gpu.name for gpu in held)))
            yield Lease(tuple(f"cuda:{gpu.name}" for gpu in held), tuple(held.values()))

    def _wait_for(
        self, gpus: list[Card], count: int, at_least: int, timeout_s: float, stack: ExitStack
    ) -> dict[Card, int]:
        """Take enough locks or none: holding some while waiting for others could deadlock two runs."""
        deadline = time.monotonic() + timeout_s
        while True:
            with ExitStack() as attempt:
                held = self._take_up_to(gpus, count, attempt)
                if len(held) >= at_least:
                    stack.push(attempt.pop_all())
                    return held
            if time.monotonic() >= deadline:
                holders = "; ".join(f"cuda:{gpu.name}: {self._holder(gpu)}" for gpu in gpus)
                raise DeviceError(
                    f"{at_least} CUDA device(s) not free after {timeout_s:g} s ({holders}). Wait for these processes, "
                    "end them, or lease fewer devices."
                )
            time.sleep(POLL_S)

    def _take_up_to(self, gpus: list[Card], count: int, stack: ExitStack) -> dict[Card, int]:
        held: dict[Card, int] = {}
        for gpu in gpus:
            if len(held) < count and (descriptor := self._take(gpu, stack)) is not None:
                held[gpu] = descriptor
        return held

    def _path(self, gpu: Card) -> Path:
        return (self._folder or lock_folder()) / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu.uuid)}.lock"

    def _take(self, gpu: Card, stack: ExitStack) -> int | None:
        """Try to lock a card; on success its file, which is returned, stays open in `stack`."""
        path = self._path(gpu)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise DeviceError(
                f"The lock file {path} cannot be opened: {error}. Make it writable, or set {LOCK_DIR_VARIABLE}."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        stack.callback(os.close, descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} since {time.strftime('%H:%M:%S')}".encode(), 0)
        return descriptor

    def _holder(self, gpu: Card) -> str:
        """Read who wrote the lock last; only for messages, the lock itself is what counts."""
        try:
            return self._path(gpu).read_text() or "unknown"
        except OSError:
            return "unknown"


def wait_s() -> float:
    """Return how long to wait for a device that others hold, in seconds. Raises DeviceError for a bad setting."""
    given = os.environ.get(WAIT_VARIABLE) or str(_WAIT_S)
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise DeviceError(f"{WAIT_VARIABLE}={given} is not a number of seconds. Set 0 or more, or unset it.")
    return seconds


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
