"""A pool over a Ray cluster: one resident worker (an actor) for each GPU, or processor, of the cluster.

This process keeps the jobs and gives one to whichever worker's device is free, so a fast card makes more clips than a
slow one and no clip waits behind a busy device. A worker, or the node it is on, may be lost at any time: its jobs are
tried elsewhere, and one that costs too many workers is given up. A node that only seemed lost may finish its clip all
the same; whoever publishes first wins (`media_store.put_new`), so every clip is there once.
"""

import itertools
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from svta_resources.gpu import WAIT_VARIABLE, wait_s
from svta_resources.video import worker as protocol
from svta_resources.video.pool import MAX_RETRIES, MAX_START_FAILURES, Done, MakeWorker, PoolError, packed
from svta_resources.video.ray_cluster import Cluster, Head, joined

LOOK_EVERY_S = 1.0
log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Job:
    payload: Any
    number: int
    deaths: int = 0  # workers that were lost while they had this job
    nodes: set[str] = field(default_factory=set)  # where


@dataclass(eq=False)
class _Worker:
    """An actor. `starting` and `taking` are calls under way; `answers` are the jobs it owes, oldest first."""

    actor: Any
    starting: Any
    node: str = "a node that is not known yet"
    taking: Any = None
    answers: dict[Any, _Job] = field(default_factory=dict)
    retires: str = ""  # why it gets no further job

    @property
    def ready(self) -> bool:
        return self.starting is None and not self.retires

    def calls(self) -> list[Any]:
        return [call for call in (self.starting, self.taking, *self.answers) if call is not None]


