"""`svta plan`."""

from collections import Counter
from typing import Any

import click

MODES = ("missing", "stale", "retry_rejected", "new_take")


@click.command()
@click.argument("categories", nargs=-1)
@click.option("--category", "-c", "more", multiple=True, help="The same as an argument.")
@click.option("--mode", type=click.Choice(MODES), default="missing", show_default=True)
def command(categories: tuple[str, ...], more: tuple[str, ...], mode: str) -> None:
    """What a run of `videos` would make, how long it takes, and why. Changes nothing."""
    from svta_assets.categories import load_categories
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys

    work = open_workspace()
    described = set(work.catalog.partitions("descriptions"))
    keys = category_keys((*categories, *more)) or [one.key for one in load_categories() if one.key in described]
    show(work, keys, mode)


def show(work: Any, keys: list[str], mode: str, only: list[str] | None = None) -> None:
    """Print the plan of some categories, categories with nothing to do in one line."""
    from rich.console import Console

    from svta_assets.videos.sizes import seconds_per_clip

    console = Console(highlight=False)
    if not keys:
        console.print("nothing is described yet: materialize raw_texts and llm_descriptions, or run `make demo`")
        return
    per_clip = seconds_per_clip(work)
    plans = [plan for key in keys if (plan := _plan(work, key, mode, only))]
    busy = [plan for plan in plans if plan.jobs or plan.stale or plan.waiting]
    if busy:
        console.print(_table(busy, per_clip))
    idle = [plan.category for plan in plans if plan not in busy]
    if idle:
        console.print(f"nothing to do in {len(idle)}: {', '.join(idle)}", soft_wrap=True)
    for line in _totals(plans, mode, per_clip, work.profile.confirm_above_gpu_hours):
        console.print(line, soft_wrap=True)


def _plan(work: Any, key: str, mode: str, only: list[str] | None) -> Any:
    """The plan of a category; None where `only` names pairs of other categories alone."""
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category

    if only is None:
        return plan_category(work, key, Mode(mode))
    chosen = [pair for pair in only if pair in set(work.catalog.read("descriptions", key)["pair_id"])]
    return plan_category(work, key, Mode(mode), chosen) if chosen else None


def _table(plans: list[Any], per_clip: float) -> Any:
    from rich.table import Table

    from svta_assets.videos.sizes import generator_hours

    table = Table("category", "to render", "to copy", "current", "stale", "waiting", "minutes", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for plan in plans:
        cells = (plan.renders, len(plan.jobs) - plan.renders, plan.current, len(plan.stale), plan.waiting)
        table.add_row(plan.category, *map(str, cells), f"{generator_hours(plan, per_clip) * 60:.1f}")
    return table


def _totals(plans: list[Any], mode: str, per_clip: float, limit_h: float) -> list[str]:
    from svta_assets.videos.sizes import generator_hours

    renders = sum(plan.renders for plan in plans)
    copies = sum(len(plan.jobs) for plan in plans) - renders
    hours = sum(generator_hours(plan, per_clip) for plan in plans)
    lines = [
        f"mode {mode}: {renders} clips to render, {copies} to copy; about {hours * 60:.1f} minutes ({hours:.2f} hours) "
        f"of one device at {per_clip:.2f} s a clip"
    ]
    large = [plan.category for plan in plans if generator_hours(plan, per_clip) > limit_h]
    if large:
        lines.append(f"more than {limit_h:g} hours, so they need --confirm: {', '.join(large)}")
    why = Counter(part for plan in plans for parts in plan.stale.values() for part in parts)
    if why:
        said = ", ".join(f"{part} ({count} clips)" for part, count in why.most_common())
        lines.append(f"stale because these parts of the recipe differ: {said}")
    return lines
