"""Descriptions of a seed anomaly by language models, and sourced texts as descriptions.

The paper has language models write 50 descriptions for each of 23 anomalies over age, gender, culture, environment and
camera (SVTA paper, text expansion). Every description has a slot, `category/index`, which names the pair for ever:
topping up never renames. What a model answers badly, or twice, is asked again with another nonce and in the end
filled by the grammar, under the grammar's own name; what nearly repeats another description leaves its slot empty, and
a further slot is opened (`slots.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from svta_assets.categories import Category
from svta_assets.prompts import attributes, load_prompt
from svta_assets.schemas import DESCRIPTIONS, NOVELTY, REJECTS
from svta_assets.texts.novelty import Said
from svta_assets.texts.slots import SOURCE, Question, Row, Rules, Settled, dropped_reject, pair_of, settle
from svta_assets.texts.writers import Writers
from svta_models.identity import recipe_sha
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_each
from svta_resources.chat_errors import ChatError, InvalidAnswer, LostQuestion
from svta_resources.chat_rows import bookkeeping
from svta_resources.llm import Answer, ChatModel, Request

_KEPT = frozenset({"caption", "provider", "model", "raw"})  # columns of an answer that are read again

Progress = Callable[[int, int], None]  # answered, of how many


@dataclass(frozen=True)
class Expansion:
    """What became of a seed category.

    Attributes:
        rows: of `descriptions`. rejects: of `rejects`. judged: of `novelty`, those not there yet.
        tokens: that this run paid for. near_duplicates, dropped: slots set aside.
        missing: descriptions short of what was wanted, because too many answers repeat others.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    judged: pl.DataFrame
    tokens: int = 0
    near_duplicates: int = 0
    dropped: int = 0
    missing: int = 0


def expand(
    category: Category,
    count: int,
    writers: Writers,
    log: AnswerLog,
    rules: Rules | None = None,
    progress: Progress | None = None,
) -> Expansion:
    """Write `count` distinct descriptions of a seed category; asks only for what the log does not hold.

    Which answer fills a slot depends on the answers to this and lower slots only, never on their order of arrival: so
    a larger `count` or another run leaves every description as it is.

    Raises ChatError when a model cannot be asked; what the others answered is kept.
    """
    rules, book = rules or Rules(), _Book(category, writers, log, progress)
    while True:
        if rules.novelty is not None:
            rules.novelty.expect(book.captions())
        settled = settle(category.key, count, book.answer, rules)
        if not settled.open_questions:
            break
        book.ask(settled.open_questions)
    return _expansion(book, count, settled)


def open_requests(
    category: Category, count: int, writers: Writers, log: AnswerLog, rules: Rules | None = None
) -> list[tuple[ChatModel, Request]]:
    """What `expand` would ask first, with the model it would ask.

    An answer that repeats another or cannot be used is asked again, up to ROUNDS times; one that nearly repeats another
    opens a further slot.
    """
    book = _Book(category, writers, log)
    questions = settle(category.key, count, book.answer, rules or Rules()).open_questions
    return [(book.writer(question), book.request(question)) for question in questions]


