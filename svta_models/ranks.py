"""One training in several processes, one a device: started, listened to, and ended together.

On this machine the processes are fresh interpreters that inherit the leases' lock files, so a device stays leased until
its process has ended. Whoever starts them elsewhere gives another `StartRanks`. When one of them dies or fails, the
others are ended and the training fails with one error; when this process dies, they end by themselves.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

from svta_models.child import Child, Failure, start_child
from svta_models.errors import SvtaError
from svta_models.execution import EpochReport, Say, TrainingJob, TrainResult
from svta_models.placement import Meeting, rank_environment

OnEpoch = Callable[[EpochReport], None]


class Ranks(Protocol):
    """The processes of a training under way, numbered from 0.

    others_speak_s: after a first failure, how long to wait for the one that tells the reason.
    """

    others_speak_s: float

    def hear(self, timeout_s: float | None = None) -> tuple[int, Any] | None:
        """The next message and which process sent it; None after `timeout_s`, or when all have ended.

        A message is what `train_rank` sends, a Failure, or None for a process that has ended without a last word.
        """

    def name(self, rank: int) -> str:
        """How people know a process."""

    def how_it_died(self, rank: int) -> str:
        """What is known of a process that ended without a last word, and where to look."""


StartRanks = Callable[[TrainingJob, Say], AbstractContextManager[Ranks]]
"""Starts the processes of a job for the time of a block, at whose end none is left."""


def train_in_processes(
    job: TrainingJob, on_epoch: OnEpoch | None, say: Say, start: StartRanks | None = None
) -> TrainResult:
    """Train with `job.how.processes` processes. Raises SvtaError when one of them does not come through."""
    with (start or on_this_machine)(job, say) as ranks:
        return _listen(ranks, job.how.processes, on_epoch, say)


def _listen(ranks: Ranks, world: int, on_epoch: OnEpoch | None, say: Say) -> TrainResult:
    results: dict[int, TrainResult] = {}
    while (heard := ranks.hear()) is not None:
        rank, message = heard
        if isinstance(message, EpochReport):
            if on_epoch is not None:
                on_epoch(message)
        elif isinstance(message, str):
            say(message)
        elif isinstance(message, TrainResult):
            results[rank] = message
        elif isinstance(message, Failure) or rank not in results:
            raise _explained(ranks, world, rank, message, results)
    return results[0]


def _explained(
    ranks: Ranks, world: int, rank: int, message: Failure | None, results: dict[int, TrainResult]
) -> SvtaError:
    """The error to raise: of all that failed together, the one that says most.

    When a process dies, its peers fail too, with a lost connection; which of them is heard first is chance.
    """
    failures: dict[int, Failure | None] = {rank: message}
    deadline = time.monotonic() + ranks.others_speak_s
    while len(failures) + len(results) < world and None not in failures.values():
        heard = ranks.hear(max(0.0, deadline - time.monotonic()))
        if heard is None:
            break
        other, said = heard
        if (said is None or isinstance(said, Failure)) and other not in results:
            failures.setdefault(other, said)
    for failure in failures.values():
        if failure is not None and failure.expected:
            return SvtaError(failure.text)
    for other, failure in failures.items():
        if failure is None:
            return SvtaError(f"{ranks.name(other)} {ranks.how_it_died(other)}")
    first = next(failure for failure in failures.values() if failure is not None)
    return SvtaError(f"{ranks.name(rank)} failed: {first.text}")


@contextmanager
def on_this_machine(job: TrainingJob, say: Say) -> Iterator[Ranks]:
    """Children of this process, which meet through a file: no port is chosen that another program could take."""
    del say
    world = job.how.processes
    with tempfile.TemporaryDirectory(prefix="svta-ranks-") as folder:
        children: list[Child] = []
        try:
            for rank in range(world):
                where = (Path(folder) / "meeting").as_uri()
                meeting = Meeting(rank, world, where, card=rank, leads=rank == 0)
                children.append(start_child(_train_child, (job, meeting), rank_environment(meeting), job.how.held))
            yield _Children(children)
        finally:
            for child in children:
                child.end()


class _Children:
    """Processes of this machine."""

    others_speak_s = 2.0

    def __init__(self, children: list[Child]) -> None:
        self._children, self._open = children, {child.connection: rank for rank, child in enumerate(children)}

    def hear(self, timeout_s: float | None = None) -> tuple[int, Any] | None:
        for connection in wait(list(self._open), timeout_s)[:1] if self._open else ():
            rank = self._open[connection]  # type: ignore[index]
            try:
                return rank, self._children[rank].connection.recv()
            except (EOFError, ConnectionResetError, UnpicklingError):
                del self._open[self._children[rank].connection]
                return rank, None
        return None

    def name(self, rank: int) -> str:
        return f"process {rank} of the training's {len(self._children)}"

    def how_it_died(self, rank: int) -> str:
        status = self._children[rank].process.wait()
        return (
            f"died (exit status {status}); the others were ended. Look at its output above and at memory, then run it "
            "again: it goes on from the last state"
        )


def _train_child(connection: Connection, job: TrainingJob, meeting: Meeting) -> None:
    train_rank(connection.send, job, meeting)


def train_rank(send: Callable[[Any], None], job: TrainingJob, meeting: Meeting) -> None:
    """Train as one of several processes, and send what people should hear (str, EpochReport) and the TrainResult."""
    from svta_models.release import Release
    from svta_models.training import train_here

    release = Release(job.store, job.release)
    send(train_here(release, job, send if meeting.rank == 0 else None, send, meeting))
