"""From what a server sends back to an answer that fits the schema, or the reason why it does not."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)  # reasoning models put their thoughts before the answer
_FENCED = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)

Reading = tuple[str, dict[str, Any] | None, str]


def read_answer(
    completion: Any, schema: Mapping[str, Any], check: Callable[[Any], str | None] | None = None
) -> Reading:
    """Read a chat completion -> (raw text, answer or None, what is wrong or "")."""
    if completion is None:
        return "", None, "the server's reply was not whole JSON"
    if not getattr(completion, "choices", None):
        return "", None, "the server sent no choices"
    choice = completion.choices[0]
    raw = choice.message.content or ""
    if choice.message.refusal:
        return choice.message.refusal, None, "the model refused"
    if choice.finish_reason == "length":
        return raw, None, "the answer was cut off at max_tokens"
    try:
        data = json.loads(_bare(raw))
    except ValueError as error:
        return raw, None, f"not JSON ({error})"
    complaint = _schema_complaint(data, schema) or (check(data) if check else None)
    return (raw, None, complaint) if complaint else (raw, data, "")


def _bare(raw: str) -> str:
    text = _THINKING.sub("", raw)
    fenced = _FENCED.match(text)
    return fenced.group(1) if fenced else text


def _schema_complaint(data: Any, schema: Mapping[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    errors = sorted(Draft202012Validator(schema).iter_errors(data), key=lambda error: list(map(str, error.path)))
    if not errors:
        return None
    where = "/".join(map(str, errors[0].path)) or "the answer"
    return f"{where}: {errors[0].message[:200]}"
