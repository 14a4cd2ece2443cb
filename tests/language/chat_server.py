"""A language model server in a process of its own: the chat API over real sockets, with faults on demand.

`python tests/language/chat_server.py '{"latency_s": 0.2}'` prints its port and serves until it is ended. What it says
is decided by the question alone: its text, and how often it was asked. GET /seen tells what was received.
"""

import asyncio
import hashlib
import json
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any
from urllib.request import urlopen

FAULTS = (
    "429", "429-date", "500", "503", "drop", "cut", "truncated", "malformed", "schema", "refusal", "length", "empty",
)  # fmt: skip
PASSING = ("429", "429-date", "500", "503", "drop", "cut")  # another attempt at the same request may succeed
Send = Any


@dataclass
class Behaviour:
    """What the server does.

    Attributes:
        latency_s: before each reply. retry_after_s: what a 429 or 503 asks for.
        faults: share of requests that meet one of `kinds`, drawn by a hash of the question and its count.
        script: by a question's `n`, what happens at the first, second, ... time it is asked ("ok" or a fault); the
            last one repeats. Kind "drip" sends a byte every `drip_s`.
        thinking: said before every answer, in `reasoning_content`.
    """

    latency_s: float = 0.0
    retry_after_s: float = 0.0
    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    script: dict[str, list[str]] = field(default_factory=dict)
    drip_s: float = 0.05
    thinking: str = ""


class App:
    """The ASGI application."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/seen":
            seen = {"requests": self.asked.total(), "most_at_once": self.most, "asked": self.asked}
            await _send(send, 200, json.dumps(seen))
            return
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self._chat(json.loads(await _body(receive)), receive, send)
        finally:
            self.now -= 1

    async def _chat(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        question, _ = json.JSONDecoder().raw_decode(body["messages"][-1]["content"])
        name = str(question.get("n", question.get("caption", question.get("index"))))
        self.asked[name] += 1
        what = self._what(name, self.asked[name] - 1)
        await asyncio.sleep(self.behaviour.latency_s)
        if what in ("429", "429-date", "503"):
            date = formatdate(time() + self.behaviour.retry_after_s, usegmt=True)
            after = date if what == "429-date" else f"{self.behaviour.retry_after_s:g}"
            await _send(send, int(what[:3]), '{"error": {"message": "slow down"}}', {"retry-after": after})
        elif what == "500":
            await _send(send, 500, '{"error": {"message": "out of memory"}}')
        elif what == "drop":
            receive.__self__.transport.abort()  # uvicorn's own cycle: ASGI has no word for hanging up
        else:
            await self._say(what, _completion(what, body, name, self.behaviour.thinking), receive, send)

    async def _say(self, what: str, text: str, receive: Any, send: Send) -> None:
        if what == "truncated":
            await _send(send, 200, text[: len(text) // 2])
        elif what == "cut":
            await _start(send, 200, {"content-length": str(len(text.encode()))})
            await send({"type": "http.response.body", "body": text[:20].encode(), "more_body": True})
            receive.__self__.transport.abort()
        elif what == "drip":
            await _start(send, 200, {})
            for byte in text.encode():
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                await asyncio.sleep(self.behaviour.drip_s)
            await send({"type": "http.response.body", "body": b""})
        else:
            await _send(send, 200, text)

    def _what(self, name: str, before: int) -> str:
        if steps := self.behaviour.script.get(name):
            return steps[min(before, len(steps) - 1)]
        drawn = int(hashlib.sha256(f"{name}/{before}".encode()).hexdigest()[:8], 16)
        if drawn % 10_000 < self.behaviour.faults * 10_000:
            return self.behaviour.kinds[drawn // 10_000 % len(self.behaviour.kinds)]
        return "ok"


def _completion(what: str, body: dict[str, Any], name: str, thinking: str) -> str:
    wanted = body["response_format"]["json_schema"]["schema"]["properties"]
    number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    words: dict[str, Any] = {
        "activity": f"thing {number % 997}",
        "anomaly": f"odd thing {number % 997}",
        "is_anomaly": number % 2 == 0,
        "caption": f"A woman falls down the stairs number {number} at dawn.",
        "word": name,
    }
    listed = {key: kind["enum"][number % len(kind["enum"])] for key, kind in wanted.items() if "enum" in kind}
    content = json.dumps({key: listed[key] if key in listed else words[key] for key in wanted})
    wrong = {"malformed": content[:-1] + ",]", "schema": '{"unwanted": 1}', "refusal": None, "length": content[:-2]}
    message = {
        "role": "assistant",
        "content": wrong.get(what, content),
        "refusal": "I would rather not" if what == "refusal" else None,
        "reasoning_content": thinking or None,
    }
    choice = {"index": 0, "finish_reason": "length" if what == "length" else "stop", "message": message}
    usage = {"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 210}
    choices = [] if what == "empty" else [choice]
    return json.dumps({"id": "c", "object": "chat.completion", "model": "served", "choices": choices, "usage": usage})


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in {"content-type": "application/json", **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _send(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    await _start(send, status, {"content-length": str(len(text.encode())), **(headers or {})})
    await send({"type": "http.response.body", "body": text.encode()})


@dataclass
class Running:
    """A server that runs; `seen` asks it what it has received."""

    url: str
    pid: int

    def seen(self) -> dict[str, Any]:
        with urlopen(re.sub("/v1$", "/seen", self.url), timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@contextmanager
def chat_server(behaviour: Behaviour) -> Iterator[Running]:
    """Run a server in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(behaviour))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, f"the server did not start: exit code {process.wait()}"
        yield Running(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Serve until ended."""
    import uvicorn

    app = App(Behaviour(**json.loads(sys.argv[1])))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60, timeout_graceful_shutdown=0
    )  # a reply that drips is not waited for at the end
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
