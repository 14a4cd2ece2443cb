"""One training over several nodes: its processes are Ray actors, one a GPU (or processor), anywhere in a cluster.

All of them are reserved at once, so two trainings never hold half of what each needs. They find each other at a port of
the first one's node; gradients then go from process to process without Ray. Ray carries what they say, and tells when
one is lost: the training then ends, and the next run goes on from the last state, which lies in the store.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svta_resources.errors import SvtaError
from svta_resources.gpu import WAIT_VARIABLE, wait_s
from svta_resources.video.pool import PoolError
from svta_resources.video.ray_cluster import Cluster, Head, joined, settings_to_share
from svta_resources.video.ray_pool import reason
from svta_resources.video.shared_store import shared

if TYPE_CHECKING:
    from svta_models.execution import Say, TrainingJob
    from svta_models.ranks import Ranks
    from svta_resources.ray_rank import Seat

LOOK_EVERY_S = 1.0
OTHERS_SPEAK_S = 60.0  # a node that falls silent is declared lost by Ray after up to half a minute
START_S = 600.0  # to start a process that reads packages and weights from a cold disk, beside waiting for its card
WEIGHTS = ("SVTA_CLIP_DIR", "SVTA_GRAM_DIR")
NETWORKS = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


def training_settings() -> dict[str, str]:
    """Settings of this process for nodes that set none: where weights lie, and which network the processes use."""
    folders = {name: str(Path(os.environ[name]).expanduser().absolute()) for name in WEIGHTS if os.environ.get(name)}
    return settings_to_share() | folders | {name: os.environ[name] for name in NETWORKS if os.environ.get(name)}


@contextmanager
def ray_ranks(cluster: Cluster, store_url: str) -> Iterator["RayRanks"]:
    """Join the cluster for the time of the block. Raises PoolError."""
    with joined(cluster.address) as ray:
        yield RayRanks(ray, cluster, store_url)


class RayRanks:
    """Starts the processes of trainings on a cluster; `start` is a `svta_models.ranks.StartRanks`."""

    def __init__(self, ray: Any, cluster: Cluster, store_url: str) -> None:
        self._ray, self._cluster, self._store_url = ray, cluster, store_url
        self._head = Head(ray, cluster.address)
        self._resource = "GPU" if cluster.device == "cuda" else "CPU"

    def there(self) -> int:
        """How many devices the cluster has, in use or not."""
        return int(self._ray.cluster_resources().get(self._resource, 0))

    @contextmanager
    def start(self, job: "TrainingJob", say: "Say") -> Iterator["Ranks"]:
        """Start the processes of a job for the time of the block.

        Raises:
            PoolError: the cluster does not give as many devices, or its head is lost.
            SvtaError: a node lacks the store, the weights or the card, or is lost.
        """
        with self._head.needed(), ExitStack() as stack:
            check = stack.enter_context(shared(_nothing, self._store_url))
            group = stack.enter_context(self._reserved(job.how.processes, say))
            team = _Team(self._ray, self._cluster, self._head, group, job.how.processes)
            stack.callback(team.end)
            team.begin(job, check, self._store_url)
            say(f"{job.how.processes} processes on {self._resource}s of {team.nodes()}")
            yield team

    @contextmanager
    def _reserved(self, count: int, say: "Say") -> Iterator[Any]:
        """Hold `count` devices for the time of the block: all of them, or none while others hold some."""
        from ray.util import placement_group, remove_placement_group

        bundle = {"CPU": 1.0, **({"GPU": 1.0} if self._resource == "GPU" else {})}
        group = placement_group([bundle] * count, strategy="PACK")
        try:
            if not group.wait(LOOK_EVERY_S):
                say(f"the training wants {count} {self._resource}s of the Ray cluster's {self.there()}; waiting")
                self._wait_for(group, count)
            yield group
        finally:
            if not self._head.lost:
                with suppress(Exception):  # the cluster is gone
                    remove_placement_group(group)

    def _wait_for(self, group: Any, count: int) -> None:
        patience_s = wait_s()
        deadline = time.monotonic() + patience_s
        while not group.wait(LOOK_EVERY_S):
            if time.monotonic() > deadline:
                raise PoolError(
                    f"The Ray cluster did not give {count} {self._resource}s at once within {patience_s:g} s; it has "
                    f"{self.there()}. `ray status` says who holds them: wait for that run, add a node, ask for fewer "
                    f"devices, or set {WAIT_VARIABLE} higher."
                )


class _Team:
    """The processes of one training, a `svta_models.ranks.Ranks`."""

    others_speak_s = OTHERS_SPEAK_S

    def __init__(self, ray: Any, cluster: Cluster, head: Head, group: Any, count: int) -> None:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from svta_resources.ray_rank import GROUPS, RankActor

        self._ray, self._cluster, self._head = ray, cluster, head
        strategy = PlacementGroupSchedulingStrategy(placement_group=group)
        gpus = 1 if cluster.device == "cuda" else 0
        made = ray.remote(
            num_cpus=1, num_gpus=gpus, max_restarts=0, concurrency_groups=GROUPS, scheduling_strategy=strategy
        )(RankActor)
        self._actors = [made.remote(cluster.device, dict(cluster.settings)) for _ in range(count)]
        self._seats: list[Seat] = []
        self._asked: dict[Any, int] = {}  # calls of `hear` under way, and whose they are
        self._lost: dict[int, str] = {}

    def begin(self, job: "TrainingJob", check: Any, store_url: str) -> None:
        """Bring all to the point where they train. Processes of one node are neighbours."""
        from svta_models.placement import Meeting

        seats = self._all("seat", START_S)
        order = sorted(range(len(seats)), key=lambda place: (seats[place].address, seats[place].node, place))
        self._actors, self._seats = [self._actors[place] for place in order], [seats[place] for place in order]
        facts = _without_store(job)
        # One card is leased by one process: waiting for a foreign user of a card takes as long as it may everywhere.
        wrong = [failure for failure in self._all("prepare", START_S + wait_s(), check, store_url, facts) if failure]
        if wrong:
            raise SvtaError(next((failure for failure in wrong if failure.expected), wrong[0]).text)
        where = self._get(0, self._call(0, "listen"), START_S)
        nodes = [seat.node for seat in self._seats]
        for rank, actor in enumerate(self._actors):
            meeting = Meeting(rank, len(nodes), where, leads=nodes.index(nodes[rank]) == rank)
            actor.train.remote(meeting)
            self._ask(rank)

    def nodes(self) -> str:
        """The machines, and how many processes each has."""
        names = [seat.name for seat in self._seats]
        return ", ".join(f"{name} x{names.count(name)}" for name in dict.fromkeys(names))

    def hear(self, timeout_s: float | None = None) -> tuple[int, Any] | None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._asked:
            self._head.check()
            left = LOOK_EVERY_S if deadline is None else max(0.0, min(LOOK_EVERY_S, deadline - time.monotonic()))
            ended, _ = self._ray.wait(list(self._asked), num_returns=1, timeout=left)
            if ended:
                return self._heard(ended[0])
            if deadline is not None and time.monotonic() >= deadline:
                return None
        return None

    def _heard(self, call: Any) -> tuple[int, Any]:
        from svta_models.child import Failure
        from svta_models.execution import TrainResult

        rank = self._asked.pop(call)
        try:
            message = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._lost[rank] = reason(error)
            return rank, None
        if not isinstance(message, (TrainResult, Failure)):
            self._ask(rank)
        return rank, message

    def name(self, rank: int) -> str:
        where = f" on {self._seats[rank].name}" if self._seats else ""
        return f"process {rank} of the training's {len(self._actors)}{where}"

    def how_it_died(self, rank: int) -> str:
        return (
            f"is lost ({self._lost[rank]}); the others were ended. Look at `ray status` and at that node's logs, then "
            "run it again: it goes on from the last state"
        )

    def end(self) -> None:
        """Kill all: what they have finished is in the store."""
        for actor in self._actors:
            with suppress(Exception):  # it is gone already, or the cluster is
                self._ray.kill(actor)

    def _ask(self, rank: int) -> None:
        self._asked[self._call(rank, "hear")] = rank

    def _call(self, rank: int, method: str, *arguments: Any) -> Any:
        return getattr(self._actors[rank], method).remote(*arguments)

    def _all(self, method: str, timeout_s: float, *arguments: Any) -> list[Any]:
        """Call a method of every process at once; the answers in their order."""
        calls = [self._call(rank, method, *arguments) for rank in range(len(self._actors))]
        return [self._get(rank, call, timeout_s) for rank, call in enumerate(calls)]

    def _get(self, rank: int, call: Any, timeout_s: float) -> Any:
        """What a call returns. Raises SvtaError naming the process, and its node where it is known."""
        try:
            return self._ray.get(call, timeout=timeout_s)
        except self._ray.exceptions.GetTimeoutError:
            why = f"did not answer within {timeout_s:g} s of being started; look at `ray status` and at Ray's logs"
            raise SvtaError(f"{self.name(rank)} {why}") from None
        except self._ray.exceptions.RayError as error:
            self._lost[rank] = reason(error)
            raise SvtaError(f"{self.name(rank)} {self.how_it_died(rank)}") from error


def _without_store(job: "TrainingJob") -> dict[str, Any]:
    """A job's facts for another machine: Ray keeps and shows what it is given, so no store with credentials.

    Weights and locks belong to this machine.
    """
    sent = replace(job, weights=None, how=replace(job.how, held=(), folder=None))
    return {field.name: getattr(sent, field.name) for field in fields(sent) if field.name != "store"}


def _nothing() -> None:
    """The worker that `shared` makes where the store can be seen: only the look is wanted."""
