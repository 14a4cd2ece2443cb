"""What language models have cost, by category and model, and what the questions that are still open will cost.

Everything is computed from the kept answers: each records its model, tokens, seconds and, where prices were set, price.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from svta_assets.categories import Category, load_categories
from svta_assets.labels import labelling
from svta_assets.texts import expand
from svta_assets.texts.describe import writing_rules
from svta_assets.texts.slots import MOST_REPEATS
from svta_assets.workspace import Workspace
from svta_models.identity import canonical_json
from svta_resources.answers import AnswerLog
from svta_resources.chat_session import CHARACTERS_PER_TOKEN
from svta_resources.llm import EMBEDDED_MODEL, ChatModel, Request
from svta_resources.llm_settings import Prices, Usage

TASKS = ("describe", "label")
GUESSED_ANSWER_TOKENS = {"describe": 60, "label": 70}  # two sentences; eight short fields. Reasoning takes far more

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
        task: `describe` or `label`. category: its key, or `all`. model: its name, or `all`.
        requests: questions that are open now. topup: further ones expected, because some answers will nearly repeat
            another description; tokens, seconds and price include them.
        seconds: None until an answer of this model is kept. price: None unless prices are set.
    """

    task: str
    category: str
    model: str
    requests: int
    topup: float = 0.0
    prompt_tokens: float = 0.0
    answer_tokens: float = 0.0
    seconds: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class TextPlan:
    """What the language side of a run would ask.

    Attributes:
        models: name -> who serves it, of every model that would be asked.
        parts: one for each task, category and model with an open question. by_model: one for each task and model with
            an open question. totals: one for each task; models are asked at the same time, so the slowest decides.
        basis: of the estimates by task and model, in words.
    """

    models: dict[str, str]
    parts: list[Coming]
    by_model: list[Coming]
    totals: list[Coming]
    basis: dict[str, dict[str, str]]


def spent_by_model(rows: Iterable[Mapping[str, Any]], prices: Mapping[str, Prices]) -> dict[str, Spent]:
    """Add up answer rows by model. A row written while no price was set is priced by the model's `prices`."""
    sums: dict[str, Spent] = {}
    for row in rows:
        usage = Usage(row.get("prompt_tokens", 0), row.get("answer_tokens", 0))
        model = row.get("model", "?")
        price = row.get("price", prices.get(model, Prices()).of(usage))
        one = Spent(
            requests=1,
            rejected=int("error" in row),
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=usage.answer_tokens,
            seconds=row.get("latency_s", 0.0),
            price=price,
        )
        sums[model] = sums.get(model, Spent()) + one
    return sums


def spent_on(work: Workspace, task: str, key: str, run_id: str | None = None) -> dict[str, Spent]:
    """What the answers of one category have cost, by model; in all runs, or in one."""
    rows = _log(work, task, key).rows()
    return spent_by_model((row for row in rows if run_id in (None, row.get("run_id"))), _prices(work))


def _prices(work: Workspace) -> dict[str, Prices]:
    return {work.chat.model: work.chat.prices, **work.writers.prices()}


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
    plan = TextPlan({}, [], [], [], {})
    chats = {"describe": work.writers.chats, "label": [work.chat]}
    for task in TASKS:
        means = {chat.model: _mean_of(work, task, chat) for chat in chats[task]}
        of_task = [
            means[chat.model].estimate(task, key, requests, chat) for key, chat, requests in _open(work, task, keys)
        ]
        plan.models.update({chat.model: chat.provider for chat in chats[task]})
        plan.parts.extend(of_task := [coming for coming in of_task if coming.requests])
        by_model = [_total(task, model, of_task) for model in means]
        plan.by_model.extend(coming for coming in by_model if coming.requests)
        plan.totals.append(_together(task, by_model))
        plan.basis[task] = {model: mean.basis for model, mean in means.items()}
    return plan


def _open(
    work: Workspace, task: str, keys: Collection[str] | None
) -> Iterator[tuple[str, ChatModel, Iterable[Request]]]:
    texts = work.catalog.read("texts")
    for one in load_categories():
        if one.retired if keys is None else one.key not in keys:
            continue
        log = _log(work, task, one.key)
        if task == "label":
            of_category = texts.filter(pl.col("category") == one.key)
            if of_category.height:
                requests = labelling.open_requests(expand.sourced(of_category), of_category, work.chat, log)
                yield one.key, work.chat, requests
        elif one.origin == "seed":
            for chat, asked in _open_slots(work, one, log).items():
                yield one.key, chat, asked


