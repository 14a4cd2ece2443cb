"""What the next night would do: clips that are missing, stale ones, new takes of the weakest, within a budget.

Only reads. The schedule turns the parts into runs; `svta nightly` prints them.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from svta_assets.categories import load_categories
from svta_assets.regeneration.budget import fitting_part
from svta_assets.regeneration.facts import gather_facts
from svta_assets.regeneration.policy import Ranked, must_wait, rank
from svta_assets.regeneration.selection import TEST, pairs_of_split
from svta_assets.regeneration.settings import Automation, settings_of
from svta_assets.regeneration.validation import outdated
from svta_assets.texts.drops import standing
from svta_assets.videos.plan import CategoryState, Mode, Plan, plan_clips
from svta_assets.videos.sizes import open_ledger
from svta_assets.workspace import Workspace

MISSING, STALE, WEAKEST = PARTS = ("missing", "stale", "weakest")
_MODES = {MISSING: Mode.MISSING, STALE: Mode.STALE, WEAKEST: Mode.NEW_TAKE}
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Share:
    """What one category gets of a night.

    Attributes:
        renders: clips that cost device time. pairs: of these and of the copies.
        whole: whether a run of the category makes just these by itself, so that no pair need be named.
        why: in words.
    """

    category: str
    renders: int
    pairs: list[str]
    whole: bool
    why: str


@dataclass(frozen=True)
class Part:
    """One run of a night."""

    name: str
    mode: Mode
    shares: list[Share]
    device_hours: float

    @property
    def renders(self) -> int:
        """Clips that cost device time."""
        return sum(share.renders for share in self.shares)

    @property
    def pairs(self) -> list[str]:
        """Pairs to restrict the run to; empty where whole plans are made."""
        if all(share.whole for share in self.shares):
            return []
        return [pair for share in self.shares for pair in share.pairs]


@dataclass(frozen=True)
class Night:
    """A night as planned.

    Attributes:
        seconds_per_clip: of one device, the median of `measured_on` clips (0: an estimate).
        ranked: categories by weakness. waits: category -> why it gets no new takes by weakness.
        unrendered: clips that could not be made before; a night does not try them again.
        cut: clips that did not fit into the budget.
        unvalidated: models whose newest checkpoint has no validation ranks.
    """

    settings: Automation
    seconds_per_clip: float
    measured_on: int
    parts: list[Part]
    ranked: list[Ranked] = field(default_factory=list)
    waits: dict[str, str] = field(default_factory=dict)
    unrendered: int = 0
    cut: int = 0
    unvalidated: list[str] = field(default_factory=list)

    @property
    def device_hours(self) -> float:
        return sum(part.device_hours for part in self.parts)


def plan_night(work: Workspace, now: datetime | None = None, settings: Automation | None = None) -> Night:
    """Plan the next night from the tables. Raises SettingsError, or SvtaError where the generator cannot be asked."""
    return _Planner(work, settings or settings_of(work), now or datetime.now(UTC)).night()


class _Planner:
    def __init__(self, work: Workspace, settings: Automation, now: datetime) -> None:
        self._work, self._settings, self._now = work, settings, now
        self._clips = work.catalog.read("clips")
        self._time = open_ledger(work).time
        self._left_s = settings.night.gpu_hours_per_night * _HOUR_S
        self._spared = set() if settings.night.include_test else pairs_of_split(work, TEST)
        self._unrendered = _unrendered(work)
        self._elsewhere = _finished(self._clips)
        self._cut = 0

    def night(self) -> Night:
        night, keys = self._settings.night, self._keys()
        ranked = rank(gather_facts(self._work, keys), self._settings.weakness, self._now)
        waits = {one.category: why for one in ranked if (why := must_wait(one.facts))}
        parts = [
            self._part(MISSING, dict.fromkeys(keys, "clips are missing")) if night.missing else None,
            self._part(STALE, dict.fromkeys(keys, "the recipe has changed")) if night.stale else None,
            self._part(WEAKEST, {one.category: str(one) for one in ranked if one.category not in waits}, night.weakest),
        ]
        return Night(
            settings=self._settings,
            seconds_per_clip=self._time.seconds,
            measured_on=self._time.clips,
            parts=[part for part in parts if part is not None and part.shares],
            ranked=ranked,
            waits=waits,
            unrendered=len(self._unrendered),
            cut=self._cut,
            unvalidated=outdated(self._work),
        )

    def _keys(self) -> list[str]:
        described = set(self._work.catalog.partitions("descriptions"))
        known = [one.key for one in load_categories() if not one.retired and one.key in described]
        return [key for key in known if key not in self._settings.night.skip]

    def _part(self, name: str, why: dict[str, str], at_most: int | None = None) -> Part:
        """The run of a part: categories in the order given, as long as the budget lasts."""
        shares: list[Share] = []
        before = self._left_s
        for key, reason in why.items():
            if at_most is not None and len(shares) >= at_most:
                break
            if share := self._share(name, key, reason):
                shares.append(share)
        return Part(name, _MODES[name], shares, (before - self._left_s) / _HOUR_S)

    def _share(self, name: str, key: str, why: str) -> Share | None:
        meant = [pair for pair in standing(self._work.catalog, key)["pair_id"] if pair not in self._spared]
        pairs = meant
        if name == MISSING:  # asked of the rows first: reading the captions of a made dataset would take minutes
            have = set(self._rows(key)["pair_id"])
            meant = [pair for pair in meant if pair not in have]
            pairs = [pair for pair in meant if pair not in self._unrendered]
        plan = self._plan(key, _MODES[name], pairs) if pairs else None
        if plan is None or not plan.jobs:
            return None
        fits = fitting_part(plan, pairs, self._left_s, self._time.seconds)
        made = plan if fits is pairs else self._plan(key, _MODES[name], fits or [])
        self._cut += plan.renders - made.renders
        if not made.jobs:
            return None
        self._left_s -= made.renders * self._time.seconds
        whole = made is plan and len(pairs) == len(meant)
        return Share(key, made.renders, sorted({job.pair_id for job in made.jobs}), whole, why)

    def _rows(self, key: str) -> pl.DataFrame:
        """Rows of `clips` of a category."""
        return self._clips.filter(category=key)

    def _plan(self, key: str, mode: Mode, only: Collection[str] | None) -> Plan:
        """As a run would plan it, but from the table instead of every card: a tick answers within seconds."""
        catalog = self._work.catalog
        state = CategoryState(key, standing(catalog, key), self._rows(key), catalog.read("promotions", key))
        return plan_clips(state, self._work.generator, mode, only, self._elsewhere)


def run_config(night: Night, part: Part, request: str) -> dict[str, Any]:
    """Config of the op of `regenerate` for a part of a night.

    The run stops at its share of the budget, measured as it goes; what no part needs is the last one's reserve.
    """
    budget = night.settings.night.gpu_hours_per_night
    reserve = max(0.0, budget - night.device_hours) if part is night.parts[-1] else 0.0
    return {
        "categories": [share.category for share in part.shares],
        "mode": part.mode.value,
        "only": part.pairs,
        "include_test": night.settings.night.include_test,
        "confirm": True,  # the budget is the limit that somebody set
        "gpu_hours": part.device_hours + reserve,
        "request": request,
        "by": "nightly",
        "why": "; ".join(f"{share.category}: {share.why}" for share in part.shares),
    }


def _unrendered(work: Workspace) -> set[str]:
    """Pairs whose clip could not be rendered: trying them every night would spend the budget on errors."""
    rejects = work.catalog.read("rejects").filter(pl.col("stage") == "videos", pl.col("reason") == "not rendered")
    return {key.rpartition("-")[0] for key in rejects["key"]}


def _finished(clips: pl.DataFrame) -> dict[str, tuple[str, str]]:
    rows = clips.filter(pl.col("same_pixels_as").is_null()).select("recipe_sha", "clip_id", "uri").iter_rows()
    return {recipe: (clip, uri) for recipe, clip, uri in rows}
