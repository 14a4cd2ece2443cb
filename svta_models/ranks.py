"""One training in several processes of this machine, one a device: started, listened to, and ended together.

The processes are fresh interpreters that inherit the leases' lock files, so a device stays leased until its process has
ended. When one of them dies or fails, the others are ended and the training fails with one error; when this process
dies, they end by themselves.
"""

import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from svta_models.child import Child, Failure, messages, start_child
from svta_models.errors import SvtaError
from svta_models.execution import EpochReport, Say, TrainingJob, TrainResult
from svta_models.placement import Meeting, rank_environment

_OTHERS_SPEAK_S = 2.0  # after a first failure: the one that tells the reason may come a moment later


def train_in_processes(job: TrainingJob, on_epoch: Callable[[EpochReport], None] | None, say: Say) -> TrainResult:
    """Train with `job.how.processes` processes. Raises SvtaError when one of them does not come through."""
    world = job.how.processes
    with tempfile.TemporaryDirectory(prefix="svta-ranks-") as folder:
        children: list[Child] = []
        try:
            for rank in range(world):
                meeting = Meeting(rank, world, Path(folder) / "meeting")
                environment = rank_environment(rank, world)
                children.append(start_child(train_rank, (job, meeting), environment, job.how.held))
            return _listen(children, on_epoch, say)
        finally:
            for child in children:
                child.end()


def _listen(children: list[Child], on_epoch: Callable[[EpochReport], None] | None, say: Say) -> TrainResult:
    result: TrainResult | None = None
    finished: set[int] = set()
    for child, message in messages(children):
        rank = children.index(child)
        if isinstance(message, EpochReport):
            if on_epoch is not None:
                on_epoch(message)
        elif isinstance(message, str):
            say(message)
        elif isinstance(message, TrainResult):
            finished.add(rank)
            result = message if rank == 0 else result
        elif isinstance(message, Failure) or rank not in finished:
            raise _explained(children, rank, message)
    assert result is not None, "the first process reports its result before it ends"
    return result


def _explained(children: list[Child], rank: int, message: Failure | None) -> SvtaError:
    """The error to raise: of all that failed together, the one that says most.

    When a process dies, its peers fail too, with a lost connection; which of them is heard first is chance.
    """
    failures: dict[int, Failure | None] = {rank: message}
    deadline = time.monotonic() + _OTHERS_SPEAK_S
    for other, child in enumerate(children):
        while other not in failures and child.connection.poll(max(0.0, deadline - time.monotonic())):
            try:
                heard = child.connection.recv()
            except (EOFError, ConnectionResetError):
                heard = None
            if heard is None or isinstance(heard, Failure):
                failures[other] = heard
    world = len(children)
    expected = [failure for failure in failures.values() if failure is not None and failure.expected]
    if expected:
        return SvtaError(expected[0].text)
    for dead in (other for other, failure in failures.items() if failure is None):
        status = children[dead].process.wait()
        return SvtaError(
            f"process {dead} of the training's {world} died (exit status {status}); the others were ended. Look at its "
            "output above and at memory, then run it again: it goes on from the last state"
        )
    first = next(failure for failure in failures.values() if failure is not None)
    return SvtaError(f"process {rank} of the training's {world} failed: {first.text}")


def train_rank(connection: Connection, job: TrainingJob, meeting: Meeting) -> None:
    """In a child: train as one of several processes and tell the parent."""
    from svta_models.release import Release
    from svta_models.training import train_here

    first = meeting.rank == 0
    release = Release(job.store, job.release)
    result = train_here(release, job, connection.send if first else None, connection.send, meeting)
    connection.send(result)