class _Book:
    """The answers of one category: those of earlier runs, and those asked now."""

    def __init__(self, category: Category, writers: Writers, log: AnswerLog, progress: Progress | None = None) -> None:
        self.category, self.writers, self.log = category, writers, log
        self.prompt = load_prompt("describe")
        self.tokens = 0
        self._progress = progress
        self._rows = log.load(columns=_KEPT)
        self._lost: list[LostQuestion] = []
        self._answered = self._asked = 0

    def writer(self, question: Question) -> ChatModel:
        """The model a question goes to: that of its slot, in every attempt."""
        return self.writers.of_slot(self.category.key, question[0])

    def request(self, question: Question) -> Request:
        """The question for a slot; `key` is its number."""
        index, nonce = question
        payload = {
            "category": self.category.key,
            "name": self.category.name,
            "index": index,
            "nonce": nonce,
            "attributes": attributes(self.category.key, index),
        }
        return Request(str(index), "describe", payload, self.prompt)

    def recipe(self, slot: int) -> str:
        """What the user chose for a slot; which attempt succeeded is no choice."""
        return self.request((slot, 0)).sha(self.writer((slot, 0)))

    def answer(self, question: Question) -> Row | None:
        """The kept answer or error, None when never asked."""
        return self._rows.get(self.request(question).sha(self.writer(question)))

    def captions(self) -> Iterator[str]:
        """All descriptions that models have given so far."""
        return (row["caption"] for row in self._rows.values() if row.get("caption"))

    def ask(self, questions: list[Question]) -> None:
        """Ask every model its questions at the same time and keep what comes back.

        Errors of a model are kept too: they count as one attempt, in every later run. Raises ChatError where a server
        failed: that says nothing about its model, so no attempt is used up, and the grammar must not fill in for a
        server that was down.
        """
        batches: dict[str, tuple[ChatModel, list[Request]]] = {}
        for question in questions:
            chat = self.writer(question)
            batches.setdefault(chat.model, (chat, []))[1].append(self.request(question))
        self._answered, self._asked = 0, len(questions)
        failures = ask_each(list(batches.values()), self._keep)
        for _, failure in failures:
            if not isinstance(failure, ChatError) or len(batches) == 1:  # a full disk, a bug; or nothing to add
                raise failure
        if failures or self._lost:
            raise ChatError("; ".join(self._complaints(failures)))

    def _complaints(self, failures: list[tuple[ChatModel, Exception]]) -> Iterator[str]:
        """What each server failed on, one sentence a server."""
        for chat, failure in failures:
            yield f"{chat.model}: {failure}"
        for provider, count in Counter(lost.provider for lost in self._lost).items():
            yield self._lost_words(provider, count)
        if failures:
            yield "the other models' answers are kept, and a new run asks only for the rest"

    def _lost_words(self, provider: str, count: int) -> str:
        complaint = next(lost.complaint for lost in self._lost if lost.provider == provider)
        return (
            f"{provider} gave no reply to {count} questions for {self.category.key} ({complaint}): run again, it asks "
            "only for those; answers so far are kept"
        )

    def _keep(self, chat: ChatModel, request: Request, answer: Answer | InvalidAnswer) -> None:
        self.tokens += answer.usage.total
        if isinstance(answer, LostQuestion):
            self._lost.append(answer)
            return
        row = bookkeeping(chat, request, answer)
        if not isinstance(answer, InvalidAnswer):
            row["caption"] = " ".join(answer.data["caption"].split())
        self.log.add(row)
        self._rows[row["request_sha"]] = row
        self._answered += 1
        if self._progress is not None:
            self._progress(self._answered, self._asked)


def _expansion(book: _Book, count: int, settled: Settled) -> Expansion:
    rows = [_row(book, slot, answer) for slot, answer in settled.chosen.items()]
    return Expansion(
        DESCRIPTIONS.frame(rows),
        REJECTS.frame(settled.rejects),
        NOVELTY.frame(settled.judged) if settled.judged else NOVELTY.empty(),
        tokens=book.tokens,
        near_duplicates=settled.near_duplicates,
        dropped=settled.dropped,
        missing=count - len(rows),
    )


def _row(book: _Book, slot: int, answer: Row) -> Row:
    return {
        "pair_id": pair_of(book.category.key, slot),
        "category": book.category.key,
        "caption": answer["caption"],
        "origin": "llm",
        "source": SOURCE,
        "slot": slot,
        **attributes(book.category.key, slot),
        "provider": answer["provider"],
        "model": answer["model"],
        "prompt_sha": book.prompt.sha,
        "recipe_sha": book.recipe(slot),
    }


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


def without_dropped(
    descriptions: pl.DataFrame, dropped: Mapping[Said, Mapping[str, Any]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out what reviewers dropped: (descriptions that stand, rows of `rejects`)."""
    gone = [said for said in descriptions.select("pair_id", "caption").iter_rows() if said in dropped]
    rejects = REJECTS.frame([dropped_reject(pair, caption, dropped[pair, caption]) for pair, caption in gone])
    return descriptions.filter(~pl.col("pair_id").is_in([pair for pair, _ in gone])), rejects
