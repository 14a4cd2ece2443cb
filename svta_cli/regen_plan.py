"""`svta regen --plan`: clips, device time, price and tokens, and what falls behind once the clips stand."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svta_assets.regeneration.consequences import Consequences
    from svta_assets.regeneration.selection import Chosen
    from svta_assets.videos.plan import Plan
    from svta_cli.asked import Asked


def show_plan(work: Any, asked: "Asked", chosen: "Chosen", pilot: int | None) -> None:
    """Print what a regeneration would make and what follows from it. Changes nothing."""
    from rich.console import Console

    from svta_assets.regeneration.consequences import consequences
    from svta_cli.plan import plans_chosen, show_plans

    if pilot:
        chosen = pilot_of(work, chosen, asked.mode, pilot)
    plans = plans_chosen(work, chosen, asked.mode)
    show_plans(work, plans, asked.mode)
    console = Console(highlight=False)
    if asked.filters.as_dict():
        console.print(f"filters: {asked.filters}", soft_wrap=True)
    if chosen.spared:
        console.print(f"spared: {chosen.spared} pairs of the test split keep their clips")
    if any(plan.jobs for plan in plans):
        at_once = asked.mode == "missing" or work.profile.promote == "auto"
        for line in _lines(consequences(work, plans), pilot is not None, at_once):
            console.print(line, soft_wrap=True)


def pilot_of(work: Any, chosen: "Chosen", mode: str, count: int) -> "Chosen":
    """The pairs that a pilot of `count` clips a category would make."""
    from svta_assets.videos.pilot import pilot_pairs
    from svta_cli.plan import plans_chosen

    plans: list[Plan] = plans_chosen(work, chosen, mode)
    return replace(chosen, pairs={plan.category: list(pilot_pairs(plan, count)) for plan in plans})


def _lines(found: "Consequences", pilot: bool, at_once: bool) -> list[str]:
    lines = [_tokens(found)]
    if pilot:
        return [*lines, "falls behind: nothing; the clips of a pilot are settled with the rest"]
    when = "" if at_once else " when the new clips are promoted"
    behind = []
    if found.replaced:
        behind.append(f"labels of {found.replaced} pairs (which clip stands, not what they say)")
    if found.added:
        behind.append(f"labels of {found.added} pairs that get their first clip")
    if found.release_falls_behind:
        parts = ", ".join(f"{count} {split}" for split, count in found.splits.items())
        behind.append(f"release {found.release}" + (f" ({parts} pairs)" if parts else ""))
    if found.release_falls_behind and found.checkpoints:
        behind.append(f"{len(found.checkpoints)} checkpoints trained on it ({', '.join(found.checkpoints)})")
    if found.release_falls_behind and found.evaluations:
        behind.append(f"{len(found.evaluations)} evaluations on it")
    lines.append(f"falls behind{when}: {'; '.join(behind) or 'nothing'}")
    if found.splits.get("test"):
        lines.append(f"test split: {found.splits['test']} of these pairs; --spare-test leaves them as they are")
    return lines


def _tokens(found: "Consequences") -> str:
    if found.questions is None or found.tokens is None:
        return f"tokens: not known ({found.unknown})"
    if not found.questions:
        return "tokens: none; a label's question holds the caption, not the clip"
    return f"tokens: about {found.tokens:,.0f} for {found.questions} questions about labels that are open"
