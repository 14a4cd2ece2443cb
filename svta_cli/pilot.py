"""`svta regen --pilot N`: a few clips of each category first, then what the rest will yield, take and cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_assets.regeneration.selection import Chosen
    from svta_assets.videos.pilot import Projection
    from svta_assets.videos.plan import Plan
    from svta_assets.videos.sizes import Ledger
    from svta_cli.asked import Asked

Regenerate = Callable[[dict[str, Any]], Exception | None]  # run config of the job `regenerate` -> its failure


def run_pilot(work: Any, asked: "Asked", chosen: "Chosen", count: int, regenerate: Regenerate) -> None:
    """Make the pilot's clips and print the projection; what was finished is projected before a failure is raised.

    Labels, splits and the release are left alone: they follow when the rest is made.
    """
    from svta_assets.videos.costs import device_hour_price
    from svta_cli.plan import plans_chosen

    device_hour_price()  # a wrong setting is said before anything is made
    plans = plans_chosen(work, chosen, asked.mode)
    busy = [plan.category for plan in plans if plan.renders]
    if not busy:
        click.echo(_nothing_to_make(chosen.categories, plans, asked.mode))
        return
    for plan in plans:
        if plan.renders < count:
            click.echo(f"{plan.category}: only {plan.renders} of {count} clips are left to render")
    failure = regenerate(asked.config(busy, count))
    show_projection(work, asked, busy)
    if failure:
        raise failure


def _nothing_to_make(keys: list[str], plans: "list[Plan]", mode: str) -> str:
    names = ", ".join(keys)
    if waiting := sum(plan.waiting for plan in plans):
        return f"nothing to render in {names}: {waiting} candidates wait for `svta regen --promote` or `--discard`"
    if copies := sum(len(plan.jobs) for plan in plans):
        return f"nothing to render in {names}: {copies} clips are copies of others; make them without --pilot"
    other = "" if mode == "new_take" else "; for another take of each pair use --mode new_take"
    return f"nothing to make in {names} with mode {mode}{other}"


def show_projection(work: Any, asked: "Asked", keys: list[str]) -> None:
    """Print what the clips that are there say about the rest, and the command that makes it."""
    from rich.console import Console

    from svta_assets.regeneration.selection import choose
    from svta_assets.videos.pilot import project
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.sizes import open_ledger
    from svta_cli import figures

    ledger, now = open_ledger(work), choose(work, asked.wish)  # filters look at the pilot's clips, too
    found = [project(work, ledger, key, Mode(asked.mode), now.pairs[key]) for key in keys if now.pairs[key] != []]
    if not found:
        click.echo("no pair is meant any more: the pilot has made what the filters asked for")
        return
    console = Console(highlight=False)
    console.print(figures.table(_rows(found, ledger), keep=("category", "made", "render", "needs")))
    large = any(one.rest.device_hours > work.profile.confirm_above_gpu_hours for one in found)
    command = asked.command([one.category for one in found], large)
    for line in [*_time_and_price(found, ledger), *_how_to_go_on(found, asked.mode, command)]:
        console.print(line, soft_wrap=True)


def _rows(found: "list[Projection]", ledger: "Ledger") -> list[dict[str, str]]:
    rows = [_row(one.category, [one], ledger) for one in found]
    return [*rows, _row("all", found, ledger)] if len(found) > 1 else rows


def _row(name: str, found: "list[Projection]", ledger: "Ledger") -> dict[str, str]:
    from svta_cli import figures

    seen, rest = ledger.seen([one.category for one in found]), ledger.total([one.plan for one in found])
    return {
        "category": name,
        "made": figures.count(seen.made),
        "yield (95%)": figures.share(seen),
        "render": figures.count(rest.render),
        "copy": figures.count(rest.copy),
        "needs": figures.duration(rest.device_hours),
        "price": figures.money(rest.price),
        "to pass": figures.expected(rest.accepted) if rest.render + rest.copy else "-",
    }


def _time_and_price(found: "list[Projection]", ledger: "Ledger") -> list[str]:
    from svta_cli import figures

    rest, time = ledger.total([one.plan for one in found]), ledger.time
    basis = f"median of {time.clips} clips" if time.clips else "an estimate: no clip was made"
    lines = [f"one device makes {time.per_hour:.0f} clips an hour, {time.seconds:.2f} s each ({basis})"]
    workers = min(ledger.devices, rest.render)
    if workers > 1:
        lines.append(f"wall time: about {figures.duration(rest.device_hours / workers)} with {workers} devices at once")
    if rest.price is not None and rest.render:
        lines.append(f"price of the rest: {figures.money(rest.price)} at {ledger.price:g} a device hour")
    return lines


def _how_to_go_on(found: "list[Projection]", mode: str, command: str) -> list[str]:
    lines = []
    if mode != "missing":
        lines.append("new takes of a pilot are candidates; nothing that stands has changed")
    if any(one.plan.jobs for one in found):
        return [*lines, "labels and release follow with the rest:", f"  {command}"]
    return [*lines, "nothing is left to make; labels and release follow with:", f"  {command}"]
