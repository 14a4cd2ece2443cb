"""`svta plan`."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_assets.regeneration.selection import Chosen
    from svta_assets.videos.costs import Spent
    from svta_assets.videos.plan import Plan
    from svta_assets.videos.sizes import Ledger

MODES = ("missing", "stale", "retry_rejected", "new_take")
NOTHING_DESCRIBED = "nothing is described yet: materialize raw_texts and llm_descriptions, or run `make demo`"


@click.command()
@click.argument("categories", nargs=-1)
@click.option("--category", "-c", "more", multiple=True, help="The same as an argument.")
@click.option("--mode", type=click.Choice(MODES), default="missing", show_default=True)
@click.option("--stages", is_flag=True, help="Also device time by stage, memory and steps of every category.")
@click.option("--texts", is_flag=True, help="What descriptions and labels would ask of the language model instead.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(
    categories: tuple[str, ...], more: tuple[str, ...], mode: str, stages: bool, texts: bool, as_json: bool
) -> None:
    """What a run of `videos` would make, why, and its time and price; what clips have cost so far. Changes nothing."""
    from svta_assets.categories import load_categories
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys

    work = open_workspace()
    if texts:
        _texts(work, category_keys((*categories, *more)) or None, as_json)
        return
    described = set(work.catalog.partitions("descriptions"))
    keys = category_keys((*categories, *more)) or [one.key for one in load_categories() if one.key in described]
    if as_json:
        click.echo(json.dumps(gather(work, keys, mode), indent=2))
    elif keys:
        show_plans(work, plans_of(work, keys, mode), mode, stages)
    else:
        click.echo(NOTHING_DESCRIBED)


def _texts(work: Any, keys: list[str] | None, as_json: bool) -> None:
    from svta_cli.plan_texts import gather_texts, show_texts

    if as_json:
        click.echo(json.dumps(gather_texts(work, keys), indent=2))
    else:
        show_texts(work, keys)


def plans_of(work: Any, keys: list[str], mode: str) -> "list[Plan]":
    """The plans of whole categories."""
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category

    return [plan_category(work, key, Mode(mode)) for key in keys]


def plans_chosen(work: Any, chosen: "Chosen", mode: str) -> "list[Plan]":
    """The plans of the chosen pairs, by category."""
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category

    return [plan_category(work, key, Mode(mode), chosen.pairs[key]) for key in chosen.categories]


def show_plans(work: Any, plans: "list[Plan]", mode: str, stages: bool = False) -> None:
    """Print plans and what the clips of their categories have cost so far."""
    from rich.console import Console

    from svta_assets.videos.sizes import open_ledger

    console, ledger = Console(highlight=False), open_ledger(work)
    busy = [plan for plan in plans if ledger.spent([plan.category]).clips or plan.jobs or plan.stale or plan.waiting]
    if busy:
        console.print(_table(busy, ledger))
    idle = [plan.category for plan in plans if plan not in busy]
    if idle:
        console.print(f"nothing to do in {len(idle)}: {', '.join(idle)}", soft_wrap=True)
    if stages and busy:
        console.print(_stages_table(busy, ledger))
    for line in [*_totals(plans, mode, ledger, work), *_spent_lines(plans, ledger, work, stages)]:
        console.print(line, soft_wrap=True)


def _table(plans: "list[Plan]", ledger: "Ledger") -> Any:
    """One row a category: what was made, what is to be made. Columns in which nothing stands are left out."""
    from svta_cli import figures

    rows = [_cells(plan.category, [plan], ledger) for plan in plans]
    if len(plans) > 1:
        rows.append(_cells("all", plans, ledger))
    return figures.table(rows, keep=("category", "render", "needs"))


def _cells(name: str, plans: "list[Plan]", ledger: "Ledger") -> dict[str, str]:
    from svta_cli import figures

    spent, left = ledger.spent([plan.category for plan in plans]), ledger.total(plans)
    return {
        "category": name,
        "made": figures.count(spent.clips),
        "yield (95%)": figures.share(spent.outcome),
        "spent": figures.duration(spent.device_hours),
        "render": figures.count(left.render),
        "copy": figures.count(left.copy),
        "stale": figures.count(sum(len(plan.stale) for plan in plans)),
        "waiting": figures.count(sum(plan.waiting for plan in plans)),
        "needs": figures.duration(left.device_hours),
        "price": figures.money(left.price),
    }


def _stages_table(plans: "list[Plan]", ledger: "Ledger") -> Any:
    from svta_assets.videos.costs import STAGES
    from svta_cli import figures

    groups = {plan.category: [plan.category] for plan in plans}
    if len(plans) > 1:
        groups["all"] = [plan.category for plan in plans]
    rows = []
    for name, keys in groups.items():
        spent = ledger.spent(keys)
        rows.append(
            {
                "spent in": name,
                **{stage: figures.duration(spent.stage_hours.get(stage, 0.0)) for stage in STAGES},
                "GB": "-" if spent.peak_memory_gb is None else f"{spent.peak_memory_gb:.1f}",
                "steps": "-" if spent.steps_computed is None else f"{spent.steps_computed:.1f}",
                "clips/h": "-" if spent.clips_per_hour is None else f"{spent.clips_per_hour:.0f}",
            }
        )
    return figures.table(rows, keep=("spent in", "clips/h"))


def _totals(plans: "list[Plan]", mode: str, ledger: "Ledger", work: Any) -> list[str]:
    from svta_cli import figures

    left, time = ledger.total(plans), ledger.time
    basis = f"median of {time.clips} clips" if time.clips else "an estimate: nothing was measured here yet"
    lines = [f"mode {mode}: {left.render} clips to render, {left.copy} to copy"]
    if left.render:
        lines.append(
            f"needs: about {figures.duration(left.device_hours)} of one device at {time.seconds:.2f} s a clip ({basis})"
        )
    workers = min(ledger.devices, left.render)
    if workers > 1:
        lines.append(f"wall time: about {figures.duration(left.device_hours / workers)} with {workers} devices at once")
    if left.price is not None and left.render:
        lines.append(f"price: {figures.money(left.price)} at {ledger.price:g} a device hour")
    if left.accepted and left.render + left.copy:
        lines.append(f"yield: {figures.expected(left.accepted)} of {left.render + left.copy} should pass the gates")
    return lines + _needs_confirmation(plans, ledger, work) + _why_stale(plans)


def _needs_confirmation(plans: "list[Plan]", ledger: "Ledger", work: Any) -> list[str]:
    large = too_large(plans, ledger, work)
    limit = work.profile.confirm_above_gpu_hours
    return [f"more than {limit:g} hours, so they need --confirm: {', '.join(large)}"] if large else []


def too_large(plans: "list[Plan]", ledger: "Ledger", work: Any) -> list[str]:
    """Categories whose plan stops unless it is confirmed."""
    limit = work.profile.confirm_above_gpu_hours
    return [plan.category for plan in plans if ledger.remaining(plan).device_hours > limit]


def _why_stale(plans: "list[Plan]") -> list[str]:
    why = _changed_parts(plans)
    said = ", ".join(f"{part} ({count} clips)" for part, count in why.most_common())
    return [f"stale because these parts of the recipe differ: {said}"] if why else []


def _changed_parts(plans: "list[Plan]") -> Counter[str]:
    return Counter(part for plan in plans for parts in plan.stale.values() for part in parts)


def _spent_lines(plans: "list[Plan]", ledger: "Ledger", work: Any, stages: bool) -> list[str]:
    """What the clips that are there have cost, in words."""
    from svta_cli import figures

    keys = [plan.category for plan in plans]
    spent = ledger.spent(keys)
    lines = []
    if spent.clips:
        speed = f", {spent.clips_per_hour:.0f} clips an hour" if spent.clips_per_hour else ""
        price = f", price {figures.money(spent.device_hours * ledger.price)}" if ledger.price is not None else ""
        lines.append(
            f"spent: {figures.duration(spent.device_hours)} of one device on {spent.clips} clips{speed}{price}"
        )
        lines += _by_stage(spent)
        lines += [] if stages else ["       by category: --stages"]
    others = work.catalog.read("clips").filter(~_made_by(work.profile.generator))
    others = others.filter(others["category"].is_in(keys))
    if others.height:
        names = ", ".join(sorted(set(others["generator"])))
        lines.append(f"not counted: {others.height} clips by {names}; now set: {work.profile.generator}")
    return lines


def _by_stage(spent: "Spent") -> list[str]:
    from svta_cli import figures

    parts = {name: figures.duration(hours) for name, hours in spent.stage_hours.items()}
    beside = parts.pop("encode", None)
    times = ", ".join(f"{name} {time}" for name, time in parts.items())
    said = [part for part in (times, f"beside it encode {beside}" if beside else "") if part]
    happened = [] if spent.peak_memory_gb is None else [f"at most {spent.peak_memory_gb:.1f} GB"]
    if spent.steps_computed is not None:
        steps = spent.steps_computed + (spent.steps_skipped or 0)
        happened.append(f"{spent.steps_computed:.1f} of {steps:.0f} steps computed")
    return [f"       {'; '.join(line)}" for line in (said, happened) if line]


def _made_by(generator: str) -> Any:
    import polars as pl

    return pl.col("generator") == generator


def gather(work: Any, keys: list[str], mode: str) -> dict[str, Any]:
    """Everything `svta plan` says, as plain values; hours and prices are of one device."""
    from svta_assets.videos.sizes import open_ledger

    ledger, plans = open_ledger(work), plans_of(work, keys, mode)
    return {
        "profile": work.profile.name,
        "generator": work.profile.generator,
        "mode": mode,
        "seconds_per_clip": ledger.time.seconds,
        "measured_on_clips": ledger.time.clips,
        "devices": ledger.devices,
        "price_per_device_hour": ledger.price,
        "categories": [_facts([plan], ledger) | {"category": plan.category} for plan in plans],
        "all": _facts(plans, ledger),
        "needs_confirmation": too_large(plans, ledger, work),
        "stale_because": dict(_changed_parts(plans)),
    }


def _facts(plans: "list[Plan]", ledger: "Ledger") -> dict[str, Any]:
    spent, left = ledger.spent([plan.category for plan in plans]), ledger.total(plans)
    price = None if ledger.price is None else spent.device_hours * ledger.price
    return {
        "current": sum(plan.current for plan in plans),
        "stale": sum(len(plan.stale) for plan in plans),
        "waiting": sum(plan.waiting for plan in plans),
        "spent": spent.to_dict() | {"price": price},
        "remaining": left.to_dict() | {"wall_hours": left.device_hours / max(1, min(ledger.devices, left.render))},
    }
