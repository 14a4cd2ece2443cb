"""Where clips are made: in this process, or in one resident process per device. One small interface.

A worker is made once per process (that is where a model is loaded) and then takes job after job. Processes are started
with exec, never forked: the parent may have used DuckDB, and a fork of such a process can lose commits.
"""

import os
import pickle
import socket
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self

from svta_resources.errors import SvtaError

Worker = Callable[[Any], Any]
WorkerFactory = Callable[[], Worker]

MAX_ATTEMPTS = 3  # a job whose worker died is given to another one twice, then reported
START_FAILURES = 3  # workers in a row that die before they are ready


class PoolError(SvtaError):
    """The pool cannot work: its workers do not start."""


@dataclass(frozen=True)
class Done:
    """A finished job: its result, or the error (with traceback) that it ended in."""

    job: Any
    result: Any = None
    error: str | None = None


class Pool(Protocol):
    """Runs jobs; results come as they finish, in no particular order."""

    def run(self, jobs: Iterable[Any]) -> Iterator[Done]: ...

    def close(self) -> None: ...


def open_pool(
    kind: str, make_worker: WorkerFactory, workers: int = 0, environments: list[dict[str, str]] | None = None
) -> Pool:
    """Open a pool.

    Args:
        kind: `inline` (this process) or `processes`.
        make_worker: called once per worker process; must be picklable for `processes`.
        workers: number of processes; 0 means one per processor this process may use.
        environments: variables of each worker (CUDA_VISIBLE_DEVICES, say); decides the number of workers.
    """
    if kind == "inline":
        return InlinePool(make_worker)
    if kind == "processes":
        return ProcessPool(make_worker, environments or [{}] * (workers or len(os.sched_getaffinity(0))))
    raise SvtaError(f"unknown pool {kind!r}; use inline or processes (svta_resources/profiles.py)")


class _Closing:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None: ...


class InlinePool(_Closing):
    """Runs jobs one after the other in this process."""

    def __init__(self, make_worker: WorkerFactory) -> None:
        self._make_worker = make_worker
        self._worker: Worker | None = None

    def run(self, jobs: Iterable[Any]) -> Iterator[Done]:
        for job in jobs:
            if self._worker is None:
                self._worker = self._make_worker()
            yield attempt(self._worker, job)

    def close(self) -> None:
        self._worker = None


def attempt(worker: Worker, job: Any) -> Done:
    try:
        return Done(job, worker(job))
    except SvtaError as error:
        return Done(job, error=str(error))
    except Exception:
        return Done(job, error=traceback.format_exc())


class _Process:
    """One worker process and the socket to it."""

    def __init__(self, make_worker: WorkerFactory, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "svta_resources.video.pool_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "SVTA_PARENT_PID": str(os.getpid()), **environment},
            )
        self.connection = Connection(ours.detach())
        self.job: Any = None
        self.attempts = 0
        self.ready = False
        with suppress(OSError):  # a worker that died at once is noticed by its closed socket
            self.connection.send_bytes(pickle.dumps((list(sys.path), make_worker)))

    def give(self, job: Any, attempts: int) -> None:
        self.job, self.attempts = job, attempts
        with suppress(OSError):
            self.connection.send(job)

    def stop(self) -> None:
        self.connection.close()  # the worker reads the end of its input and leaves
        try:
            self.popen.wait(timeout=5 if self.job is None else 0.1)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class ProcessPool(_Closing):
    """One resident process per environment; a worker that dies is replaced and its job tried elsewhere."""

    def __init__(self, make_worker: WorkerFactory, environments: list[dict[str, str]]) -> None:
        self._make_worker, self._environments = make_worker, environments
        self._workers: list[_Process | None] = [None] * len(environments)
        self._failed_starts = 0

    def run(self, jobs: Iterable[Any]) -> Iterator[Done]:
        waiting = iter(jobs)
        again: deque[tuple[Any, int]] = deque()
        try:
            while True:
                self._hand_out(waiting, again)
                busy = [worker for worker in self._workers if worker and worker.job is not None]
                if not busy:
                    return
                for connection in wait([worker.connection for worker in busy]):
                    worker = next(worker for worker in busy if worker.connection is connection)
                    yield from self._hear(worker, again)
        except BaseException:  # also when the caller stops listening: no half-done work goes on unseen
            self.close()
            raise

    def close(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker:
                worker.stop()
            self._workers[index] = None

    def _hand_out(self, waiting: Iterator[Any], again: deque[tuple[Any, int]]) -> None:
        for index, worker in enumerate(self._workers):
            if worker and worker.job is not None:
                continue
            job, attempts = again.popleft() if again else (next(waiting, None), 0)
            if job is None:
                return
            if worker is None:
                worker = self._workers[index] = _Process(self._make_worker, self._environments[index])
            worker.give(job, attempts + 1)

    def _hear(self, worker: _Process, again: deque[tuple[Any, int]]) -> Iterator[Done]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._replace(worker, again)
            return
        if message == "ready":
            worker.ready, self._failed_starts = True, 0
            return
        job, worker.job = worker.job, None
        kind, value = message
        if kind == "failed to start":
            raise PoolError(f"the video generator could not be opened: {value}")
        yield Done(job, value) if kind == "result" else Done(job, error=value)

    def _replace(self, worker: _Process, again: deque[tuple[Any, int]]) -> Iterator[Done]:
        """Forget a dead worker; its job is tried again elsewhere, or reported."""
        self._workers[self._workers.index(worker)] = None
        code = worker.popen.wait()
        worker.connection.close()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= START_FAILURES:
                raise PoolError(f"{START_FAILURES} workers in a row ended before they were ready (exit code {code})")
        if worker.attempts < MAX_ATTEMPTS:
            again.append((worker.job, worker.attempts))
        else:
            yield Done(worker.job, error=f"the worker process died {worker.attempts} times (last exit code {code})")
