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
        rows = [*plan.parts, *(plan.totals if len(plan.parts) > len(plan.totals) else [])]
        console.print(table([_cells(part) for part in rows], keep=("questions",)))
    else:
        console.print("no question is open: every text is described and labelled under today's prompts and model")
    console.print(f"model {plan.model} at {plan.provider}")
    for task, basis in plan.basis.items():
        console.print(f"{_ASSETS[task]}: {basis}", soft_wrap=True)


def gather_texts(work: Any, keys: Collection[str] | None) -> dict[str, Any]:
    """The same as plain values, for scripts."""
    return asdict(_plan(work, keys))


def _plan(work: Any, keys: Collection[str] | None) -> "TextPlan":
    from svta_assets.texts.costs import plan_texts

    if not work.catalog.partitions("texts"):
        raise click.ClickException("no texts are collected yet: materialize raw_texts, or run `make demo`")
    return plan_texts(work, keys)


def _cells(part: "Coming") -> dict[str, str]:
    return {
        "category": part.category,
        "task": part.task,
        "questions": f"{part.requests:,}",
        "tokens in": f"{part.prompt_tokens:,.0f}",
        "tokens out": f"{part.answer_tokens:,.0f}",
        "needs": "-" if part.seconds is None else duration(part.seconds / 3600),
        "price": money(part.price),
    }
