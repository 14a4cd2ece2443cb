"""Who still works on a Dagster run: a lock per run that the kernel frees when the process is gone, however it went.

Dagster watches the runs that its daemon launched. A run started from the command line belongs to nobody: after
`kill -9` it stays "started" for ever, and with it the slot it holds in the pool and in `max_concurrent_runs`
(tried on Dagster 1.13: the queue behind such a run never moved). The process of a run therefore holds
`<instance>/run_locks/<run_id>`, and removes it when it ends in order; a file whose lock is free is a killed run.
A lock says nothing about other machines: their runs have no file here.
"""

import atexit
import fcntl
import os
from contextlib import suppress
from pathlib import Path

FOLDER = "run_locks"
_held: dict[str, int] = {}  # run_id -> file descriptor, kept open until this process ends


def hold(instance_root: Path, run_id: str) -> None:
    """Say that this process works on a run. Never fails: where no file can be made, nothing is watched."""
    if run_id in _held:
        return
    target = instance_root / FOLDER / run_id
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        unlocked = target.with_name(f".{run_id}")  # named only once locked, or a sensor's tick could come between
        descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o644)  # not inherited by the workers it will start
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(target)
        _held[run_id] = descriptor
        atexit.register(forget, instance_root, run_id)


def abandoned(instance_root: Path) -> list[str]:
    """Runs whose process is gone without having ended in order."""
    folder = instance_root / FOLDER
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path.name for path in found if path.name[0] != "." and path.name not in _held and _is_free(path)]


def forget(instance_root: Path, run_id: str) -> None:
    """Remove the file of a run that has ended."""
    (instance_root / FOLDER / run_id).unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # removed since the listing, or another user's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
