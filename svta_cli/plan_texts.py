"""The part of `svta plan` that asks language models: `svta plan --texts`."""

from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from svta_cli.figures import duration, money, table

if TYPE_CHECKING:
    from svta_assets.texts.costs import Coming, TextPlan

_ASSETS = {"describe": "llm_descriptions", "label": "labels"}


def show_texts(work: Any, keys: Collection[str] | None) -> None:
    """Print how many questions descriptions and labels would ask, with estimated tokens, time and price."""
    from rich.console import Console

    plan = _plan(work, keys)
    console = Console(highlight=False)
    if plan.parts:
        console.print(table([_cells(part, several=len(plan.models) > 1) for part in _rows(plan)], keep=("questions",)))
    else:
        console.print("no question is open: every text is described and labelled under today's prompts and models")
    for model, provider in plan.models.items():
        console.print(f"model {model} at {provider}")
    for task, basis in plan.basis.items():
        for model, words in basis.items():
            which = f" by {model}" if len(basis) > 1 else ""
            console.print(f"{_ASSETS[task]}{which}: {words}", soft_wrap=True)


def gather_texts(work: Any, keys: Collection[str] | None) -> dict[str, Any]:
    """The same as plain values, for scripts."""
    return asdict(_plan(work, keys))


def _plan(work: Any, keys: Collection[str] | None) -> "TextPlan":
    from svta_assets.texts.costs import plan_texts

    if not work.catalog.partitions("texts"):
        raise click.ClickException("no texts are collected yet: materialize raw_texts, or run `make demo`")
    return plan_texts(work, keys)


def _rows(plan: "TextPlan") -> "list[Coming]":
    """Parts first, then sums where they add something: by model where several are asked, and of each task."""
    several = [
        one for one in plan.by_model if len({other.model for other in plan.by_model if other.task == one.task}) > 1
    ]
    return [*plan.parts, *several, *(plan.totals if len(plan.parts) > len(plan.totals) else [])]


def _cells(part: "Coming", several: bool) -> dict[str, str]:
    return {
        "category": part.category,
        "task": part.task,
        "model": part.model if several else "-",
        "questions": f"{part.requests:,}",
        "more expected": f"{part.topup:,.0f}" if part.topup >= 0.5 else "-",
        "tokens in": f"{part.prompt_tokens:,.0f}",
        "tokens out": f"{part.answer_tokens:,.0f}",
        "needs": "-" if part.seconds is None else duration(part.seconds / 3600),
        "price": money(part.price),
    }
