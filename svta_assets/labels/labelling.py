"""Label facts: what the source says stands; the language model fills only what is missing.

UCF-Crime texts (UCA, UCFCrime-AR) take both facts from their source video; seeds and OOPS! are anomalous by source and
seeds carry their name. Left for the model: the name of normal and OOPS! texts. So the counts of normal and anomalous
texts hold whatever a model answers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.categories import category, category_of_ucf_class
from svta_assets.prompts import load_prompt
from svta_assets.schemas import LABELS, REJECTS
from svta_models.identity import recipe_sha
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import InvalidAnswer
from svta_resources.llm import Answer, ChatModel, Request

UNNAMED = "unnamed"  # a text for which no model gave a valid name; asked again by the next run
MOST_NAME_WORDS = 6
_NAME = re.compile(r"[^\W_][\w' /-]*")  # words of any script; no quotes, braces or line breaks


@dataclass(frozen=True)
class Labels:
    """Rows of `labels` (clip_id empty), rejects with the raw answers, and the tokens this run paid for."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    tokens: int


def label(descriptions: pl.DataFrame, texts: pl.DataFrame, chat: ChatModel, log: AnswerLog) -> Labels:
    """Label every description of a category.

    Args:
        descriptions: rows of `descriptions`. texts: the collected texts among them, rows of `texts`.
    """
    sources = {row["text_id"]: row for row in texts.iter_rows(named=True)}
    rows = [_sourced_facts(row, sources.get(row["pair_id"])) for row in descriptions.iter_rows(named=True)]
    captions = dict(descriptions.select("pair_id", "caption").iter_rows())
    asked = {row["pair_id"]: _request(row, captions[row["pair_id"]]) for row in rows if row["name"] is None}
    names = _ask_names(asked.values(), chat, log)
    rejects: list[dict[str, Any]] = []
    for row in rows:
        if (request := asked.get(row["pair_id"])) is not None:
            row["recipe_sha"] = request.sha(chat)
            row |= names.found.get(row["recipe_sha"], {"name": UNNAMED}) | {"name_origin": "llm"}
            if (failure := names.failed.get(row["recipe_sha"])) is not None:
                rejects.append({"stage": "labels", "key": row["pair_id"], "reason": "no valid name", "detail": failure})
        else:
            row["recipe_sha"] = recipe_sha({"name": row["name"], "is_anomaly": row["is_anomaly"]})
    return Labels(LABELS.frame(rows), REJECTS.frame(rejects), names.tokens)


def _sourced_facts(description: dict[str, Any], text: dict[str, Any] | None) -> dict[str, Any]:
    """What the source, the seed or OOPS! itself says; `name` is None where nobody says it."""
    kind = category(description["category"])
    given = None if text is None else text["is_anomaly"]
    is_anomaly: bool = kind.is_anomaly if given is None else given
    name = kind.name if kind.origin in ("seed", "ucf") else None
    if text is not None and is_anomaly and kind.origin in ("seed", "ucf"):
        of_class = category_of_ucf_class(text["source_category"] or "")
        name = of_class.name if of_class else name
    return {
        "pair_id": description["pair_id"],
        "category": description["category"],
        "is_anomaly": is_anomaly,
        "is_anomaly_origin": "source",
        "name": name,
        "name_origin": "source" if name else None,
    }


def _request(row: dict[str, Any], caption: str) -> Request:
    prompt = load_prompt("label")
    narrower = {**prompt.schema, "properties": {"name": prompt.schema["properties"]["name"]}, "required": ["name"]}
    payload = {"caption": caption, "is_anomaly": row["is_anomaly"], "want": ["name"]}
    return Request(row["pair_id"], "label", payload, prompt, narrower, _complaint)


def _complaint(data: dict[str, Any]) -> str | None:
    words = len(data["name"].split())
    if not 1 <= words <= MOST_NAME_WORDS:
        return f"name has {words} words, not 1 to {MOST_NAME_WORDS}"
    if not _NAME.fullmatch(data["name"].strip()):
        return f"name {data['name'][:60]!r} is not plain words"
    return None


@dataclass
class _Names:
    """By request: name, provider and model, or why there is none; and what it cost."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tokens: int = 0


def _ask_names(requests: Iterable[Request], chat: ChatModel, log: AnswerLog) -> _Names:
    """Take names from the log, else from the model; equal captions are one question. Failures are asked again."""
    distinct = {request.sha(chat): request for request in requests}
    known = {sha: row for sha, row in log.load().items() if sha in distinct and "error" not in row}
    names = _Names({sha: _name_facts(row) for sha, row in known.items()})

    def keep(request: Request, answer: Answer | InvalidAnswer) -> None:
        names.tokens += answer.usage.total
        row: dict[str, Any] = {"request_sha": request.sha(chat), "provider": answer.provider}
        if isinstance(answer, InvalidAnswer):
            names.failed[row["request_sha"]] = f"{answer.complaint}: {answer.raw}"[:2000]
            log.add({**row, "error": answer.complaint, "raw": answer.raw})
            return
        name = " ".join(answer.data["name"].lower().split())
        row |= {"name": name, "model": chat.model, "answered_by": answer.model}
        log.add(row)
        names.found[row["request_sha"]] = _name_facts(row)

    ask_many(chat, (request for sha, request in distinct.items() if sha not in known), keep)
    return names


def _name_facts(row: dict[str, Any]) -> dict[str, Any]:
    return {"name": row["name"], "provider": row["provider"], "model": row["model"]}
