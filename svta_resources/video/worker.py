"""What runs inside a worker process of the pool: build the worker once, then one job after another.

Started as `python -m svta_resources.video.worker <connection fd> <lifeline fd> <parent pid>`. Imports the standard
library only; whatever `make_worker` names is imported when it is unpickled.

What `make_worker` returns is a function, or work in two stages (`overlap.TwoStageWork`). An exception with a true
attribute `retires_process` says that this process is of no more use: its device has failed, for example. One that also
has `ends_run` says that no process would be: the weights are not there.
"""

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from svta_resources.video.overlap import Overlap, TwoStageWork

READY, DONE, FAILED, BROKEN, RETIRED = "ready", "done", "failed", "broken", "retired"
PARENT_CHECK_S = 0.5


def describe(error: BaseException) -> str:
    """Say what an exception was and where it came from, in one line."""
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(where[-1].filename)}:{where[-1].lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"


def _die_with_parent(lifeline: int, parent: int) -> None:
    """Leave at once when the parent is gone, however it went.

    The parent alone holds the other end of the lifeline, so its death closes it. Another process that the parent
    forked may hold a copy, hence the second look at the parent's id. PR_SET_PDEATHSIG is not used: it fires when the
    *thread* that started this process ends.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([lifeline], [], [], PARENT_CHECK_S)
        if readable and not os.read(lifeline, 1):
            break
    os._exit(1)


def _serve(connection: Connection) -> None:
    sys.path[:0] = [entry for entry in pickle.loads(connection.recv_bytes()) if entry not in sys.path]
    try:
        work = pickle.loads(connection.recv_bytes())()
    except BaseException as error:
        connection.send((BROKEN, describe(error)))
        return
    connection.send((READY, None))
    overlap = Overlap(work if isinstance(work, TwoStageWork) else Plain(work), _Answers(connection))
    while True:
        job = connection.recv()
        try:
            overlap.take(job)
        except Exception as error:
            if not getattr(error, "retires_process", False):
                raise
            connection.send((BROKEN if getattr(error, "ends_run", False) else RETIRED, describe(error)))
            return


class _Answers:
    """Tells the parent how a job ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, job: Any, result: Any, error: BaseException | None) -> None:
        del job  # answers arrive in the order of the jobs
        if error is not None:
            self._connection.send((FAILED, describe(error)))
            return
        try:
            self._connection.send((DONE, result))
        except (pickle.PicklingError, AttributeError, TypeError) as problem:  # nothing was sent yet
            self._connection.send((FAILED, f"the result cannot be sent back: {describe(problem)}"))


class Plain:
    """Work in one stage."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def begin(self, job: Any) -> Any:
        return self._work(job)

    def finish(self, job: Any, begun: Any) -> Any:
        del job
        return begun


def main() -> None:
    """Serve jobs until the parent closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    connection_fd, lifeline, parent = (int(value) for value in sys.argv[1:4])
    threading.Thread(target=_die_with_parent, args=(lifeline, parent), daemon=True).start()
    with Connection(connection_fd) as connection, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(connection)


if __name__ == "__main__":
    main()
