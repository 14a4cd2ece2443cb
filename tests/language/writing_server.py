"""A chat server behind a real port that writes descriptions: the grammar's sentences, told apart by a colour."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from svta_resources.embedded_llm.grammar import describe
from tests.language.servers import completion, label_answer

Payload = dict[str, Any]


@dataclass
class WritingServer:
    """What the server says and what it was asked.

    Attributes:
        nonce: another number writes other sentences. repeated: slots whose answer is that of slot 0 in other clothes.
        thinking: said before every answer, `beside` it in a field of its own or within its text.
    """

    nonce: int = 0
    repeated: frozenset[int] = frozenset()
    thinking: str = ""
    beside: bool = True
    url: str = ""
    asked: list[Payload] = field(default_factory=list)
    models: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        payload, _ = json.JSONDecoder().raw_decode(body["messages"][-1]["content"])
        self.asked.append(payload)
        self.models.add(body["model"])
        said = json.dumps(self._says(payload))
        if self.thinking and not self.beside:
            said = f"<think>{self.thinking}</think>{said}"
        made = completion(said)
        if self.thinking and self.beside:
            made["choices"][0]["message"]["reasoning_content"] = self.thinking
        return made

    def _says(self, payload: Payload) -> dict[str, Any]:
        if payload["task"] == "label":
            return label_answer()
        slot, nonce = payload["index"], payload["nonce"] + self.nonce
        if slot in self.repeated:
            return {
                "caption": f"A boy in a {COLOURS[slot % len(COLOURS)]} coat falls off a swing in a playground in Lima."
            }
        return {"caption": describe(payload["category"], slot, payload["attributes"], nonce)}


COLOURS = ("red", "blue", "green", "yellow", "black", "white")


@contextmanager
def serving(server: WritingServer, around: Callable[[], None] = lambda: None) -> Iterator[WritingServer]:
    """Run the server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.keys.add(self.headers.get("Authorization", ""))
            around()
            said = json.dumps(server.reply(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    port = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.daemon_threads = True
    thread = threading.Thread(target=port.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{port.server_port}/v1"
    try:
        yield server
    finally:
        port.shutdown()
        port.server_close()
        thread.join()
