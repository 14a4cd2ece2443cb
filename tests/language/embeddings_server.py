"""An embeddings server in a process of its own, with faults on demand.

`python tests/language/embeddings_server.py` prints its port and serves until it is ended. A text's vector is decided by
the text alone. POST /script says what the next requests meet and forgets what was received; GET /seen tells it.
"""

import hashlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

WIDTH = 6


def direction(text: str, width: int = WIDTH) -> list[float]:
    """What the server says for a text: of no particular length."""
    return [byte / 10 - 12.05 for byte in hashlib.sha256(text.encode()).digest()[:width]]


class App:
    """The ASGI application. `steps`: what the first, second, ... request meets, the last one for ever."""

    def __init__(self) -> None:
        self._begin(["ok"])

    def _begin(self, steps: list[str]) -> None:
        self.steps = steps
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/seen":
            await _send(send, 200, {"bodies": self.bodies, "keys": self.keys})
            return
        body = await _body(receive)
        if scope["path"] == "/script":
            self._begin(body)
            await _send(send, 200, {})
            return
        step = self.steps[min(len(self.bodies), len(self.steps) - 1)]
        self.bodies.append(body)
        self.keys.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        if step == "drop":
            receive.__self__.transport.abort()  # uvicorn's own cycle: ASGI has no word for hanging up
        elif step[:3].isdigit():
            status, _, after = step.partition(":")
            error = {"error": {"message": f"no, {self.keys[-1]}"}}
            await _send(send, int(status), error, {"retry-after": after} if after else {})
        else:
            await _send(send, 200, _reply(step, body))


def _reply(step: str, body: dict[str, Any]) -> Any:
    texts = body["input"]
    width = body.get("dimensions") or WIDTH
    rows = [{"index": n, "embedding": direction(text, width)} for n, text in enumerate(texts)]
    if step == "reversed":
        rows.reverse()
    elif step == "few":
        rows.pop()
    elif step == "same-index":
        rows[-1]["index"] = 0
    elif step == "nan":
        rows[-1]["embedding"] = [float("nan")] * width
    elif step == "zero":
        rows[-1]["embedding"] = [0.0] * width
    elif step == "narrow":
        rows = [row | {"embedding": row["embedding"][:-1]} for row in rows]
    elif step == "ragged":
        rows[-1]["embedding"].pop()
    elif step == "words":
        return {"data": "I am a chat model"}
    return {"object": "list", "model": body["model"], "data": rows, "usage": {"prompt_tokens": 5, "total_tokens": 5}}


async def _body(receive: Any) -> Any:
    raw, more = b"", True
    while more:
        message = await receive()
        raw, more = raw + message.get("body", b""), message.get("more_body", False)
    return json.loads(raw)


async def _send(send: Any, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    pairs = {"content-type": "application/json", **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class Running:
    """A server that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def script(self, *steps: str) -> None:
        """Say what the next requests meet; what was seen before is forgotten."""
        urlopen(Request(re.sub("/v1$", "/script", self.url), json.dumps(steps).encode()), timeout=30).close()

    def seen(self) -> dict[str, Any]:
        with urlopen(re.sub("/v1$", "/seen", self.url), timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def texts(self) -> list[str]:
        """Every text it was sent, again where it was sent again."""
        return [text for body in self.seen()["bodies"] for text in body["input"]]


@contextmanager
def embeddings_server() -> Iterator[Running]:
    """Run a server in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, f"the server did not start: exit code {process.wait()}"
        yield Running(f"http://127.0.0.1:{port}/v1")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Serve until ended."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(App(), log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
