"""What language models have cost, by category and model, and what the questions that are still open will cost.

Everything is computed from the kept answers: each records its model, tokens, seconds and, where prices were set, price.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from svta_assets.categories import load_categories
from svta_assets.labels import labelling
from svta_assets.texts import expand
from svta_assets.workspace import Workspace
from svta_models.identity import canonical_json
from svta_resources.answers import AnswerLog
from svta_resources.chat_session import CHARACTERS_PER_TOKEN
from svta_resources.llm import EMBEDDED_MODEL, ChatModel, Request
from svta_resources.llm_settings import Prices, Usage

TASKS = ("describe", "label")
GUESSED_ANSWER_TOKENS = {"describe": 60, "label": 12}  # two sentences; a few words. A reasoning model needs far more

_SPENT_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("task", "category", "model"), pl.String),
    **dict.fromkeys(("requests", "rejected", "prompt_tokens", "answer_tokens"), pl.Int64),
    **dict.fromkeys(("seconds", "price"), pl.Float64),
}


@dataclass(frozen=True)
class Spent:
    """Requests of one kind: `seconds` is the sum over replies; `price` is None where one of them has none."""

    requests: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    price: float | None = 0.0

    def __add__(self, more: "Spent") -> "Spent":
        return Spent(
            self.requests + more.requests,
            self.rejected + more.rejected,
            self.prompt_tokens + more.prompt_tokens,
            self.answer_tokens + more.answer_tokens,
            self.seconds + more.seconds,
            None if self.price is None or more.price is None else self.price + more.price,
        )


@dataclass(frozen=True)
class Coming:
    """Questions still to ask. Tokens, `seconds` (wall time at the set concurrency) and `price` are estimates.

    Attributes:
        task: `describe` or `label`. category: its key, or `all`.
        seconds: None until an answer of this model is kept. price: None unless prices are set.
    """

    task: str
    category: str
    requests: int
    prompt_tokens: float = 0.0
    answer_tokens: float = 0.0
    seconds: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class TextPlan:
    """What the language side of a run would ask.

    Attributes:
        parts: one for each task and category with an open question. totals: one for each task.
        basis: of the estimates by task, in words.
    """

    model: str
    provider: str
    parts: list[Coming]
    totals: list[Coming]
    basis: dict[str, str]


def spent_by_model(rows: Iterable[Mapping[str, Any]], prices: Prices) -> dict[str, Spent]:
    """Add up answer rows by model. A row written while no price was set is priced by `prices`."""
    sums: dict[str, Spent] = {}
    for row in rows:
        usage = Usage(row.get("prompt_tokens", 0), row.get("answer_tokens", 0))
        price = row.get("price", prices.of(usage))
        one = Spent(
            requests=1,
            rejected=int("error" in row),
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=usage.answer_tokens,
            seconds=row.get("latency_s", 0.0),
            price=price,
        )
        model = row.get("model", "?")
        sums[model] = sums.get(model, Spent()) + one
    return sums


def spent_on(work: Workspace, task: str, key: str, run_id: str | None = None) -> dict[str, Spent]:
    """What the answers of one category have cost, by model; in all runs, or in one."""
    rows = _log(work, task, key).rows()
    return spent_by_model((row for row in rows if run_id in (None, row.get("run_id"))), work.chat.prices)


def spent_table(work: Workspace) -> pl.DataFrame:
    """Everything that was asked: a row for each task, category and model, with the columns of `Spent`."""
    found = [
        {"task": task, "category": one.key, "model": model, **vars(spent)}
        for task in TASKS
        for one in load_categories()
        for model, spent in spent_on(work, task, one.key).items()
    ]
    return pl.DataFrame(found, schema=_SPENT_COLUMNS, orient="row")


def spent_markdown(now: Mapping[str, Spent], ever: Mapping[str, Spent]) -> str:
    """A table by model of what this run and all runs asked."""
    head = "| model | runs | requests | rejected | tokens in | tokens out | s per request | price |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    lines += [_line(model, "this", spent) for model, spent in sorted(now.items())]
    lines += [_line(model, "all", spent) for model, spent in sorted(ever.items())]
    return "\n".join(lines) if ever else "nothing was asked"


def _line(model: str, runs: str, spent: Spent) -> str:
    price = "-" if spent.price is None else f"{spent.price:.4f}"
    mean = spent.seconds / max(1, spent.requests)
    counts = f"{spent.requests} | {spent.rejected} | {spent.prompt_tokens} | {spent.answer_tokens}"
    return f"| {model} | {runs} | {counts} | {mean:.3f} | {price} |"


def plan_texts(work: Workspace, keys: Collection[str] | None = None) -> TextPlan:
    """Count the questions that `llm_descriptions` and `labels` would ask now, and estimate what they cost.

    Labels are counted from the collected texts, whether or not they are described yet. Changes and asks nothing.
    Raises ChatError when no model is chosen.

    Args:
        keys: of the categories to plan, default all that are not retired.
    """
    chat, parts, totals, basis = work.chat, list[Coming](), list[Coming](), dict[str, str]()
    for task in TASKS:
        one = _mean_of(work, task, chat)
        basis[task] = one.basis
        of_task = [one.estimate(task, key, requests, chat) for key, requests in _open(work, task, keys)]
        of_task = [coming for coming in of_task if coming.requests]
        parts += of_task
        totals.append(_total(task, of_task))
    return TextPlan(chat.model, chat.provider, parts, totals, basis)


def _open(work: Workspace, task: str, keys: Collection[str] | None) -> Iterator[tuple[str, Iterable[Request]]]:
    texts = work.catalog.read("texts")
    for one in load_categories():
        if one.retired if keys is None else one.key not in keys:
            continue
        log = _log(work, task, one.key)
        if task == "label":
            of_category = texts.filter(pl.col("category") == one.key)
            if of_category.height:
                yield one.key, labelling.open_requests(expand.sourced(of_category), of_category, work.chat, log)
        elif one.origin == "seed":
            yield one.key, expand.open_requests(one, work.profile.descriptions_per_seed, work.chat, log)


@dataclass(frozen=True)
class _Mean:
    """An average question of a task: tokens and seconds; where `prompt` is None, the prompt's length decides."""

    prompt: float | None
    answer: float
    seconds: float | None
    basis: str

    def estimate(self, task: str, key: str, requests: Iterable[Request], chat: ChatModel) -> Coming:
        count, prompt = 0, 0.0
        for request in requests:
            count += 1
            prompt += self.prompt if self.prompt is not None else _length_tokens(request)
        answer = count * self.answer
        seconds = None if self.seconds is None else count * self.seconds / chat.traffic.concurrency
        return Coming(task, key, count, prompt, answer, seconds, chat.prices.of(Usage(round(prompt), round(answer))))


