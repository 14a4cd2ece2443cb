"""The worker process of `ProcessPool`: `python -m svta_resources.video.pool_worker <socket>`."""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from svta_resources.video.pool import Worker, attempt

WATCH_EVERY_S = 0.5


def main(descriptor: int) -> None:
    """Make the worker, then answer jobs until the parent closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business; it closes the socket
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    connection = Connection(descriptor)
    try:
        path, make_worker = pickle.loads(connection.recv_bytes())
        sys.path[:] = path
        worker = make_worker()
    except EOFError:
        return
    except Exception as error:
        connection.send(("failed to start", f"{type(error).__name__}: {error}"))
        return
    connection.send("ready")
    _serve(connection, worker)


def _serve(connection: Connection, worker: Worker) -> None:
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        done = attempt(worker, job)
        try:
            connection.send(("error", done.error) if done.error is not None else ("result", done.result))
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception:  # a result that cannot be pickled
            connection.send(("error", traceback.format_exc()))


def _leave_with_parent() -> None:
    """End when the parent was killed: an orphan must not go on rendering for nobody."""
    parent = int(os.environ["SVTA_PARENT_PID"])
    while os.getppid() == parent:
        time.sleep(WATCH_EVERY_S)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
