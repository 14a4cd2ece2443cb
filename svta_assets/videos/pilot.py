"""A pilot: a few clips of a category's plan first, so that yield, hours and price of the rest are known before it.

A pilot's clips are clips like any other, and the same request without `pilot` makes only what is left of the plan. A
pilot promotes nothing: new takes of it are candidates until that second run (or `svta regen --promote`).
"""

import hashlib
import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from svta_assets.videos.costs import Remaining, Yield, device_hour_price
from svta_assets.videos.plan import Mode, Plan
from svta_assets.videos.sizes import Ledger
from svta_assets.workspace import Workspace


def pilot_pairs(plan: Plan, count: int) -> list[str]:
    """Pairs of the pilot: at most `count` renders, no copies, drawn by hash so that they spread over the captions.

    The same plan gives the same pairs, and a larger pilot contains a smaller one.
    """
    renders: dict[str, int] = {}
    for job in plan.jobs:
        if job.copy_uri is None:
            renders[job.pair_id] = renders.get(job.pair_id, 0) + 1
    chosen, left = [], count
    for pair in sorted(renders, key=lambda pair: hashlib.sha256(f"pilot/{pair}".encode()).digest()):
        if renders[pair] <= left:  # a pair has several where files of earlier takes are gone
            chosen.append(pair)
            left -= renders[pair]
    return sorted(chosen)


def start_pilot(
    work: Workspace, category: str, mode: Mode, only: Collection[str] | None, count: int
) -> tuple[Workspace, list[str]]:
    """The workspace a pilot works in, which promotes nothing, and the pairs it makes.

    Raises SvtaError when SVTA_GPU_HOUR_PRICE is not a price: before a clip is made, not after.
    """
    from svta_assets.videos.produce import plan_category

    device_hour_price()
    pairs = pilot_pairs(plan_category(work, category, mode, only), count)
    profile = replace(work.profile, promote="manual")
    return replace(work, home=replace(work.home, profile=profile)), pairs


@dataclass(frozen=True)
class Projection:
    """What remains of a category's plan, and the yield its clips have shown (none: `rest` goes by other categories)."""

    plan: Plan
    seen: Yield
    rest: Remaining

    @property
    def category(self) -> str:
        return self.plan.category


def project(work: Workspace, ledger: Ledger, category: str, mode: Mode, only: Collection[str] | None) -> Projection:
    """Plan what is left after a pilot and say what it will take."""
    from svta_assets.videos.produce import plan_category

    plan = plan_category(work, category, mode, only)
    return Projection(plan, ledger.seen([category]), ledger.remaining(plan))


def rest_command(work: Workspace, projections: Collection[Projection], mode: Mode, only: Collection[str] | None) -> str:
    """The command that makes the rest of these plans and brings labels and release into step."""
    words = ["svta", "regen", *(one.category for one in projections), "--mode", mode.value]
    for pair in only or ():
        words += ["--only", pair]
    if any(one.rest.device_hours > work.profile.confirm_above_gpu_hours for one in projections):
        words.append("--confirm")
    return shlex.join(words)


def pilot_metadata(work: Workspace, category: str, mode: Mode, only: Collection[str] | None) -> dict[str, Any]:
    """The projection as metadata of the run."""
    from svta_assets.videos.sizes import open_ledger

    ledger = open_ledger(work)
    found = project(work, ledger, category, mode, only)
    rest, interval = found.rest, found.seen.interval
    said = f" (95% interval {interval[0]:.0%} to {interval[1]:.0%})" if interval else ""
    facts: dict[str, Any] = {
        "pilot: yield": f"{found.seen.accepted} of {found.seen.made} accepted{said}",
        "pilot: clips to render": rest.render,
        "pilot: device hours to come": round(rest.device_hours, 3),
        "pilot: wall hours to come": round(rest.device_hours / max(1, min(ledger.devices, rest.render)), 3),
        "pilot: seconds per clip": round(ledger.time.seconds, 3),
        "pilot: command for the rest": rest_command(work, [found], mode, only),
    }
    if rest.price is not None:
        facts["pilot: price to come"] = round(rest.price, 2)
    if rest.accepted is not None:
        facts["pilot: accepted to come"] = f"{rest.accepted[0]:.0f} ({rest.accepted[1]:.0f} to {rest.accepted[2]:.0f})"
    return facts