class RayPool:
    """Resident workers on a cluster; `workers` 0 means one for every GPU (or processor) that the cluster has."""

    def __init__(self, make_worker: MakeWorker[Any, Any], cluster: Cluster, workers: int = 0) -> None:
        self._recipe, self._cluster, self._wanted = packed(make_worker), cluster, workers
        self._stack = ExitStack()
        self._ray: Any = None
        self._head: Head
        self._workers: list[_Worker] = []
        self._lost_jobs: list[_Job] = []
        self._source: Iterator[Any] = iter(())
        self._ahead: list[Any] = []  # at most one job that was taken from the source before a worker was free
        self._numbers = itertools.count()
        self._failed_starts = 0
        self._idle_since, self._patience_s = 0.0, wait_s()

    def __enter__(self) -> Self:
        self._ray = self._stack.enter_context(joined(self._cluster.address))
        self._head = Head(self._ray, self._cluster.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def nodes(self) -> list[str]:
        """Names of the machines whose workers are ready."""
        return [worker.node for worker in self._workers if worker.ready]

    def close(self) -> None:
        """End the workers now and leave the cluster; what they were making is dropped."""
        if self._ray is not None and self._ray.is_initialized():
            for worker in self._workers:
                self._end(worker)
        self._workers.clear()
        self._ray = None
        self._stack.close()

    def run(self, jobs: Iterable[Any]) -> Iterator[Done[Any, Any]]:
        """Yield every job as it completes.

        Raises:
            PoolError: a worker cannot be built, workers die before they are ready, the cluster has none to give, or
                its head is lost.
        """
        if self._ray is None:
            raise PoolError("The pool is closed. Use it inside `with open_pool(...) as pool:`.")
        self._source, self._ahead, self._lost_jobs = iter(jobs), [], []
        self._idle_since = time.monotonic()
        finished = False
        try:
            with self._head.needed():
                self._grow()
                while self._has_more():
                    self._hand_out()
                    yield from self._collect()
                    self._head.check()
            finished = True
        finally:
            if not finished:
                self._drop_unfinished()

    def _grow(self) -> None:
        """Start the workers that are missing: all of them at first, later those of nodes that have joined since."""
        resource = "GPU" if self._cluster.device == "cuda" else "CPU"
        there = int(self._ray.cluster_resources().get(resource, 0))
        wanted = self._wanted or max(there, 1)
        if there < wanted:
            log.warning("the Ray cluster has %d of %s, %d workers want one each; waiting", there, resource, wanted)
        while len(self._workers) < wanted:
            self._workers.append(self._start())

    def _start(self) -> _Worker:
        from svta_resources.video.ray_actor import GROUPS, RayWorker

        options = {"num_cpus": 1, "num_gpus": 1 if self._cluster.device == "cuda" else 0, "max_restarts": 0}
        made = self._ray.remote(**options, concurrency_groups=GROUPS, scheduling_strategy="SPREAD")(RayWorker)
        paths = [entry for entry in sys.path if entry]
        actor = made.remote(self._recipe, self._cluster.device, dict(self._cluster.settings), paths)
        return _Worker(actor, actor.build.remote())

    def _has_more(self) -> bool:
        """Whether a job is under way, lost or still to come; only then is one taken ahead of a free worker."""
        if self._lost_jobs or self._ahead or any(worker.answers for worker in self._workers):
            return True
        self._ahead = list(itertools.islice(self._source, 1))
        return bool(self._ahead)

    def _hand_out(self) -> None:
        """Give every free worker a job."""
        for worker in self._workers:
            job = self._next_for(worker) if worker.ready and worker.taking is None else None
            if job is not None:
                worker.taking = worker.actor.take.remote(job.number, job.payload)
                worker.answers[worker.actor.answer.remote(job.number)] = job

    def _next_for(self, worker: _Worker) -> _Job | None:
        """The job for a worker; None to leave it idle for now.

        A job that was lost goes first, to another machine than before where there is one, and alone: should the worker
        be lost again, the job is known to be the cause.
        """
        if any(job.deaths for job in worker.answers.values()):
            return None
        others = {one.node for one in self._workers if one.ready}
        for job in self._lost_jobs:
            if worker.node not in job.nodes or not others - job.nodes:
                if worker.answers:
                    return None
                self._lost_jobs.remove(job)
                return job
        for payload in itertools.chain(self._ahead, self._source):
            self._ahead = []
            return _Job(payload, next(self._numbers))
        return None

    def _collect(self) -> Iterator[Done[Any, Any]]:
        """Wait for what the workers say next and yield the jobs that it finishes."""
        owners = {call: worker for worker in self._workers for call in worker.calls()}
        ended, _ = self._ray.wait(list(owners), num_returns=1, timeout=LOOK_EVERY_S)
        for call in ended:
            worker = owners[call]
            if worker in self._workers:  # a call before this one may have shown that it is gone
                yield from self._hear(worker, call)
        self._check_idle()

    def _hear(self, worker: _Worker, call: Any) -> Iterator[Done[Any, Any]]:
        """Read the outcome of a worker's call."""
        try:
            said = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            yield from self._lose(worker, reason(error))
            return
        if call == worker.starting:  # equal, not the same: Ray's client makes new references as it waits
            self._begin(worker, *said)
        elif call == worker.taking:
            worker.taking = None
            if said is not None:
                yield from self._retire(worker, *said)
        else:
            yield _done(worker.answers.pop(call), *said)
        if worker.retires and not worker.answers:
            yield from self._lose(worker, worker.retires)

    def _begin(self, worker: _Worker, state: str, said: str) -> None:
        if state == protocol.BROKEN:
            raise PoolError(f"A worker cannot work on {self._cluster.device} of {said}")
        worker.starting, worker.node, self._failed_starts = None, said, 0

    def _retire(self, worker: _Worker, state: str, why: str) -> Iterator[Done[Any, Any]]:
        """A worker's device has failed: its newest job goes elsewhere; what it began before it still finishes."""
        if state == protocol.BROKEN:
            raise PoolError(f"A worker cannot work on {self._cluster.device} of {worker.node}: {why}")
        worker.retires = why
        _, job = worker.answers.popitem()
        yield from self._put_back([job], worker, why)

    def _lose(self, worker: _Worker, why: str) -> Iterator[Done[Any, Any]]:
        """Replace a worker that is gone, or retires; its jobs are tried elsewhere, or given up."""
        self._workers.remove(worker)
        self._end(worker)
        if worker.starting is not None:
            self._count_failed_start(why)
        yield from self._answered(worker)
        yield from self._put_back(list(worker.answers.values()), worker, why)
        self._workers.append(self._start())

    def _count_failed_start(self, why: str) -> None:
        """A node that goes takes all its workers with it, so the limit grows with their number."""
        self._failed_starts += 1
        if self._failed_starts >= MAX_START_FAILURES * (len(self._workers) + 1):
            raise PoolError(
                f"{self._failed_starts} workers in a row died before they were ready (the last: {why}). Look at "
                "`ray status`, at the nodes' logs and at memory."
            )

    def _answered(self, worker: _Worker) -> Iterator[Done[Any, Any]]:
        """Jobs that a lost worker had finished, whose answers are here but were not read yet."""
        if not worker.answers:
            return
        here, _ = self._ray.wait(list(worker.answers), num_returns=len(worker.answers), timeout=0)
        for call in here:
            with suppress(self._ray.exceptions.RayError):
                said = self._ray.get(call)
                yield _done(worker.answers.pop(call), *said)

    def _put_back(self, jobs: list[_Job], worker: _Worker, why: str) -> Iterator[Done[Any, Any]]:
        """Count a lost worker against its jobs: which of two it was lost by is not known, so each runs alone next."""
        for job in jobs:
            job.deaths += 1
            job.nodes.add(worker.node)
            if job.deaths > MAX_RETRIES:
                given_up = f"its worker died {job.deaths} times (last on {worker.node}: {why}); given up"
                yield Done(job.payload, None, given_up, job.deaths)
                continue
            log.warning("a worker on %s is lost (%s); its clip is tried again elsewhere", worker.node, why)
            self._lost_jobs.append(job)

    def _check_idle(self) -> None:
        """A cluster that gives no worker is an error in the end: another run holds it, or it is too small."""
        if any(worker.starting is None for worker in self._workers):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > self._patience_s:
            device = "GPU" if self._cluster.device == "cuda" else "processor"
            raise PoolError(
                f"The Ray cluster gave no worker a {device} for {self._patience_s:g} s. `ray status` says who holds "
                f"them; wait for that run, add a node, or set {WAIT_VARIABLE} higher."
            )

    def _drop_unfinished(self) -> None:
        """After an early end of `run`, end workers that still owe answers, so that the next `run` starts clean."""
        for worker in [worker for worker in self._workers if worker.answers]:
            self._workers.remove(worker)
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        """Kill it: it has nothing to save."""
        with suppress(Exception):  # it is gone already, or the cluster is
            self._ray.kill(worker.actor)


def _done(job: _Job, state: str, value: Any) -> Done[Any, Any]:
    failed = state != protocol.DONE
    return Done(job.payload, None if failed else value, value if failed else None, job.deaths)


def reason(error: BaseException) -> str:
    """Why a worker is gone: what Ray's long message says before it guesses at causes."""
    text = " ".join(str(error).partition("Some common causes")[0].split())
    return text[max(text.rfind("The actor "), 0) :][:300].rstrip(" .") or type(error).__name__
