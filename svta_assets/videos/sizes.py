"""How long a plan will take, from what clips took before; large runs stop with their plan unless confirmed."""

from collections.abc import Collection

import polars as pl

from svta_assets.videos.plan import Mode, Plan
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

PAPER_CLIP_SECONDS = 45.0  # one clip at the paper's settings on one H200 (aim); used before anything was measured
PROCEDURAL_CLIP_SECONDS = 0.2


class PlanTooLarge(SvtaError):
    """The run would cost more generator hours than the profile allows without a confirmation."""


def seconds_per_clip(work: Workspace) -> float:
    """Median seconds a clip took with the configured generator; a documented estimate before the first one."""
    clips = work.catalog.read("clips").filter(
        (pl.col("generator") == work.profile.generator) & pl.col("same_pixels_as").is_null()
    )
    if clips.height:
        return float(clips["seconds"].median() or 0.0)  # type: ignore[arg-type]
    return PROCEDURAL_CLIP_SECONDS if work.profile.generator == "procedural" else PAPER_CLIP_SECONDS


def generator_hours(plan: Plan, per_clip_s: float) -> float:
    """Hours of one device that a plan needs."""
    return plan.renders * per_clip_s / 3600


def confirm_size(work: Workspace, category: str, mode: Mode, only: Collection[str] | None, confirmed: bool) -> None:
    """Raise PlanTooLarge when the plan exceeds the profile's limit and nobody confirmed it."""
    from svta_assets.videos.produce import plan_category

    limit = work.profile.confirm_above_gpu_hours
    plan = plan_category(work, category, mode, only)
    hours = generator_hours(plan, seconds_per_clip(work))
    if hours > limit and not confirmed:
        raise PlanTooLarge(
            f"{category}: {plan.renders} clips would take about {hours:.1f} generator hours, more than the {limit:g} "
            f"of profile {work.profile.name}; look at `svta plan`, then run with `confirm: true` (CLI: --confirm)"
        )
