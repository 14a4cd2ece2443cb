"""Label facts: what the source says stands; the language model fills only what is missing, and says its opinion.

UCF-Crime texts (UCA, UCFCrime-AR) take both facts from their source video; seeds and OOPS! are anomalous by source and
seeds carry their name. Left for the model: the name of normal and OOPS! texts. So the counts of normal and anomalous
texts hold whatever a model answers.

The same question also asks for the model's own opinion on both facts, which is kept apart (`llm_is_anomaly`,
`llm_name`), and for the attributes that written descriptions have from the start (SVTA paper, per-video annotation).
The model is not told what the source says, so its opinion is its own and equal captions are one question.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from svta_assets.categories import category, category_of_ucf_class
from svta_assets.labels.answered import Answered, Opinion
from svta_assets.labels.settings import ALL, LabelSettings, label_settings
from svta_assets.prompts import ATTRIBUTES, load_prompt
from svta_assets.schemas import LABELS, REJECTS
from svta_models.identity import recipe_sha
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import InvalidAnswer
from svta_resources.chat_rows import bookkeeping
from svta_resources.llm import Answer, ChatModel, Prompt, Request

UNNAMED = "unnamed"  # a text for which no model gave a valid name
MOST_NAME_WORDS = 6
ROWS_AT_ONCE = 5000  # rows that exist as Python objects before they become a frame
NO_ANSWER, GIVEN_UP = "no valid answer", "no valid answer, asked no more"  # reasons in `rejects`
IMPORTED = "imported:"  # begins the source of texts that came with a dataset (svta import)
NAMES = ("activity", "anomaly")
_NAME = re.compile(r"[^\W_][\w' /-]*")  # words of any script; no quotes, braces or line breaks

Row = dict[str, Any]


class Labels(NamedTuple):
    """Rows of `labels` (clip_id empty), rejects with the raw answers, and the tokens this run paid for."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    tokens: int


def label(
    descriptions: pl.DataFrame,
    texts: pl.DataFrame,
    chat: ChatModel,
    log: AnswerLog,
    settings: LabelSettings | None = None,
    ask_again: bool = False,
) -> Labels:
    """Label every description of a category.

    Args:
        descriptions: rows of `descriptions`. texts: the collected texts among them, rows of `texts`.
        settings: default those of the environment.
        ask_again: asks once more also what got no valid answer in as many runs as are set.
    """
    settings = settings or label_settings()
    questions = _Questions(descriptions, texts, chat, settings)
    answered = Answered(log, questions.wanted)
    tokens = _ask(questions, answered, chat, log, None if ask_again else settings.runs)
    rejects: list[Row] = []

    def rows() -> Iterator[Row]:
        for row, sha, _ in questions.rows():
            if sha is not None and (failure := answered.failures.get(sha)) is not None:
                reason = GIVEN_UP if answered.given_up(sha, settings.runs) else NO_ANSWER
                rejects.append({"stage": "labels", "key": row["pair_id"], "reason": reason, "detail": failure.detail})
            yield _filled(row, sha, answered.opinions.get(sha) if sha else None)

    labelled = [LABELS.frame(chunk) for chunk in _chunks(rows(), ROWS_AT_ONCE)]
    return Labels(pl.concat(labelled or [LABELS.empty()]), REJECTS.frame(rejects), tokens)


def open_requests(
    descriptions: pl.DataFrame,
    texts: pl.DataFrame,
    chat: ChatModel,
    log: AnswerLog,
    settings: LabelSettings | None = None,
) -> Iterator[Request]:
    """What `label` would ask, one at a time."""
    settings = settings or label_settings()
    questions = _Questions(descriptions, texts, chat, settings)
    return _open(questions, Answered(log, questions.wanted), settings.runs)


class _Questions:
    """Label facts of every description, with the question about each collected text.

    Rows and questions are made anew at every pass: only the questions' hashes are kept, in the order of the rows.
    """

    def __init__(
        self, descriptions: pl.DataFrame, texts: pl.DataFrame, chat: ChatModel, settings: LabelSettings
    ) -> None:
        self._descriptions = descriptions.select("pair_id", "category", "caption", "origin", *ATTRIBUTES)
        facts = texts.select("text_id", "is_anomaly", "source_category", "source")
        self._sources = {row[0]: row for row in facts.iter_rows()}
        self._all = settings.ask == ALL
        shared: dict[bytes, bytes] = {}
        self._shas: list[bytes | None] = []
        for _, request in self._facts():
            sha = None if request is None else bytes.fromhex(request.sha(chat))
            self._shas.append(sha if sha is None else shared.setdefault(sha, sha))
        self.wanted = frozenset(shared)

    def rows(self) -> Iterator[tuple[Row, bytes | None, Request | None]]:
        """Facts of each description in order, and its question with its hash where there is one."""
        for (row, request), sha in zip(self._facts(), self._shas, strict=True):
            yield row, sha, request

    def _facts(self) -> Iterator[tuple[Row, Request | None]]:
        for pair_id, key, caption, origin, *attributes in self._descriptions.iter_rows():
            row = _sourced_facts(pair_id, key, self._sources.get(pair_id))
            if origin == "llm":  # written to order: its facts and attributes are what was asked for
                row |= {**dict(zip(ATTRIBUTES, attributes, strict=True)), "attributes_origin": "asked"}
            is_asked = row["name"] is None or (self._all and origin != "llm")
            yield (
                row,
                Request(pair_id, "label", {"caption": caption}, _prompt(), check=_complaint) if is_asked else None,
            )