def _open_slots(work: Workspace, one: Category, log: AnswerLog) -> dict[ChatModel, list[Request]]:
    rules = writing_rules(work, one.key, embed=None)
    found: dict[ChatModel, list[Request]] = {}
    for chat, request in expand.open_requests(one, work.profile.descriptions_per_seed, work.writers, log, rules):
        found.setdefault(chat, []).append(request)
    return found


@dataclass(frozen=True)
class _Mean:
    """An average question of a task: tokens and seconds; where `prompt` is None, the prompt's length decides.

    `repeats` is the share of answers that open another slot because they nearly repeat a description.
    """

    prompt: float | None
    answer: float
    seconds: float | None
    repeats: float
    basis: str

    def estimate(self, task: str, key: str, requests: Iterable[Request], chat: ChatModel) -> Coming:
        opened, prompt = 0, 0.0
        for request in requests:
            opened += 1
            prompt += self.prompt if self.prompt is not None else _length_tokens(request)
        topup = opened * self.repeats / (1.0 - self.repeats)
        asked, prompt = opened + topup, prompt * (1.0 + topup / opened) if opened else 0.0
        answer = asked * self.answer
        seconds = None if self.seconds is None else asked * self.seconds / chat.traffic.concurrency
        price = chat.prices.of(Usage(round(prompt), round(answer)))
        return Coming(task, key, chat.model, opened, topup, prompt, answer, seconds, price)


def _mean_of(work: Workspace, task: str, chat: ChatModel) -> _Mean:
    rows = (row for one in load_categories() for row in _log(work, task, one.key).rows() if "latency_s" in row)
    spent = spent_by_model((row for row in rows if row.get("model") == chat.model), {}).get(chat.model)
    repeats, remark = _repeats_of(work, chat.model) if task == "describe" else (0.0, "")
    if chat.provider == EMBEDDED_MODEL:
        return _Mean(0.0, 0.0, None, repeats, f"rules use no tokens{remark}")
    if spent is None:
        basis = "a guess from the prompts' length: this model has answered nothing yet"
        return _Mean(None, float(GUESSED_ANSWER_TOKENS[task]), None, repeats, basis + remark)
    asked = spent.requests
    means = (spent.prompt_tokens / asked, spent.answer_tokens / asked, spent.seconds / asked)
    return _Mean(*means, repeats, f"mean of {asked} answers of this model{remark}")


def _repeats_of(work: Workspace, model: str) -> tuple[float, str]:
    """Share of a model's descriptions that nearly repeated another so far, and how to say so."""
    judged = work.catalog.read("novelty").filter(pl.col("model") == model)
    if judged.is_empty():
        return 0.0, ""
    share = float(judged["near_duplicate"].sum()) / judged.height
    counted = min(share, MOST_REPEATS / (1 + MOST_REPEATS))  # more than that is not asked
    return counted, f"; {share:.1%} of {judged.height} descriptions nearly repeat another, so further slots open"


def _length_tokens(request: Request) -> float:
    said = canonical_json({"task": request.task, **request.payload})
    schema = canonical_json(request.schema or request.prompt.schema)
    return (len(request.prompt.system) + len(said) + len(schema)) / CHARACTERS_PER_TOKEN


def _total(task: str, model: str, parts: list[Coming]) -> Coming:
    """One model's questions about all categories, asked one category after another."""
    return _sum(Coming(task, "all", model, 0), [part for part in parts if part.model == model], sum)


def _together(task: str, by_model: list[Coming]) -> Coming:
    """All models' questions, asked at the same time."""
    asked = [coming for coming in by_model if coming.requests]
    return _sum(Coming(task, "all", "all", 0), asked, lambda seconds: max(seconds, default=0.0))


def _sum(start: Coming, parts: list[Coming], joined: Callable[[list[float]], float]) -> Coming:
    seconds, prices = [part.seconds for part in parts], [part.price for part in parts]
    return replace(
        start,
        requests=sum(part.requests for part in parts),
        topup=sum(part.topup for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        answer_tokens=sum(part.answer_tokens for part in parts),
        seconds=None if None in seconds else float(joined([one for one in seconds if one is not None])),
        price=None if None in prices else float(sum(one for one in prices if one is not None)),
    )


def _log(work: Workspace, task: str, key: str) -> AnswerLog:
    return AnswerLog(work.store, f"answers/{task}/{key}", "reader")
