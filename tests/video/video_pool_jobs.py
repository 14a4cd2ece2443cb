"""Workers of the pool tests; at the top of a module, because they are sent to other processes by name."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def squares() -> Callable[[int], tuple[int, int]]:
    """Build a worker that answers (its process id, the job squared), slowly enough for two workers to share jobs."""

    def work(job: int) -> tuple[int, int]:
        time.sleep(0.02)
        return os.getpid(), job * job

    return work


def failing() -> Callable[[int], int]:
    """Build a worker that fails for odd jobs."""

    def work(job: int) -> int:
        if job % 2:
            raise ValueError(f"job {job} is odd")
        return job

    return work


def broken() -> Callable[[int], int]:
    """Fail to build."""
    raise RuntimeError("no weights here")


def dying() -> Callable[[int], int]:
    """Die while building."""
    os.kill(os.getpid(), signal.SIGKILL)
    return int


def modules() -> Callable[[int], list[str]]:
    """Build a worker that tells what is imported."""
    return lambda job: sorted(sys.modules)


def unsendable() -> Callable[[int], object]:
    """Build a worker whose result cannot be pickled."""
    return lambda job: lambda: job


def thread_setting() -> Callable[[int], tuple[str, str, str]]:
    """Build a worker that tells its device settings."""

    def work(job: int) -> tuple[str, str, str]:
        time.sleep(0.05)
        device, visible, threads = (
            os.environ.get(name, "unset") for name in ("SVTA_DEVICE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        )
        return device, visible, threads

    return work


@dataclass(frozen=True)
class Slow:
    """Takes `seconds` a job and leaves a file a start in `folder`; dies on `deadly` jobs."""

    folder: Path
    seconds: float = 0.0
    deadly: tuple[int, ...] = ()
    deaths: int = 10**6

    def __call__(self) -> Callable[[int], int]:
        return self.work

    def work(self, job: int) -> int:
        starts = len(list(self.folder.glob(f"{job}-*")))
        (self.folder / f"{job}-{starts}-{os.getpid()}").touch()
        if job in self.deadly and starts < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return job


class DeviceLost(Exception):
    """As a generator says that its device has failed."""

    retires_process = True


@dataclass(frozen=True)
class TwoStages:
    """Begins and finishes jobs in two threads; loses its device at `lost` jobs, `times` each."""

    folder: Path
    lost: tuple[int, ...] = ()
    times: int = 10**6
    deadly_end: int | None = None  # a job whose second stage kills the process

    def __call__(self) -> "TwoStages":
        return self

    def begin(self, job: int) -> int:
        starts = len(list(self.folder.glob(f"{job}-*")))
        (self.folder / f"{job}-{starts}-{os.getpid()}").touch()
        if job in self.lost and starts < self.times:
            raise DeviceLost("illegal memory access")
        return job

    def finish(self, job: int, begun: int) -> tuple[int, int]:
        if job == self.deadly_end:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return begun, os.getpid()