def _sourced_facts(pair_id: str, key: str, source: tuple[str, bool | None, str | None, str] | None) -> Row:
    """What the source, the seed or OOPS! itself says; `name` is None where nobody says it."""
    kind = category(key)
    _, given, source_category, dataset = source or (pair_id, None, None, "")
    is_anomaly: bool = kind.is_anomaly if given is None else given
    name = kind.name if kind.origin in ("seed", "ucf") else None
    if dataset.startswith(IMPORTED):  # an imported dataset has categories of its own
        name = source_category
    elif source is not None and is_anomaly and kind.origin in ("seed", "ucf"):
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
def _prompt() -> Prompt:
    """One object for all questions."""
    return load_prompt("label")


def _complaint(data: Row) -> str | None:
    return next((complaint for field in NAMES if (complaint := name_complaint(data[field], field))), None)


def name_complaint(name: str, field: str = "name") -> str | None:
    """Why a text is no name of what happens, None where it is one."""
    words = len(name.split())
    if not 1 <= words <= MOST_NAME_WORDS:
        return f"{field} has {words} words, not 1 to {MOST_NAME_WORDS}"
    if not _NAME.fullmatch(name.strip()):
        return f"{field} {name[:60]!r} is not plain words"
    return None


def normal_form(name: str) -> str:
    """A name as it is kept: lower case, single spaces."""
    return " ".join(name.lower().split())


def _filled(row: Row, sha: bytes | None, opinion: Opinion | None) -> Row:
    """A row of `labels`: the sourced facts, the model's name where there is none, and its opinion beside them."""
    if sha is None:
        return row | {"recipe_sha": recipe_sha({"name": row["name"], "is_anomaly": row["is_anomaly"]})}
    row = row | {"recipe_sha": sha.hex()}
    named = row["name"] is not None
    if opinion is None:
        return row if named else row | {"name": UNNAMED, "name_origin": "llm"}
    if not named:
        row |= {"name": opinion.name(row["is_anomaly"]), "name_origin": "llm"}
    return row | {
        "llm_is_anomaly": opinion.is_anomaly,
        "llm_name": opinion.name(opinion.is_anomaly),
        **dict(zip(ATTRIBUTES, opinion.attributes, strict=True)),
        "attributes_origin": "llm",
        "provider": opinion.provider,
        "model": opinion.model,
    }


def _open(questions: _Questions, answered: Answered, runs: int | None) -> Iterator[Request]:
    """Each distinct question that has no answer, once; without those that were asked in so many runs already."""
    met: set[bytes] = set()
    for _, sha, request in questions.rows():
        if request is None or sha is None or sha in met:
            continue
        met.add(sha)
        if sha not in answered.opinions and (runs is None or not answered.given_up(sha, runs)):
            yield request


def _ask(questions: _Questions, answered: Answered, chat: ChatModel, log: AnswerLog, runs: int | None) -> int:
    """Ask what has no answer yet and keep what comes back; returns the tokens paid for."""
    left = sum(
        sha not in answered.opinions and (runs is None or not answered.given_up(sha, runs)) for sha in questions.wanted
    )
    tokens = 0

    def keep(request: Request, answer: Answer | InvalidAnswer) -> None:
        nonlocal tokens
        tokens += answer.usage.total
        row = bookkeeping(chat, request, answer)
        if not isinstance(answer, InvalidAnswer):
            said = {name: answer.data[name] for name in ("is_anomaly", *ATTRIBUTES)}
            row |= said | {name: normal_form(answer.data[name]) for name in NAMES}
        log.add(row)
        answered.add(bytes.fromhex(row["request_sha"]), row)

    ask_many(chat, chat.expecting(_open(questions, answered, runs)), keep, total=left)
    return tokens


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, size)):
        yield chunk
