"""Descriptions of a seed anomaly by the language model, and sourced texts as descriptions.

The paper has language models write 50 descriptions for each of 23 anomalies over age, gender, culture, environment and
camera (SVTA paper, text expansion). Every description has a slot, `category/index`, which names the pair for ever:
topping up never renames. What the model answers badly, or twice, is asked again with another nonce and in the end
filled by the grammar, under the grammar's own name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.categories import Category
from svta_assets.prompts import attributes, load_prompt
from svta_assets.schemas import DESCRIPTIONS, REJECTS
from svta_models.identity import recipe_sha, text_id
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import ChatError, InvalidAnswer, LostQuestion
from svta_resources.chat_rows import bookkeeping
from svta_resources.embedded_llm.grammar import describe
from svta_resources.llm import EMBEDDED_MODEL, Answer, ChatModel, Request

SOURCE = "llm"
FEWEST_WORDS, MOST_WORDS = 6, 60
MOST_SENTENCES = 2
ROUNDS = 3  # times a slot is asked before the grammar fills it
GRAMMAR_TRIES = 50  # nonces tried until the grammar's sentence is new

_KEPT = frozenset({"caption", "provider", "model", "raw"})  # columns of an answer that are read again

Row = dict[str, Any]
Question = tuple[int, int]  # slot, nonce


@dataclass(frozen=True)
class Expansion:
    """Rows of `descriptions` and `rejects`, and the tokens this run paid for."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    tokens: int


def expand(category: Category, count: int, chat: ChatModel, log: AnswerLog) -> Expansion:
    """Write `count` distinct descriptions of a seed category; asks only for what the log does not hold.

    Which answer fills a slot depends on the answers to this and lower slots only, never on their order of arrival: so
    a larger `count` or another run leaves every description as it is.
    """
    book = _Book(category, chat, log)
    while True:
        settled = _settle(category, count, book)
        if not settled.open_questions:
            break
        book.ask(settled.open_questions)
    rows = [_row(book, index, settled.chosen[index]) for index in range(count)]
    return Expansion(DESCRIPTIONS.frame(rows), REJECTS.frame(settled.rejects), book.tokens)


def open_requests(category: Category, count: int, chat: ChatModel, log: AnswerLog) -> list[Request]:
    """What `expand` would ask first; an answer that repeats another or cannot be used is asked again, up to ROUNDS."""
    book = _Book(category, chat, log)
    return [book.request(*question) for question in _settle(category, count, book).open_questions]


class _Book:
    """The answers of one category: those of earlier runs, and those asked now."""

    def __init__(self, category: Category, chat: ChatModel, log: AnswerLog) -> None:
        self.category, self.chat, self.log = category, chat, log
        self.prompt = load_prompt("describe")
        self.tokens = 0
        self._rows = log.load(columns=_KEPT)
        self._lost: list[LostQuestion] = []

    def request(self, index: int, nonce: int) -> Request:
        """The question for a slot; `key` is its number."""
        payload = {
            "category": self.category.key,
            "name": self.category.name,
            "index": index,
            "nonce": nonce,
            "attributes": attributes(self.category.key, index),
        }
        return Request(str(index), "describe", payload, self.prompt)

    def recipe(self, index: int) -> str:
        """What the user chose for a slot; which attempt succeeded is no choice."""
        return self.request(index, 0).sha(self.chat)

    def answer(self, question: Question) -> Row | None:
        """The kept answer or error, None when never asked."""
        return self._rows.get(self.request(*question).sha(self.chat))

    def ask(self, questions: Iterable[Question]) -> None:
        """Ask the model and keep what comes back, errors too: they count as one attempt, in every later run.

        Raises ChatError where the server failed on questions: that says nothing about the model, so no attempt is used
        up, and the grammar must not fill in for a server that was down.
        """
        requests = [self.request(*question) for question in questions]
        ask_many(self.chat, requests, self._keep, total=len(requests))
        if self._lost:
            raise ChatError(
                f"{self.chat.provider} gave no reply to {len(self._lost)} questions for {self.category.key} "
                f"({self._lost[0].complaint}): run again, it asks only for those; answers so far are kept"
            )

    def _keep(self, request: Request, answer: Answer | InvalidAnswer) -> None:
        self.tokens += answer.usage.total
        if isinstance(answer, LostQuestion):
            self._lost.append(answer)
            return
        row = bookkeeping(self.chat, request, answer)
        if not isinstance(answer, InvalidAnswer):
            row["caption"] = " ".join(answer.data["caption"].split())
        self.log.add(row)
        self._rows[row["request_sha"]] = row


