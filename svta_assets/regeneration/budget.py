"""How many clips fit into a number of device seconds, by what clips have taken here."""

from svta_assets.videos.pilot import pilot_pairs
from svta_assets.videos.plan import Mode, Plan
from svta_assets.videos.produce import plan_category
from svta_assets.videos.sizes import open_ledger
from svta_assets.workspace import Workspace

ROUNDING_S = 1e-6  # hours there and back must not cost a clip


def fitting(
    work: Workspace, category: str, mode: str, only: list[str] | None, device_seconds: float
) -> list[str] | None:
    """Pairs of a plan whose renders fit into `device_seconds`: `only` itself where all of them do, [] where none does.

    A part of a plan is drawn by hash, as a pilot's is: it spreads over the captions, and copies wait for the rest.
    """
    plan = plan_category(work, category, Mode(mode), only)
    return fitting_part(plan, only, device_seconds, open_ledger(work).time.seconds)


def fitting_part(plan: Plan, only: list[str] | None, device_seconds: float, per_clip_s: float) -> list[str] | None:
    """The same for a plan that is there already."""
    left = max(device_seconds, 0.0) + ROUNDING_S
    if plan.renders * per_clip_s <= left:
        return only
    return pilot_pairs(plan, int(left // per_clip_s))
