"""The state of a training under way, on disk: what a run that was killed goes on from, bit for bit.

    <folder>/lock                             who trains; the kernel frees it when the process is gone
    <folder>/<number>-<sha256, 16 digits>.pt  a whole state; the newest two are kept
    <folder>/damaged/                         states whose bytes no longer give the hash in their name

A state is written under a temporary name, flushed and renamed, so one that has its name was whole once. Writing happens
in a thread: the training goes on as soon as its tensors are copied. Processes on several machines keep the same files
in the store, which all of them see.
"""

import fcntl
import hashlib
import io
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import torch
from torch import Tensor

from svta_models.clip_files import file_sha256
from svta_models.errors import SvtaError
from svta_models.media_store import MediaStore, sha256_hex

KEPT = 2
_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})\.pt")
_LOCK, _DAMAGED = "lock", "damaged"

State = dict[str, Any]
Say = Callable[[str], None]


class TrainingBusy(SvtaError):
    """Another process is at the same training."""


class TrainingState:
    """States of one training in a folder. A context manager: leaving it waits for the last write."""

    def __init__(self, folder: Path, say: Say = print) -> None:
        """`say` hears of damaged states."""
        self._folder, self._say = folder, say
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="training-state")
        self._writing: Future[None] | None = None
        self._number = 0
        self.found = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob(".*.part"):  # of a killed run: whoever opens a training holds its lock
            part.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._writer.shutdown()

    def newest(self, fits: Callable[[State], bool] = lambda state: True) -> State | None:
        """The newest whole state, None for a training that starts; `found` is its name.

        Damaged ones and other data's are set aside.
        """
        for name in reversed(self._names()):
            self._number = max(self._number, int(name[:8]))
            state = self._read(name)
            if state is not None and fits(state):
                self.found = name
                return state
            why = "is damaged" if state is None else "belongs to other training pairs"
            self._say(f"{self._folder}/{name} {why}: set aside, the training goes on from the state before")
            self._set_aside(name)
        return None

    def named(self, name: str) -> State:
        """The state with this name, which another process has found. Raises SvtaError when it is not here."""
        state = self._read(name) if name in self._names() else None
        if state is None:
            raise SvtaError(
                f"the state {name} that the training goes on from cannot be read from {self._folder} on "
                f"{socket.gethostname()}: every machine of a training must see the same store"
            )
        return state

    def write(self, state: State) -> None:
        """Keep a copy of `state` (tensors on any device); returns once it is copied. Raises what the last write did."""
        self.wait()
        copy = _copied(state)
        self._number += 1
        self._writing = self._writer.submit(self._write, self._number, copy)

    def wait(self) -> None:
        """Wait for the last write. Raises SvtaError when it failed."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except OSError as error:
            raise SvtaError(
                f"the state of the training cannot be written to {self._folder} ({error.strerror or error}): free some "
                "space or give write access, then run it again: it goes on from the last state"
            ) from error

    def _write(self, number: int, state: State) -> None:
        part = self._folder / f".{number:08d}.{secrets.token_hex(4)}.part"
        try:
            with open(part, "wb") as file:
                hashing = _HashingFile(file)
                torch.save(state, cast(BinaryIO, hashing))  # write and flush are all it asks for
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self._folder / f"{number:08d}-{hashing.digest.hexdigest()[:16]}.pt")
            _sync_folder(self._folder)
        finally:
            part.unlink(missing_ok=True)
        for name in self._names()[:-KEPT]:
            (self._folder / name).unlink(missing_ok=True)

    def _read(self, name: str) -> State | None:
        path = self._folder / name
        if file_sha256(path)[:16] != _hash_in(name):
            return None
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        return state

    def _set_aside(self, name: str) -> None:
        aside = self._folder / _DAMAGED
        aside.mkdir(exist_ok=True)
        os.replace(self._folder / name, aside / name)

    def _names(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name))


class StateInBucket(TrainingState):
    """The same as objects of a store without files, below `prefix`."""

    def __init__(self, store: MediaStore, prefix: str, say: Say = print) -> None:
        super().__init__(Path(prefix), say)
        self._store, self._prefix = store, prefix

    def __enter__(self) -> Self:
        return self

    def _write(self, number: int, state: State) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        self._store.put(self._key(f"{number:08d}-{sha256_hex(data)[:16]}.pt"), data)
        self._store.delete(self._key(name) for name in self._names()[:-KEPT])

    def _read(self, name: str) -> State | None:
        data = self._store.get(self._key(name))
        if sha256_hex(data)[:16] != _hash_in(name):
            return None
        state: State = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return state

    def _set_aside(self, name: str) -> None:
        self._store.move(self._key(name), self._key(f"{_DAMAGED}/{name}"))

    def _names(self) -> list[str]:
        below = (found.key.removeprefix(f"{self._prefix}/") for found in self._store.list(self._prefix))
        return sorted(name for name in below if _NAME.fullmatch(name))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def states_in(store: MediaStore, prefix: str, say: Say = print) -> TrainingState:
    """States of a training in a folder of the store, where every machine that sees the store can read them."""
    folder = store.local_path(prefix)
    return StateInBucket(store, prefix, say) if folder is None else TrainingState(folder, say)


def _hash_in(name: str) -> str:
    """What the bytes of a state give, by its name."""
    return name.removesuffix(".pt").partition("-")[2]


class _HashingFile:
    """What `torch.save` writes into: hashes the bytes on their way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _copied(value: Any) -> Any:
    """The value with every tensor copied to the CPU, so that the training may go on changing its own."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(item) for item in value]
    return value


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def held_folder(folder: Path) -> Iterator[int]:
    """Hold a training's folder for the time of the block; yields the lock's descriptor, for processes that train in it.

    Raises TrainingBusy when another process holds it.
    """
    descriptor = _locked(folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove the states of a training that has ended; call it inside `held_folder`."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_states(store: MediaStore, prefix: str) -> None:
    """The same for states in a folder of the store."""
    if (folder := store.local_path(prefix)) is not None:
        remove_folder(folder)
    else:
        store.delete([found.key for found in store.list(prefix)])


def _locked(folder: Path) -> int:
    path = folder / _LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # removed in between: the training that held it has just ended
            continue
        except OSError as error:
            raise SvtaError(f"{path} cannot be made ({error.strerror or error}): give write access") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 64, 0).decode() or "unknown"
            os.close(descriptor)
            raise TrainingBusy(
                f"process {holder} is at this very training ({folder}): wait for it and run again, its checkpoint is "
                "then found"
            ) from None
        if _is_still(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one that others would open: a training that ended removes it."""
    try:
        return os.stat(path).st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
