"""Pools that render many clips: in this process, one resident worker process a device, or workers on a Ray cluster.

`open_pool(...)` is the whole interface; the pool over Ray is `ray_pool`, with the same `run`.

Workers are started as fresh interpreters (`python -m svta_resources.video.worker`), never forked: a forked child of a
process that used DuckDB or CUDA is unsafe, and `multiprocessing`'s spawn imports the caller's main module again, which
under Dagster costs seconds in every worker.
"""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from svta_resources.errors import SvtaError
from svta_resources.video import worker as protocol
from svta_resources.video.overlap import TwoStageWork

if TYPE_CHECKING:
    from svta_resources.video.ray_cluster import Cluster

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
MakeWorker = Callable[[], Callable[[JobT], ResultT] | TwoStageWork]

MAX_RETRIES = 2  # a job whose worker died is tried this often again
MAX_START_FAILURES = 3  # workers that die one after another before they are ready: the machine, not the job
QUEUED_PER_WORKER = 2  # the one it has and the next, so that a worker never waits for this process
DEVICE_VARIABLE = "SVTA_DEVICE"  # tells a worker its device: "cpu" or "cuda"
_END = object()  # no further job
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class PoolError(SvtaError):
    """The pool itself cannot work: wrong settings, or no worker comes up."""


@dataclass(frozen=True)
class Done(Generic[JobT, ResultT]):
    """A finished job: either a result or the error that it ended with; `deaths` is how many workers it outlived."""

    job: JobT
    result: ResultT | None
    error: str | None = None
    deaths: int = 0


