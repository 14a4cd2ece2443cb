"""What runs inside a worker of the Ray pool: build once, then one job after another, as `worker` does in a process.

Ray starts it somewhere in the cluster and calls its methods. `take` runs in the group DEVICE, which is one thread, so
that everything that touches the device happens in one; `answer` waits in the group ANSWERS meanwhile. A method's group
stands at the method: Ray's client, behind `ray://`, takes none with a call.

This module imports Ray; a driver imports it once it has joined a cluster.
"""

import os
import pickle
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import ray

from svta_resources.video import worker as protocol
from svta_resources.video.overlap import Overlap, TwoStageWork
from svta_resources.video.pool import DEVICE_VARIABLE

DEVICE, ANSWERS = "device", "answers"
GROUPS = {DEVICE: 1, ANSWERS: 2}  # at most one job is finished while the next one has the device


class RayWorker:
    """One resident worker. No method raises: what went wrong is an answer, so that an exception means a lost worker."""

    def __init__(self, recipe: bytes, device: str, settings: Mapping[str, str], paths: Sequence[str]) -> None:
        """`settings` are environment variables that hold where the node sets none; `paths` are where modules lie."""
        self._recipe, self._device, self._settings, self._paths = recipe, device, dict(settings), list(paths)
        self._answers: dict[int, Future[tuple[str, Any]]] = {}
        self._lock = threading.Lock()
        self._overlap: Overlap | None = None
        self._held = ExitStack()  # the device, until this process ends

    @ray.method(concurrency_group=DEVICE)
    def build(self) -> tuple[str, str]:
        """Make the worker; returns (READY, name of the node) or (BROKEN, why)."""
        try:
            self._prepare()
            work = pickle.loads(self._recipe)()
        except BaseException as error:
            return protocol.BROKEN, f"{_node()}: {protocol.describe(error)}"
        staged = work if isinstance(work, TwoStageWork) else protocol.Plain(work)
        self._overlap = Overlap(_Numbered(staged), self._settle)
        return protocol.READY, _node()

    def _prepare(self) -> None:
        """Settle the environment before anything heavy is imported, and lease the card that Ray gave this process.

        Ray knows of no other users of the machine; the lock does.
        """
        sys.path[:0] = [entry for entry in self._paths if entry not in sys.path]
        for name, value in self._settings.items():
            os.environ.setdefault(name, value)
        os.environ[DEVICE_VARIABLE] = self._device
        if self._device == "cuda":
            from svta_resources.gpu import DeviceLease

            self._held.enter_context(DeviceLease().lease("cuda"))
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    @ray.method(concurrency_group=DEVICE)
    def take(self, number: int, job: Any) -> tuple[str, str] | None:
        """Do the device's part of a job; None when the device is free for the next one, else why it never will be."""
        assert self._overlap is not None, "build comes first"
        try:
            self._overlap.take((number, job))
        except Exception as error:
            state = protocol.BROKEN if getattr(error, "ends_run", False) else protocol.RETIRED
            return state, protocol.describe(error)
        return None

    @ray.method(concurrency_group=ANSWERS)
    def answer(self, number: int) -> tuple[str, Any]:
        """Wait for the end of a job: (DONE, result) or (FAILED, why)."""
        answer = self._promised(number).result()
        with self._lock:
            del self._answers[number]
        return answer

    def _promised(self, number: int) -> "Future[tuple[str, Any]]":
        """The answer to come; the job and the question for its answer arrive in any order."""
        with self._lock:
            return self._answers.setdefault(number, Future())

    def _settle(self, job: tuple[int, Any], result: Any, error: BaseException | None) -> None:
        answer = (protocol.DONE, result) if error is None else (protocol.FAILED, protocol.describe(error))
        try:
            pickle.dumps(result)
        except (pickle.PicklingError, AttributeError, TypeError) as problem:
            answer = (protocol.FAILED, f"the result cannot be sent back: {protocol.describe(problem)}")
        self._promised(job[0]).set_result(answer)


def _node() -> str:
    """Name and address of this machine: names alone repeat where containers have them."""
    address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"{socket.gethostname()} ({address})"


class _Numbered:
    """Work on jobs that carry their number."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def begin(self, job: tuple[int, Any]) -> Any:
        return self._work.begin(job[1])

    def finish(self, job: tuple[int, Any], begun: Any) -> Any:
        return self._work.finish(job[1], begun)
