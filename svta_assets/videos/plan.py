"""Which clips a run would make: the answer behind `videos`, `svta plan` and `svta regen --plan`."""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import polars as pl

from svta_assets.videos.projection import current_clips
from svta_models.identity import recipe_sha, take_seed
from svta_resources.video.clip_worker import ClipJob
from svta_resources.video.generator import SceneReader, VideoGenerator

BASE_SEED = 42  # SVTA paper, generation settings


class Mode(StrEnum):
    """What a run of `videos` makes."""

    MISSING = "missing"  # pairs that have no clip, or whose file is gone
    STALE = "stale"  # pairs whose current clip would be made differently today; keeps the seed
    RETRY_REJECTED = "retry_rejected"  # pairs none of whose clips was accepted
    NEW_TAKE = "new_take"  # another attempt for every pair, as a candidate beside the current clip


@dataclass(frozen=True)
class Plan:
    """The clips a run would make for one category.

    Attributes:
        jobs: what to render or copy.
        current: pairs whose clip is there and up to date.
        stale: pair_id -> names of what changed, for pairs whose current clip would be made differently today.
        waiting: pairs with a candidate that nobody has promoted or discarded yet.
    """

    category: str
    mode: Mode
    jobs: tuple[ClipJob, ...]
    current: int
    stale: dict[str, list[str]]
    waiting: int

    @property
    def renders(self) -> int:
        """Clips that cost generator time (copies do not)."""
        return sum(job.copy_uri is None for job in self.jobs)


@dataclass(frozen=True)
class CategoryState:
    """What is known of a category before planning."""

    category: str
    descriptions: pl.DataFrame  # columns pair_id, caption
    clips: pl.DataFrame  # rows of `clips`, straight from the cards
    promotions: pl.DataFrame
    damaged: tuple[dict[str, Any], ...] = ()  # recipe cards whose mp4 is gone


def clip_recipe(generator: VideoGenerator, caption: str, category: str, take: int, seed: int) -> dict[str, Any]:
    """Everything the user chose about a clip. The category counts only where the frames depend on it."""
    recipe: dict[str, Any] = {"caption": caption, "take": take, "seed": seed, "generator": generator.recipe()}
    hint = generator.hint(caption, category) if isinstance(generator, SceneReader) else None
    if hint is not None:
        recipe["category"] = hint
    return recipe


def plan_clips(
    state: CategoryState,
    generator: VideoGenerator,
    mode: Mode,
    only: Collection[str] | None = None,
    elsewhere: dict[str, tuple[str, str]] | None = None,
) -> Plan:
    """Decide what to make.

    Args:
        only: restrict to these pair_ids (None: all of the category).
        elsewhere: recipe_sha -> (clip_id, uri) of finished clips of any category, to copy equal recipes from.
    """
    chosen = set(state.descriptions["pair_id"]) if only is None else set(only)
    rows = state.descriptions.filter(pl.col("pair_id").is_in(list(chosen))).sort("pair_id")
    planner = _Planner(state, generator, mode)
    jobs = planner.repairs(chosen) if mode is Mode.MISSING else []
    jobs += [job for row in rows.iter_rows(named=True) if (job := planner.job_for(row["pair_id"], row["caption"]))]
    stale = {
        row["pair_id"]: changed
        for row in rows.iter_rows(named=True)
        if (changed := planner.what_changed(row["pair_id"], row["caption"]))
    }
    current = sum(pair in planner.current and pair not in stale for pair in rows["pair_id"])
    return Plan(state.category, mode, tuple(_share(jobs, elsewhere or {})), current, stale, planner.waiting)


