"""How long a plan will take, from what clips took before; large runs stop with their plan unless confirmed."""

import os
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from svta_assets.videos.costs import (
    ClipTime,
    Remaining,
    Spent,
    Yield,
    clip_time,
    device_hour_price,
    of_settings,
    outcome_of,
    remaining,
    rendered,
    spent,
    total,
)
from svta_assets.videos.plan import Mode, Plan
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

PAPER_CLIP_SECONDS = 45.0  # one clip at the paper's settings on one H200 (aim); used before anything was measured
PROCEDURAL_CLIP_SECONDS = 0.2
TINY_CLIP_SECONDS = 1.0  # wan:tiny on one processor


class PlanTooLarge(SvtaError):
    """The run would cost more generator hours than the profile allows without a confirmation."""


@dataclass(frozen=True)
class Ledger:
    """The clips of the configured generator, and what follows for those that remain.

    Attributes:
        rows: of `rendered`, all categories.
        now: those made with today's settings (all of them where none was): what projections rest on.
        time: seconds of a clip.
        price: of a device hour; None when none is set.
        devices: workers of the pool, each with a device of its own.
    """

    rows: pl.DataFrame
    now: pl.DataFrame
    time: ClipTime
    price: float | None
    devices: int

    def spent(self, categories: Collection[str]) -> Spent:
        """What the clips of these categories have cost."""
        return spent(self.rows.filter(pl.col("category").is_in(list(categories))))

    def seen(self, categories: Collection[str]) -> Yield:
        """Yield of the clips that these categories have under today's settings."""
        return outcome_of(self.now.filter(pl.col("category").is_in(list(categories))))

    def _basis(self, categories: Collection[str]) -> Yield:
        """What a projection for these categories rests on: their own yield, else that of all clips."""
        own = self.seen(categories)
        return own if own.made else outcome_of(self.now)

    def remaining(self, plan: Plan) -> Remaining:
        """What a plan will cost."""
        return remaining(plan, self.time, self.price, self._basis([plan.category]))

    def total(self, plans: Collection[Plan]) -> Remaining:
        """What several plans will cost together; the yield is that of the categories with something to make."""
        basis = self._basis([plan.category for plan in plans if plan.jobs])
        return total([self.remaining(plan) for plan in plans], self.time, self.price, basis)


def open_ledger(work: Workspace) -> Ledger:
    """Read what clips have cost. Raises SvtaError when SVTA_GPU_HOUR_PRICE is not a price."""
    price = device_hour_price()
    rows = rendered(work.catalog.read("clips"), work.profile.generator)
    now = of_settings(rows, work.generator.recipe())
    return Ledger(rows, now, clip_time(now, estimated_seconds(work.profile.generator)), price, device_count(work))


def estimated_seconds(generator: str) -> float:
    """Seconds of a clip before one was measured."""
    name = generator.partition("?")[0]
    return {"procedural": PROCEDURAL_CLIP_SECONDS, "wan:tiny": TINY_CLIP_SECONDS}.get(name, PAPER_CLIP_SECONDS)


def device_count(work: Workspace) -> int:
    """Workers that the profile's pool starts here: one for each GPU that can hold the model, else for each processor.

    One where the generator needs a GPU and none is here: plans are made on machines without one, too.
    """
    from svta_resources.gpu import cards
    from svta_resources.video.generator import DeviceGenerator

    profile, generator = work.profile, work.generator
    if profile.pool == "inline":
        return 1
    if profile.pool == "ray":
        return profile.workers or 1  # how many devices a cluster has is asked when it is joined, never by a plan
    if isinstance(generator, DeviceGenerator):
        if usable := [card for card in cards() if generator.usable(card)]:
            return min(profile.workers or len(usable), len(usable))
        try:
            generator.check_device()
        except SvtaError:
            return 1
    return profile.workers or len(os.sched_getaffinity(0))


def seconds_per_clip(work: Workspace) -> float:
    """Median seconds of one device that a clip took with the configured generator; an estimate before the first one."""
    return open_ledger(work).time.seconds


def generator_hours(plan: Plan, per_clip_s: float) -> float:
    """Hours of one device that a plan needs."""
    return plan.renders * per_clip_s / 3600


def confirm_size(work: Workspace, category: str, mode: Mode, only: Collection[str] | None, confirmed: bool) -> None:
    """Raise PlanTooLarge when the plan exceeds the profile's limit and nobody confirmed it."""
    if confirmed:
        return
    from svta_assets.videos.produce import plan_category

    limit = work.profile.confirm_above_gpu_hours
    plan = plan_category(work, category, mode, only)
    hours = generator_hours(plan, seconds_per_clip(work))
    if hours > limit:
        raise PlanTooLarge(
            f"{category}: {plan.renders} clips would take about {hours:.1f} generator hours, more than the {limit:g} "
            f"of profile {work.profile.name}; look at `svta plan`, make a few first with `pilot: 4` (CLI: --pilot 4), "
            "or run with `confirm: true` (CLI: --confirm)"
        )
