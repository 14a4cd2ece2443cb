"""From what a server sends back to an answer that fits the schema, or the reason why it does not."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from svta_models.identity import canonical_json
from svta_resources.llm_settings import Usage

# Reasoning models put their thoughts before the answer. Some chat templates write the opening tag into the prompt, so
# the text may start inside; a text that starts with "{" is an answer, whatever its strings say.
_THINKING = re.compile(r"\A\s*(?:<think>|(?!\s*[{`]))(.*?)</think>", re.DOTALL)
_FENCED = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)
_THOUGHT_FIELDS = ("reasoning_content", "reasoning")  # DeepSeek and vLLM; newer vLLM and OpenRouter


@dataclass(frozen=True)
class Reading:
    """A reply as read.

    Attributes:
        raw: the text as it came, thoughts in a <think> block included. thinking: the thoughts alone, else empty.
        data: the valid answer, or None with the `complaint`.
        model: the name the server reports, else empty.
    """

    raw: str
    thinking: str
    data: dict[str, Any] | None
    complaint: str
    usage: Usage
    model: str


def read_answer(text: str, schema: Mapping[str, Any], check: Callable[[Any], str | None] | None = None) -> Reading:
    """Read the body of a chat completion. Whatever a server sends gives a Reading, never an error."""
    try:
        body = json.loads(text)
    except ValueError:
        return Reading(text, "", None, "the server's reply was not whole JSON", Usage(), "")
    body = body if isinstance(body, dict) else {}
    usage, model = _usage(body.get("usage")), str(body.get("model") or "")
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Reading(text[:2000], "", None, "the server sent no choices", usage, model)
    thinking, raw, bare = _parts(message)
    if refusal := message.get("refusal"):
        return Reading(str(refusal), thinking, None, "the model refused", usage, model)
    if choice.get("finish_reason") == "content_filter":
        return Reading(raw, thinking, None, "the server's content filter", usage, model)
    if choice.get("finish_reason") == "length":
        return Reading(raw, thinking, None, "the answer was cut off at max_tokens", usage, model)
    data, complaint = _parsed(bare, schema, check)
    return Reading(raw, thinking, data, complaint, usage, model)


def _parts(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """Split a message -> (thinking, text as it came, text without the thinking)."""
    content = message.get("content")
    raw = content if isinstance(content, str) else "" if content is None else canonical_json(content)
    beside = next((str(message[name]) for name in _THOUGHT_FIELDS if message.get(name)), "")
    within = _THINKING.match(raw)
    bare = raw[within.end() :] if within else raw
    return "\n".join(part for part in (beside, within.group(1).strip() if within else "") if part), raw, bare


def _parsed(
    text: str, schema: Mapping[str, Any], check: Callable[[Any], str | None] | None
) -> tuple[dict[str, Any] | None, str]:
    fenced = _FENCED.match(text)
    try:
        data = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({error})"
    complaint = _schema_complaint(data, schema) or (check(data) if check else None)
    return (None, complaint) if complaint else (data, "")


def _usage(reported: Any) -> Usage:
    if not isinstance(reported, dict):  # some servers report none
        return Usage()
    counts = [reported.get(name) for name in ("prompt_tokens", "completion_tokens")]
    return Usage(*(count if isinstance(count, int) else 0 for count in counts))


def _schema_complaint(data: Any, schema: Mapping[str, Any]) -> str | None:
    errors = sorted(_validator(canonical_json(schema)).iter_errors(data), key=lambda error: list(map(str, error.path)))
    if not errors:
        return None
    where = "/".join(map(str, errors[0].path)) or "the answer"
    return f"{where}: {errors[0].message[:200]}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    return Draft202012Validator(json.loads(schema))
