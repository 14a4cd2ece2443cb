"""Stand-ins for a language model server: one in this process, one behind a real port."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

from svta_resources.chat_retry import Backoff
from svta_resources.llm import ChatModel
from svta_resources.llm_settings import Traffic

Content = str | None
ATTRIBUTES = {"age": "child", "gender": "female", "culture": "unknown", "environment": "park", "camera": "unknown"}


def label_answer(name: str = "some name", **changed: Any) -> dict[str, Any]:
    """A valid answer to the label question; by default both names are the same and the text is normal."""
    return {"activity": name, "anomaly": name, "is_anomaly": False, **ATTRIBUTES, **changed}


def completion(content: Content, finish_reason: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    """A chat completion as a server writes it; 10 prompt tokens, 5 answer tokens."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "served-name",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


class ScriptedTransport(httpx2.BaseTransport):
    """Answers each question by `reply(payload, n)`, n counting from 0; keeps every request body."""

    def __init__(self, reply: Callable[[dict[str, Any], int], dict[str, Any]]) -> None:
        self.reply = reply
        self.bodies: list[dict[str, Any]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.read())
        payload, _ = json.JSONDecoder().raw_decode(body["messages"][-1]["content"])
        answer = self.reply(payload, len(self.bodies))
        self.bodies.append(body)
        return httpx2.Response(200, json=answer, request=request)


def scripted_chat(reply: Callable[[dict[str, Any], int], Any]) -> tuple[ChatModel, ScriptedTransport]:
    """A chat model whose server says what `reply` returns (JSON value, or raw text as str)."""

    def write(payload: dict[str, Any], n: int) -> dict[str, Any]:
        said = reply(payload, n)
        return completion(said if isinstance(said, str) else json.dumps(said))

    transport = ScriptedTransport(write)
    return toy_chat(transport), transport


def toy_chat(transport: httpx2.BaseTransport, retries: int = 6) -> ChatModel:
    """A chat model whose server is `transport`, asked one question at a time and again without a pause."""
    traffic = Traffic(concurrency=1, retries=retries)
    return ChatModel("toy", "http://toy.test/v1", "key", transport=transport, traffic=traffic, backoff=Backoff(0, 0))


@dataclass
class Scene:
    """What the port server does: `steps` (status, headers, body) are used up in order, the last one repeats."""

    steps: list[tuple[int, dict[str, str], str]]
    times: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def port_server(scene: Scene) -> Iterator[str]:
    """Serve `scene` on a free port; gives the base URL."""
    import time

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = scene.steps[min(len(scene.times), len(scene.steps) - 1)]
            scene.times.append(time.monotonic())
            scene.keys.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
