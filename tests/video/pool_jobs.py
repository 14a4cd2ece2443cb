"""Workers for the pool's tests; a module of its own, because spawned processes import it by name."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def make_square() -> Callable[[int], tuple[int, int]]:
    return lambda job: (job * job, os.getpid())


def make_fragile() -> Callable[[tuple[int, str]], int]:
    """Dies (kill -9) while it works on a job whose marker file does not exist yet."""

    def work(job: tuple[int, str]) -> int:
        number, marker = job
        if marker and not Path(marker).exists():
            Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return work


def make_deadly() -> Callable[[int], int]:
    def work(job: int) -> int:
        if job == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return job

    return work


def make_failing() -> Callable[[int], int]:
    def work(job: int) -> int:
        return 10 // job

    return work


def make_broken() -> Callable[[int], int]:
    raise FileNotFoundError("weights.safetensors")


def make_slow() -> Callable[[str], None]:
    def work(marker: str) -> None:
        Path(marker).write_text(str(os.getpid()))
        time.sleep(60)

    return work
