"""The embedded provider as an HTTP transport: `chat.completions` and `models` of `http://embedded/v1`, in this process.

A rule cannot read an arbitrary prompt, so the question comes as JSON in the user message, `{"task": ..., ...}`; a real
model reads the same JSON as text. What the rules cannot answer is an HTTP error, as from any server.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import httpx2

from svta_models.identity import canonical_json, recipe_sha
from svta_resources.embedded_llm import VERSION
from svta_resources.embedded_llm.attributes import read_attributes
from svta_resources.embedded_llm.grammar import GrammarError, describe

if TYPE_CHECKING:
    from svta_resources.embedded_llm.labeller import Labeller

MODEL = "embedded-rules"
Payload = Mapping[str, Any]
Opinion = tuple[bool, str, str]  # whether a caption tells of an anomaly; its name as an activity and as an anomaly


class BadQuestion(Exception):
    """The question is not one the rules can read; its text goes back as HTTP 400."""


class EmbeddedTransport(httpx2.BaseTransport):
    """Answers requests from rules. Threads may share it; they are served one after another."""

    def expect(self, payloads: Iterable[Payload]) -> None:
        """Work out labels that are asked for next, together: a caption among others costs half of one by itself."""
        captions = (payload.get("caption") for payload in payloads if payload.get("task") == "label")
        _models().expect([caption for caption in captions if isinstance(caption, str)])

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Route a request like the real API would."""
        route = (request.method, request.url.path)
        if route == ("GET", "/v1/models"):
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "svta"}
            return httpx2.Response(200, json={"object": "list", "data": [model]}, request=request)
        if route != ("POST", "/v1/chat/completions"):
            return _error(request, 404, f"the embedded provider has no {request.method} {request.url.path}")
        try:
            body = json.loads(request.read())
            if body.get("model") != MODEL:
                return _error(request, 404, f"the embedded provider serves {MODEL}, not {body.get('model')!r}")
            answer = answer_question(_question(body))
        except (BadQuestion, GrammarError) as error:
            return _error(request, 400, str(error))
        return httpx2.Response(200, json=_completion(body, answer), request=request)


def answer_question(payload: Payload) -> dict[str, Any]:
    """Answer one payload by its task. Raises BadQuestion, GrammarError."""
    task = payload.get("task")
    if task not in _TASKS:
        raise BadQuestion(f"task {task!r} is unknown to the embedded provider; it does {', '.join(_TASKS)}")
    try:
        return _TASKS[task](payload)
    except (KeyError, TypeError) as error:
        raise BadQuestion(f"the payload of task {task!r} lacks or mistypes {error}") from error


def _describe(payload: Payload) -> dict[str, Any]:
    nonce = int(payload.get("nonce", 0))
    return {"caption": describe(payload["category"], int(payload["index"]), payload["attributes"], nonce)}


def _label(payload: Payload) -> dict[str, Any]:
    caption = payload["caption"]
    if not isinstance(caption, str):
        raise TypeError("caption")
    anomalous, activity, anomaly = _models().opinion(caption)
    return {"activity": activity, "anomaly": anomaly, "is_anomaly": anomalous, **read_attributes(caption)}


_TASKS: dict[str, Callable[[Payload], dict[str, Any]]] = {"describe": _describe, "label": _label}


class _Models:
    """What the label task needs, loaded at the first label."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected: dict[str, Opinion] = {}

    def opinion(self, caption: str) -> Opinion:
        with self._lock:
            return self._expected.get(caption) or self._judge([caption])[caption]

    def expect(self, captions: Sequence[str]) -> None:
        with self._lock:
            self._expected = self._judge(captions)

    def _judge(self, captions: Sequence[str]) -> dict[str, Opinion]:
        anomalous, names = self.labeller.opinions(captions), self.labeller.both_names(captions)
        return {caption: (bool(is_so), *both) for caption, is_so, both in zip(captions, anomalous, names, strict=True)}

    @cached_property
    def labeller(self) -> "Labeller":
        from svta_resources.embedded_llm.labeller import Labeller

        return Labeller()


@cache
def _models() -> _Models:
    return _Models()


def _question(body: Mapping[str, Any]) -> Payload:
    texts = [message["content"] for message in body.get("messages", []) if message.get("role") == "user"]
    try:
        payload, _ = json.JSONDecoder().raw_decode(texts[-1])  # a complaint about an earlier answer may follow
    except (IndexError, TypeError, ValueError) as error:
        raise BadQuestion('the embedded provider needs a user message with JSON: {"task": ..., ...}') from error
    if not isinstance(payload, dict):
        raise BadQuestion("the user message must hold a JSON object")
    return payload


def _completion(body: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    content = canonical_json(answer)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return {
        "id": f"embedded-{recipe_sha(dict(body))[:16]}",
        "object": "chat.completion",
        "created": 0,
        "model": f"{MODEL}-{VERSION}",
        "choices": [choice],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},  # rules cost no tokens
    }


def _error(request: httpx2.Request, status: int, message: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message, "type": "embedded"}}, request=request)
