"""What runs inside one process of a training that Ray has placed somewhere in a cluster (`ray_training`).

This module imports Ray; a driver imports it once it has joined a cluster.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import ray

if TYPE_CHECKING:
    from svta_models.child import Failure
    from svta_models.execution import TrainingJob
    from svta_models.placement import Meeting

TRAINING, MESSAGES = "training", "messages"
GROUPS = {TRAINING: 1, MESSAGES: 1}  # everything that touches the device happens in one thread; `hear` waits in another


@dataclass(frozen=True)
class Seat:
    """Where a process of a training is. node: Ray's id; name: for people, as host names repeat where containers are."""

    node: str
    address: str
    name: str


class RankActor:
    """One process of a training. No method raises: what went wrong is an answer, so an exception means a lost one."""

    def __init__(self, device: str, settings: Mapping[str, str]) -> None:
        """`settings` are environment variables that hold where the node sets none."""
        self._device, self._settings = device, dict(settings)
        self._said: SimpleQueue[Any] = SimpleQueue()
        self._job: TrainingJob | None = None
        self._listening: Any = None  # lives as long as this process
        self._held = ExitStack()  # the device, likewise

    @ray.method(concurrency_group=TRAINING)
    def seat(self) -> Seat:
        """Tell where this is."""
        return _seat()

    @ray.method(concurrency_group=TRAINING)
    def prepare(self, check: Callable[[], None], store_url: str, facts: Mapping[str, Any]) -> "Failure | None":
        """Lease the card that Ray gave this process, see the run's store and find the weights; what is wrong, or None.

        `facts` are a job's, without its store: that is opened here, with this node's credentials.
        """
        try:
            self._settle()
            check()
            self._job = _job_here(store_url, facts)
        except BaseException as error:
            return _failure(error, f"{_seat().name}: ")
        return None

    @ray.method(concurrency_group=TRAINING)
    def listen(self) -> str:
        """In the first process: open the port at which all meet; its address."""
        from svta_models.placement import Listening

        self._listening = Listening(_seat().address)
        return str(self._listening.where)

    @ray.method(concurrency_group=TRAINING)
    def train(self, meeting: "Meeting") -> None:
        """Train to the end; `hear` tells what is said meanwhile."""
        try:
            from svta_models.placement import rank_environment
            from svta_models.ranks import train_rank

            os.environ.update(rank_environment(meeting))
            assert self._job is not None, "prepare comes first"
            train_rank(self._said.put, self._job, meeting)
        except BaseException as error:
            self._said.put(_failure(error))

    @ray.method(concurrency_group=MESSAGES)
    def hear(self) -> Any:
        """Wait for the next message; the last one is a TrainResult or a Failure."""
        return self._said.get()

    def _settle(self) -> None:
        """Ray knows of no other users of the machine; the lock does."""
        for name, value in self._settings.items():
            os.environ.setdefault(name, value)
        if self._device == "cuda":
            from svta_resources.gpu import DeviceLease

            self._held.enter_context(DeviceLease().lease("cuda"))
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _seat() -> Seat:
    """This process."""
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return Seat(ray.get_runtime_context().get_node_id(), address, f"{socket.gethostname()} ({address})")


def _job_here(store_url: str, facts: Mapping[str, Any]) -> "TrainingJob":
    """The job with the store and the weights of this machine. Raises SvtaError when other weights lie here, or none."""
    from svta_models.execution import TrainingJob
    from svta_models.media_store import open_store
    from svta_models.recipe import Recipe
    from svta_models.starting import starting_weights

    job = TrainingJob(store=open_store(store_url), **facts)
    if isinstance(job.recipe, Recipe):
        return job
    weights = starting_weights(job.recipe, job.store, job.prefix)
    return replace(job, weights=None if weights is None else weights.path)


def _failure(error: BaseException, where: str = "") -> "Failure":
    from svta_models.child import Failure
    from svta_models.errors import SvtaError

    expected = isinstance(error, SvtaError)
    return Failure(where + (str(error) if expected else f"{type(error).__name__}: {error}"), expected)