def _mean_of(work: Workspace, task: str, chat: ChatModel) -> _Mean:
    rows = (row for one in load_categories() for row in _log(work, task, one.key).rows() if "latency_s" in row)
    spent = spent_by_model((row for row in rows if row.get("model") == chat.model), chat.prices).get(chat.model)
    if spent is None and chat.provider == EMBEDDED_MODEL:
        return _Mean(0.0, 0.0, None, "rules use no tokens")
    if spent is None:
        basis = "a guess from the prompts' length: this model has answered nothing yet"
        return _Mean(None, float(GUESSED_ANSWER_TOKENS[task]), None, basis)
    count = spent.requests
    basis = f"mean of {count} answers of this model"
    return _Mean(spent.prompt_tokens / count, spent.answer_tokens / count, spent.seconds / count, basis)


def _length_tokens(request: Request) -> float:
    said = canonical_json({"task": request.task, **request.payload})
    schema = canonical_json(request.schema or request.prompt.schema)
    return (len(request.prompt.system) + len(said) + len(schema)) / CHARACTERS_PER_TOKEN


def _total(task: str, parts: list[Coming]) -> Coming:
    total = Coming(task, "all", 0, seconds=0.0, price=0.0)
    for part in parts:
        total = replace(
            total,
            requests=total.requests + part.requests,
            prompt_tokens=total.prompt_tokens + part.prompt_tokens,
            answer_tokens=total.answer_tokens + part.answer_tokens,
            seconds=None if total.seconds is None or part.seconds is None else total.seconds + part.seconds,
            price=None if total.price is None or part.price is None else total.price + part.price,
        )
    return total


def _log(work: Workspace, task: str, key: str) -> AnswerLog:
    return AnswerLog(work.store, f"answers/{task}/{key}", "reader")
