"""A TCP proxy on 127.0.0.1 that delays, cuts and swallows, to stand between a client and a server in tests."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

CHUNK = 16384


@dataclass(frozen=True)
class Fate:
    """What happens to one connection. Numbers are bytes; None means no limit.

    Attributes:
        cut_request_after: the connection dies when so much of what the client sends has passed.
        cut_answer_after: it dies when so much of the answer has passed; 0 swallows the answer whole.
        delay_s: pause before each chunk of the answer.
    """

    cut_request_after: int | None = None
    cut_answer_after: int | None = None
    delay_s: float = 0.0


Fates = Callable[[int], Fate]


@contextmanager
def flaky_proxy(port: int, fates: Fates) -> Iterator[int]:
    """Forward to `port` of 127.0.0.1; yields the port to connect to. `fates` gets each connection's number, from 0."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, port, fates), daemon=True).start()
        yield int(listening.getsockname()[1])


def _accept(listening: socket.socket, port: int, fates: Fates) -> None:
    for number in count():
        try:
            client, _ = listening.accept()
        except OSError:  # closed: the test is over
            return
        threading.Thread(target=_serve, args=(client, port, fates(number)), daemon=True).start()


def _serve(client: socket.socket, port: int, fate: Fate) -> None:
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        client.close()
        return
    up = threading.Thread(target=_pump, args=(client, server, fate.cut_request_after, 0.0), daemon=True)
    up.start()
    _pump(server, client, fate.cut_answer_after, fate.delay_s)
    up.join(5)


def _pump(source: socket.socket, target: socket.socket, left: int | None, delay_s: float) -> None:
    """Pass bytes on until the source ends or the limit is reached; then both ends are cut."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            time.sleep(delay_s)
            if left is not None and len(data) > left:
                target.sendall(data[:left])
                break
            left = None if left is None else left - len(data)
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
