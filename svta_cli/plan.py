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
    from svta_assets.categories import category, load_categories
    from svta_assets.workspace import open_workspace

    work = open_workspace()
    keys = [category(key).key for key in (*categories, *more)]
    described = set(work.catalog.partitions("descriptions"))
    show(work, keys or [one.key for one in load_categories() if one.key in described], mode)


def show(work: Any, keys: list[str], mode: str, only: list[str] | None = None) -> None:
    """Print the plan of some categories."""
    from rich.console import Console
    from rich.table import Table

    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category
    from svta_assets.videos.sizes import generator_hours, seconds_per_clip

    per_clip = seconds_per_clip(work)
    plans = [plan_category(work, key, Mode(mode), only) for key in keys]
    console = Console(highlight=False)
    table = Table("category", "to render", "to copy", "current", "stale", "waiting", "minutes", box=None)
    for plan in plans:
        minutes = generator_hours(plan, per_clip) * 60
        cells = (plan.renders, len(plan.jobs) - plan.renders, plan.current, len(plan.stale), plan.waiting)
        table.add_row(plan.category, *map(str, cells), f"{minutes:.1f}")
    if plans:
        console.print(table)
    renders, hours = sum(plan.renders for plan in plans), sum(generator_hours(plan, per_clip) for plan in plans)
    console.print(f"mode {mode}: {renders} clips to render, about {hours * 60:.1f} minutes at {per_clip:.2f} s a clip")
    why = Counter(part for plan in plans for parts in plan.stale.values() for part in parts)
    if why:
        console.print("stale because of: " + ", ".join(f"{part} ({count} clips)" for part, count in why.most_common()))
    if not keys:
        console.print("nothing is described yet: materialize raw_texts and llm_descriptions, or run `make demo`")
