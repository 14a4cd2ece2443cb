"""Label facts: what the source says stands; the language model fills only what is missing.

UCF-Crime texts (UCA, UCFCrime-AR) take both facts from their source video; seeds and OOPS! are anomalous by source and
seeds carry their name. Left for the model: the name of normal and OOPS! texts. So the counts of normal and anomalous
texts hold whatever a model answers.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

import polars as pl

from svta_assets.categories import category, category_of_ucf_class
from svta_assets.prompts import load_prompt
from svta_assets.schemas import LABELS, REJECTS
from svta_models.identity import recipe_sha
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import InvalidAnswer
from svta_resources.chat_rows import bookkeeping
from svta_resources.llm import Answer, ChatModel, Prompt, Request

UNNAMED = "unnamed"  # a text for which no model gave a valid name; asked again by the next run
MOST_NAME_WORDS = 6
ROWS_AT_ONCE = 5000  # rows that exist as Python objects before they become a frame
_KEPT = frozenset({"name", "provider", "model"})  # columns of an answer that become columns of `labels`
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
    questions = _Questions(descriptions, texts, chat)
    names = _ask_names(questions, chat, log)
    rejects: list[dict[str, Any]] = []

    def rows() -> Iterator[dict[str, Any]]:
        for row, request in questions.rows():
            if request is None:
                yield row | {"recipe_sha": recipe_sha({"name": row["name"], "is_anomaly": row["is_anomaly"]})}
                continue
            sha = questions.shas[row["pair_id"]]
            if (failure := names.failed.get(sha)) is not None:
                rejects.append({"stage": "labels", "key": row["pair_id"], "reason": "no valid name", "detail": failure})
            found = names.found.get(sha, {"name": UNNAMED})
            yield row | {"recipe_sha": sha, "name_origin": "llm"} | found

    labelled = [LABELS.frame(chunk) for chunk in _chunks(rows(), ROWS_AT_ONCE)]
    return Labels(pl.concat(labelled or [LABELS.empty()]), REJECTS.frame(rejects), names.tokens)


def open_requests(
    descriptions: pl.DataFrame, texts: pl.DataFrame, chat: ChatModel, log: AnswerLog
) -> Iterator[Request]:
    """What `label` would ask, one at a time."""
    questions = _Questions(descriptions, texts, chat)
    known = log.load(set(questions.shas.values()), frozenset())
    return questions.without({sha for sha, row in known.items() if "error" not in row})


class _Questions:
    """Label facts of every description, with the question for the name where nobody gives one.

    Rows and questions are made anew at every pass: only the questions' hashes are kept, by pair.
    """

    def __init__(self, descriptions: pl.DataFrame, texts: pl.DataFrame, chat: ChatModel) -> None:
        self._descriptions = descriptions.select("pair_id", "category", "caption")
        facts = texts.select("text_id", "is_anomaly", "source_category")
        self._sources = {row[0]: row for row in facts.iter_rows()}
        self.shas = {row["pair_id"]: request.sha(chat) for row, request in self.rows() if request is not None}

    def rows(self) -> Iterator[tuple[dict[str, Any], Request | None]]:
        """Facts and question of each description, in order."""
        for pair_id, key, caption in self._descriptions.iter_rows():
            row = _sourced_facts(pair_id, key, self._sources.get(pair_id))
            yield row, None if row["name"] else _request(row, caption)

    def without(self, known: Container[str]) -> Iterator[Request]:
        """Each distinct question that has no answer yet, once."""
        asked: set[str] = set()
        for row, request in self.rows():
            sha = self.shas.get(row["pair_id"])
            if request is not None and sha is not None and sha not in known and sha not in asked:
                asked.add(sha)
                yield request


def _sourced_facts(pair_id: str, key: str, source: tuple[str, bool | None, str | None] | None) -> dict[str, Any]:
    """What the source, the seed or OOPS! itself says; `name` is None where nobody says it."""
    kind = category(key)
    _, given, source_category = source or (pair_id, None, None)
    is_anomaly: bool = kind.is_anomaly if given is None else given
    name = kind.name if kind.origin in ("seed", "ucf") else None
    if source is not None and is_anomaly and kind.origin in ("seed", "ucf"):
        of_class = category_of_ucf_class(source_category or "")
        name = of_class.name if of_class else name
    return {
        "pair_id": pair_id,
        "category": key,
        "is_anomaly": is_anomaly,
        "is_anomaly_origin": "source",
        "name": name,
        "name_origin": "source" if name else None,
    }


@cache
def _name_prompt() -> tuple[Prompt, dict[str, Any]]:
    """The prompt, and its schema for the name alone; one object for all questions."""
    prompt = load_prompt("label")
    only = {"name": prompt.schema["properties"]["name"]}
    return prompt, {**prompt.schema, "properties": only, "required": ["name"]}


def _request(row: dict[str, Any], caption: str) -> Request:
    prompt, narrower = _name_prompt()
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


def _ask_names(questions: _Questions, chat: ChatModel, log: AnswerLog) -> _Names:
    """Take names from the log, else from the model; equal captions are one question. Failures are asked again."""
    wanted = set(questions.shas.values())
    known = log.load(wanted, _KEPT)
    names = _Names({sha: row for sha, row in known.items() if "error" not in row})
    del known

    def keep(request: Request, answer: Answer | InvalidAnswer) -> None:
        names.tokens += answer.usage.total
        row = bookkeeping(chat, request, answer)
        if isinstance(answer, InvalidAnswer):
            names.failed[row["request_sha"]] = f"{answer.complaint}: {answer.raw}"[:2000]
        else:
            row["name"] = " ".join(answer.data["name"].lower().split())
            names.found[row["request_sha"]] = {column: row[column] for column in _KEPT}
        log.add(row)

    ask_many(chat, questions.without(frozenset(names.found)), keep, total=len(wanted) - len(names.found))
    return names


def _chunks(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, size)):
        yield chunk
