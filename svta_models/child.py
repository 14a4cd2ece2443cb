"""Processes of our own that run one function each: started as fresh interpreters, never forked.

A forked child of a process that used DuckDB or CUDA is unsafe, and `multiprocessing`'s spawn imports the caller's main
module again, which under Dagster costs seconds in every child. Started as
`python -m svta_models.child <connection fd> <lifeline fd> <parent pid>`; a child ends at once when its parent is gone.
"""

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from svta_models.errors import SvtaError

PARENT_CHECK_S = 0.5
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Failure:
    """Sent by a child whose function raised. `expected`: an error of ours, whose text says what to do."""

    text: str
    expected: bool


@dataclass
class Child:
    """A running child: read its messages from `connection`."""

    process: "subprocess.Popen[bytes]"
    connection: Connection
    lifeline: int

    def end(self) -> int:
        """Kill it if it still runs, close what leads to it; its exit status."""
        self.process.kill()
        status = self.process.wait()
        self.connection.close()
        os.close(self.lifeline)
        return status


def start_child(
    function: Callable[..., None],
    arguments: Sequence[Any],
    environment: Mapping[str, str] | None = None,
    held: Sequence[int] = (),
) -> Child:
    """Start `function(connection, *arguments)` in a process; it must be picklable (at the top of a module).

    `held`: descriptors the child keeps open, such as the locks of leased devices. One thread of arithmetic is the
    default, because children are the parallelism; `environment` adds to this process's own.
    """
    recipe = pickle.dumps((function, tuple(arguments)))
    ours, theirs = socket.socketpair()
    lifeline_end, lifeline = os.pipe()  # the child watches the first end; only this process holds the second
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), str(lifeline_end), str(os.getpid())],
            pass_fds=(theirs.fileno(), lifeline_end, *held),
            stdin=subprocess.DEVNULL,
            env=_environment(environment or {}),
        )
    os.close(lifeline_end)
    connection = Connection(ours.detach())
    # a child that is dead already is noticed by whoever reads from it
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send_bytes(pickle.dumps([entry for entry in sys.path if entry]))
        connection.send_bytes(recipe)
    return Child(process, connection, lifeline)


def messages(children: Sequence[Child]) -> Iterator[tuple[Child, Any]]:
    """Every message as it comes, with its sender; None when a child has closed its end, until all have."""
    by_connection = {child.connection: child for child in children}
    while by_connection:
        for connection in wait(list(by_connection)):
            child = by_connection[connection]  # type: ignore[index]
            try:
                message = child.connection.recv()
            except (EOFError, ConnectionResetError, pickle.UnpicklingError):
                message = None
                del by_connection[child.connection]
            yield child, message


def _environment(changed: Mapping[str, str]) -> dict[str, str]:
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, "1"), **changed}
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return environment


def _die_with_parent(lifeline: int, parent: int) -> None:
    """Leave at once when the parent is gone, however it went: its death closes the lifeline.

    Another process that the parent forked may hold a copy of it, hence the second look at the parent's id.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([lifeline], [], [], PARENT_CHECK_S)
        if readable and not os.read(lifeline, 1):
            break
    os._exit(1)


def _run(connection: Connection) -> int:
    sys.path[:0] = [entry for entry in pickle.loads(connection.recv_bytes()) if entry not in sys.path]
    try:
        function, arguments = pickle.loads(connection.recv_bytes())
        function(connection, *arguments)
    except BaseException as error:
        # told by name: in this process the module runs as __main__, and the parent could not read its classes
        from svta_models.child import Failure as Told

        expected = isinstance(error, SvtaError)
        connection.send(Told(str(error) if expected else f"{type(error).__name__}: {error}", expected))
        return 1
    return 0


def main() -> None:
    """Run the function that the parent sends, then end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    connection_fd, lifeline, parent = (int(value) for value in sys.argv[1:4])
    threading.Thread(target=_die_with_parent, args=(lifeline, parent), daemon=True).start()
    status = 1
    with Connection(connection_fd) as connection, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        status = _run(connection)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a process group of torch may hang in its destructors when a peer is gone


if __name__ == "__main__":
    main()