class Pool(Protocol):
    """Runs jobs; a context manager, because workers are processes. Jobs are small (a caption, not frames)."""

    def run(self, jobs: Iterable[Any]) -> Iterator[Done[Any, Any]]:
        """Yield every job as it completes, in any order; takes jobs only as workers become free."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None: ...


def open_pool(
    kind: str,
    make_worker: MakeWorker[Any, Any],
    workers: int | Sequence[str] = 1,
    held: Sequence[int] = (),
    cluster: "Cluster | None" = None,
) -> Pool:
    """Open a pool.

    Args:
        kind: "inline" (this process, one job at a time), "processes" (one worker process for each of `workers`) or
            "ray" (a number of workers on a cluster; 0 means one for each of its GPUs or processors).
        make_worker: called once in every worker; returns the function that does a job, or work in two stages
            (`overlap.TwoStageWork`), of which the second overlaps the next job's first. Must be picklable (a function
            or an instance of a class at the top of a module) for "processes".
        workers: how many CPU workers, or a device name for each ("cpu", "cuda:0", ...). A CUDA worker sees
            its device only.
        held: file descriptors that workers keep open as well: the locks of leased devices, which so stay locked until
            the last worker has ended.
        cluster: where the workers of "ray" come from. None is started: the cluster must run.

    Raises:
        PoolError: unknown kind, no workers, no cluster, or a `make_worker` that cannot be pickled.
    """
    if kind == "inline":
        return InlinePool(make_worker)
    if kind == "processes":
        return ProcessPool(make_worker, ["cpu"] * workers if isinstance(workers, int) else list(workers), held)
    if kind == "ray":
        from svta_resources.video.ray_pool import RayPool

        if cluster is None or not cluster.address:
            raise PoolError("A pool over Ray needs the address of a running cluster: set SVTA_RAY_ADDRESS.")
        return RayPool(make_worker, cluster, workers if isinstance(workers, int) else len(workers))
    raise PoolError(f"Unknown pool {kind!r}. Use 'inline' or 'processes', or 'ray' with an address.")


class InlinePool:
    """Runs every job in this process, when it is asked for."""

    def __init__(self, make_worker: MakeWorker[Any, Any]) -> None:
        self._make_worker = make_worker
        self._work: Callable[[Any], Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work = None

    def run(self, jobs: Iterable[Any]) -> Iterator[Done[Any, Any]]:
        """Yield every job in order; an exception of a job becomes its `error`.

        Raises:
            PoolError: the device of this process has failed, so that no further job can be done in it.
        """
        for job in jobs:
            if self._work is None:
                self._work = _whole(self._make_worker())
            try:
                done = Done(job, self._work(job))
            except Exception as error:
                if getattr(error, "retires_process", False):
                    raise PoolError(
                        f"{protocol.describe(error)}. Start the run again; what is finished is kept."
                    ) from error
                done = Done(job, None, protocol.describe(error))
            yield done


def _whole(work: Any) -> Callable[[Any], Any]:
    """Both stages of work in two, one after the other."""
    if isinstance(work, TwoStageWork):
        return lambda job: work.finish(job, work.begin(job))
    function: Callable[[Any], Any] = work
    return function


@dataclass
class _Job:
    payload: Any
    deaths: int = 0  # workers that died, or had to be replaced, while they had this job


@dataclass
class _Worker:
    device: str
    process: "subprocess.Popen[bytes]"
    connection: Connection
    lifeline: int
    ready: bool = False
    jobs: deque[_Job] = field(default_factory=deque)  # oldest first

    def takes(self, job: _Job, depth: int) -> bool:
        """Whether to hand it a job now. A job that a worker died of runs alone: the next death is then its own."""
        suspicion = job.deaths or any(other.deaths for other in self.jobs)
        return len(self.jobs) < (1 if suspicion else depth)


class ProcessPool:
    """One resident worker process a device; a worker that dies is replaced and its job tried again."""

    def __init__(self, make_worker: MakeWorker[Any, Any], devices: list[str], held: Sequence[int] = ()) -> None:
        if not devices:
            raise PoolError("A pool needs at least one worker. Set workers to 1 or more.")
        self._recipe = packed(make_worker)
        self._devices = devices
        self._held = tuple(held)
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [worker.process.pid for worker in self._workers]

    def __enter__(self) -> Self:
        try:
            for device in self._devices:
                self._workers.append(self._start(device))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every worker now; what they were rendering is dropped."""
        for worker in self._workers:
            _stop(worker)
        self._workers.clear()

    def run(self, jobs: Iterable[Any]) -> Iterator[Done[Any, Any]]:
        """Yield every job as it completes.

        Raises:
            PoolError: `make_worker` failed, or workers die before they are ready.
        """
        if not self._workers:
            raise PoolError("The pool is closed. Use it inside `with open_pool(...) as pool:`.")
        source = iter(jobs)
        waiting: deque[_Job] = deque()
        finished = False
        try:
            while True:
                finished = self._hand_out(waiting, source)
                if finished and not any(worker.jobs for worker in self._workers):
                    return
                yield from self._collect(waiting)
        finally:
            if not finished or any(worker.jobs for worker in self._workers):
                self._drop_unfinished()

    def _hand_out(self, waiting: deque[_Job], source: Iterator[Any]) -> bool:
        """Fill the workers' queues, emptiest first; True when no job is left to hand out."""
        for depth in range(1, QUEUED_PER_WORKER + 1):
            for worker in self._workers:
                if not worker.ready or len(worker.jobs) >= depth:
                    continue
                if not waiting:
                    following = next(source, _END)
                    if following is _END:
                        return True
                    waiting.append(_Job(following))
                if worker.takes(waiting[0], depth):
                    job = waiting.popleft()
                    worker.jobs.append(job)
                    # a dead worker is noticed by `_collect`, which sees the closed connection and puts its jobs back
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        worker.connection.send(job.payload)
        return False

    def _collect(self, waiting: deque[_Job]) -> Iterator[Done[Any, Any]]:
        """Wait for the next answers and yield the jobs they finish."""
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection)):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                state, value = worker.connection.recv()
            except (EOFError, ConnectionResetError, pickle.UnpicklingError):
                yield from self._replace(worker, waiting)
                continue
            if state == protocol.READY:
                worker.ready, self._failed_starts = True, 0
            elif state == protocol.BROKEN:
                raise PoolError(f"A worker cannot work on {worker.device}: {value}")
            elif state == protocol.RETIRED:
                yield from self._replace(worker, waiting, value)
            else:
                job = worker.jobs.popleft()  # a worker answers in the order it was asked
                failed = state != protocol.DONE
                yield Done(job.payload, None if failed else value, value if failed else None, job.deaths)

    def _replace(self, worker: _Worker, waiting: deque[_Job], reason: str = "") -> Iterator[Done[Any, Any]]:
        """Start a new worker for one that died, or that retires for a `reason`, and put its jobs back.

        Whether it died of the job it had begun or of one it was finishing is not known: both are tried again, alone.
        """
        place = self._workers.index(worker)
        self._workers.pop(place)
        code = _stop(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_START_FAILURES:
                raise PoolError(
                    f"{self._failed_starts} workers in a row died before they were ready (last exit status {code} on "
                    f"{worker.device}). Look at their output above, and at memory."
                )
        self._workers.insert(place, self._start(worker.device))
        kept = []
        for job in worker.jobs:
            job.deaths += 1
            if job.deaths <= MAX_RETRIES:
                kept.append(job)
                continue
            why = reason or f"last exit status {code}"
            yield Done(job.payload, None, f"its worker died {job.deaths} times ({why}); given up", job.deaths)
        waiting.extendleft(reversed(kept))

    def _start(self, device: str) -> _Worker:
        return _start(device, self._recipe, self._held)

    def _drop_unfinished(self) -> None:
        """After an early end of `run`, replace workers that still owe answers, so that the next `run` starts clean."""
        for index, worker in enumerate(self._workers):
            if worker.jobs:
                _stop(worker)
                self._workers[index] = self._start(worker.device)


def packed(make_worker: MakeWorker[Any, Any]) -> bytes:
    """Pickle what makes a worker. Raises PoolError."""
    try:
        return pickle.dumps(make_worker)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise PoolError(
            f"make_worker cannot be sent to a worker process: {error}. "
            "Define it at the top of a module (no lambda, no local function)."
        ) from error


def _environment(device: str) -> dict[str, str]:
    """Build a worker's environment: its device only, one thread of arithmetic on the CPU, this project importable."""
    environment = dict(os.environ)
    kind, _, index = device.partition(":")
    environment[DEVICE_VARIABLE] = kind
    if kind == "cuda":
        environment["CUDA_VISIBLE_DEVICES"] = index
    else:
        environment["CUDA_VISIBLE_DEVICES"] = ""
        environment.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return environment


def _start(device: str, recipe: bytes, held: tuple[int, ...]) -> _Worker:
    """Start a worker and send it what to build; it reports READY later."""
    ours, theirs = socket.socketpair()
    lifeline_end, lifeline = os.pipe()  # the worker watches the first end; only this process holds the second
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", protocol.__name__, str(theirs.fileno()), str(lifeline_end), str(os.getpid())],
            pass_fds=(theirs.fileno(), lifeline_end, *held),
            stdin=subprocess.DEVNULL,
            env=_environment(device),
        )
    os.close(lifeline_end)
    connection = Connection(ours.detach())
    connection.send_bytes(pickle.dumps([entry for entry in sys.path if entry]))
    connection.send_bytes(recipe)
    return _Worker(device, process, connection, lifeline)


def _stop(worker: _Worker) -> int:
    """Kill a worker (it has nothing to save), close what connects to it, and return its exit status."""
    worker.process.kill()
    status = worker.process.wait()
    worker.connection.close()
    os.close(worker.lifeline)
    return status
