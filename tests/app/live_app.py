"""The application behind a real socket, in a thread of the test's process."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from svta_assets.workspace import Workspace
from svta_cli.app.server import make_app

START_S = 30.0


@contextmanager
def serving(work: Workspace, reviewer: str | None = None) -> Iterator[str]:
    """Serve a home on a free port of this machine; gives its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = make_app(work, reviewer)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + START_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until, "the application did not start"
            time.sleep(0.01)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(START_S)
            app.state.site.refresh()  # waits for one that runs beside: a thread cut off inside DuckDB aborts the process


def post(address: str, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Post as a page's script does; returns what was said. Raises AssertionError with the answer when refused."""
    headers = {"origin": address, "content-type": "application/json", "accept": "application/json"}
    request = urllib.request.Request(f"{address}{path}", json.dumps(values).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            said: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code}: {error.read().decode()}") from error
    return said