@dataclass
class _Settled:
    """What fills each slot so far, what was set aside, and what must be asked before the rest can be said."""

    chosen: dict[int, Row] = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)
    open_questions: list[Question] = field(default_factory=list)


def _settle(category: Category, count: int, book: _Book) -> _Settled:
    settled, seen = _Settled(), set[str]()
    for index in range(count):
        for nonce in range(ROUNDS):
            row = book.answer((index, nonce))
            if row is None:
                settled.open_questions.append((index, nonce))
                break
            complaint = _complaint(row, seen)
            if complaint is None:
                settled.chosen[index] = row
                break
            settled.rejects.append(_reject(category, index, nonce, complaint, row))
        else:
            settled.chosen[index] = _by_grammar(category, index, seen)
        if index in settled.chosen:
            seen.add(normalised(settled.chosen[index]["caption"]))
    return settled


def _complaint(row: Row, seen: set[str]) -> str | None:
    if "error" in row:
        return "no valid answer"
    return unusable(row["caption"]) or ("repeats another description" if normalised(row["caption"]) in seen else None)


def _reject(category: Category, index: int, nonce: int, reason: str, row: Row) -> Row:
    detail = f"{row['error']}: {row['raw']}" if "error" in row else row["caption"]
    key = f"{category.key}/{index}/attempt-{nonce + 1}"
    return {"stage": "llm_descriptions", "key": key, "reason": reason, "detail": detail[:2000]}


def _by_grammar(category: Category, index: int, seen: set[str]) -> Row:
    """The grammar's first sentence for a slot that is new; recorded under the grammar's own name."""
    drawn = attributes(category.key, index)
    tries = (describe(category.key, index, drawn, nonce) for nonce in range(GRAMMAR_TRIES))
    caption = next(caption for caption in tries if normalised(caption) not in seen)
    return {"caption": caption, "provider": EMBEDDED_MODEL, "model": EMBEDDED_MODEL}


def sourced(texts: pl.DataFrame) -> pl.DataFrame:
    """Collected texts as rows of `descriptions`: the caption as it is, nothing asked."""
    rows = [
        {
            "pair_id": row["text_id"],
            "category": row["category"],
            "caption": row["caption"],
            "origin": "source",
            "source": row["source"],
            "text_id": row["text_id"],
            "recipe_sha": recipe_sha({"caption": row["caption"], "category": row["category"]}),
        }
        for row in texts.iter_rows(named=True)
    ]
    return DESCRIPTIONS.frame(rows)


def unusable(caption: str) -> str | None:
    """Why a description cannot be used, None when it can."""
    words = len(caption.split())
    if not FEWEST_WORDS <= words <= MOST_WORDS:
        return f"has {words} words, not {FEWEST_WORDS} to {MOST_WORDS}"
    sentences = len(re.findall(r"[.!?]+(?=\s|$)", caption.rstrip(".!?") + "."))
    if sentences > MOST_SENTENCES:
        return f"has {sentences} sentences, not 1 or {MOST_SENTENCES}"
    if re.search(r"[{}<>\[\]*#]", caption):
        return "is not plain text"
    return None


def normalised(caption: str) -> str:
    """Letters and digits only, lower case: two captions equal in this form say the same."""
    return re.sub(r"[^a-z0-9]+", " ", caption.lower()).strip()


def _row(book: _Book, index: int, answer: Row) -> Row:
    return {
        "pair_id": text_id(SOURCE, f"{book.category.key}/{index}"),
        "category": book.category.key,
        "caption": answer["caption"],
        "origin": "llm",
        "source": SOURCE,
        **attributes(book.category.key, index),
        "provider": answer["provider"],
        "model": answer.get("model", book.chat.model),
        "prompt_sha": book.prompt.sha,
        "recipe_sha": book.recipe(index),
    }