class _Planner:
    def __init__(self, state: CategoryState, generator: VideoGenerator, mode: Mode) -> None:
        self.state, self.generator, self.mode = state, generator, mode
        self.waiting = 0
        self.takes: dict[str, list[dict[str, Any]]] = {}
        for row in state.clips.sort("take").iter_rows(named=True):
            self.takes.setdefault(row["pair_id"], []).append(row)
        self.by_clip = {row["clip_id"]: row for rows in self.takes.values() for row in rows}
        self.current = current_clips(state.clips, state.promotions)
        self.decided = _decided_takes(state.promotions)
        self.broken_pairs = {card["pair_id"] for card in state.damaged}
        self.highest = _highest_takes([*self.by_clip.values(), *state.damaged], self.decided)

    def repairs(self, chosen: Collection[str]) -> list[ClipJob]:
        """The very clips whose files are gone; under today's settings where those have changed since."""
        return [self._repair(card) for card in self.state.damaged if card["pair_id"] in chosen]

    def _repair(self, card: dict[str, Any]) -> ClipJob:
        pair, take, seed, caption = card["pair_id"], card["take"], card["seed"], card["caption"]
        if card["recipe"]["generator"] != self.generator.recipe():
            return self._job(pair, caption, take, seed)
        return ClipJob(pair, take, seed, self.state.category, caption, card["recipe"], repair=True)

    def job_for(self, pair: str, caption: str) -> ClipJob | None:
        match self.mode:
            case Mode.MISSING:
                return None if self.takes.get(pair) else self._fresh(pair, caption)
            case Mode.STALE:
                return self._next(pair, caption, keep_seed=True) if self.what_changed(pair, caption) else None
            case Mode.RETRY_REJECTED:
                rejected_only = self.takes.get(pair) and pair not in self.current
                return self._next(pair, caption) if rejected_only else None
            case Mode.NEW_TAKE:
                return self._next(pair, caption)

    def what_changed(self, pair: str, caption: str) -> list[str]:
        """Names of the recipe's parts that differ between the current clip and one made today."""
        if pair not in self.current:
            return []
        row = self.by_clip[self.current[pair]]
        today = self._today(row, caption)
        if recipe_sha(today) == row["recipe_sha"]:
            return []
        then = json.loads(row["recipe"])
        changed = [key for key in sorted({*today, *then}) if key != "generator" and today.get(key) != then.get(key)]
        now, before = today["generator"], then.get("generator", {})
        return changed + [f"generator.{key}" for key in sorted({*now, *before}) if now.get(key) != before.get(key)]

    def _fresh(self, pair: str, caption: str) -> ClipJob | None:
        """A clip for a pair that has none: take 0, or the next number where all earlier ones were deleted."""
        if pair in self.broken_pairs:
            return None  # mode missing repairs it under its own name
        take = self.highest.get(pair, -1) + 1
        return self._job(pair, caption, take, take_seed(BASE_SEED, take))

    def _next(self, pair: str, caption: str, keep_seed: bool = False) -> ClipJob | None:
        """The take after the highest one there ever was, unless a candidate still waits for a decision."""
        if not self.takes.get(pair):
            return self._fresh(pair, caption)
        standing = self.by_clip.get(self.current.get(pair, ""))
        if standing and self._waits(pair, caption, standing):
            return None
        take = self.highest[pair] + 1
        seed = standing["seed"] if keep_seed and standing else take_seed(BASE_SEED, take)
        return self._job(pair, caption, take, seed)

    def _waits(self, pair: str, caption: str, standing: dict[str, Any]) -> bool:
        """Whether a later take stands in the way of another one; counts those that wait for a person."""
        decided = max(self.decided.get(pair, -1), standing["take"])
        later = [row for row in self.takes[pair] if row["take"] > decided]
        if self.mode is Mode.STALE:  # a later take of today's recipe: rendering the same seed again changes nothing
            later = [row for row in later if recipe_sha(self._today(row, caption)) == row["recipe_sha"]]
        else:  # nobody can promote a rejected one, so it holds nothing up
            later = [row for row in later if row["status"] == "accepted"]
        self.waiting += any(row["status"] == "accepted" for row in later)
        return bool(later)

    def _today(self, row: dict[str, Any], caption: str) -> dict[str, Any]:
        """The recipe this take would have if it were made today."""
        return clip_recipe(self.generator, caption, self.state.category, row["take"], row["seed"])

    def _job(self, pair: str, caption: str, take: int, seed: int) -> ClipJob:
        recipe = clip_recipe(self.generator, caption, self.state.category, take, seed)
        return ClipJob(pair, take, seed, self.state.category, caption, recipe)


def _decided_takes(promotions: pl.DataFrame) -> dict[str, int]:
    """Highest take of each pair that a promotion, rollback or discard has covered."""
    if promotions.is_empty():
        return {}
    return dict(promotions.group_by("pair_id").agg(pl.col("last_take").max()).iter_rows())


def _highest_takes(cards: list[dict[str, Any]], decided: dict[str, int]) -> dict[str, int]:
    """Highest take each pair ever had: also of clips whose file is gone, or that were deleted after a decision."""
    highest = dict(decided)
    for card in cards:
        highest[card["pair_id"]] = max(card["take"], highest.get(card["pair_id"], -1))
    return highest


def _share(jobs: list[ClipJob], elsewhere: dict[str, tuple[str, str]]) -> list[ClipJob]:
    """Render equal recipes once: later jobs copy the first one's file, or that of a finished clip."""
    first: dict[str, tuple[str, str]] = dict(elsewhere)
    shared: list[ClipJob] = []
    for job in jobs:
        clip, uri = first.setdefault(job.recipe_sha, (job.clip_id, job.uri))
        shared.append(job if clip == job.clip_id else replace(job, copy_of=clip, copy_uri=uri))
    return sorted(shared, key=lambda job: job.copy_uri is not None)
