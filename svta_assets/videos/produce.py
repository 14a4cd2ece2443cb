"""Making the clips of one category: plan, render in the pool, publish, gate, promote. No Dagster in here."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.gates import load_thresholds
from svta_assets.schemas import REJECTS
from svta_assets.texts.drops import standing
from svta_assets.videos.plan import CategoryState, Mode, Plan, plan_clips
from svta_assets.videos.projection import clip_rows, project_clips, read_cards
from svta_assets.videos.takes import promote
from svta_assets.workspace import Workspace
from svta_models.media_store import StoreError
from svta_resources.errors import SvtaError
from svta_resources.video.clip_worker import CLIPS, ClipJob, Refused
from svta_resources.video.pool import Pool

Progress = Callable[[int, int], None]  # clips done, clips planned


@dataclass
class Outcome:
    """What a run did to a category."""

    plan: Plan
    clips: pl.DataFrame
    made: int = 0
    promoted: int = 0
    retried: int = 0  # clips whose worker was lost, so that another one made them or gave up
    worker_seconds: float = 0.0
    failed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return int((self.clips["status"] == "accepted").sum())

    @property
    def rejected(self) -> int:
        return self.clips.height - self.accepted


def category_state(work: Workspace, category: str) -> CategoryState:
    """Read what is known of a category, from the cards themselves (one LIST)."""
    cards = read_cards(work.store, category)
    return CategoryState(
        category,
        standing(work.catalog, category),
        clip_rows(cards.whole, load_thresholds(work.profile.name)),
        work.catalog.read("promotions", category),
        tuple(cards.damaged),
    )


def recorded_state(work: Workspace, category: str) -> CategoryState:
    """What the table says of a category whose verdicts were just brought up to date (`projection.rejudge`).

    Where the table does not name exactly the clips that are there, after a killed run for example, the cards are read.
    """
    clips = work.catalog.read("clips", category)
    present = {item.key for item in work.store.list(f"{CLIPS}/{category}")}
    named = {uri.removesuffix(".mp4") + ending for uri in clips["uri"] for ending in (".mp4", ".json")}
    if present != named:
        return category_state(work, category)
    return CategoryState(category, standing(work.catalog, category), clips, work.catalog.read("promotions", category))


def plan_category(work: Workspace, category: str, mode: Mode, only: Collection[str] | None = None) -> Plan:
    """Plan a category. Raises SvtaError when `only` names a pair the category does not have."""
    state = category_state(work, category)
    unknown = sorted(set(only or ()) - set(state.descriptions["pair_id"]))
    if unknown:
        shown = ", ".join(unknown[:3])
        raise SvtaError(
            f"category {category} has no pair {shown}, or a reviewer dropped it; `svta status` counts its pairs"
        )
    return plan_clips(state, work.generator, mode, only, _finished(work))


def _finished(work: Workspace) -> dict[str, tuple[str, str]]:
    """Recipes that have been rendered anywhere, to copy equal ones from."""
    clips = work.catalog.read("clips").filter(pl.col("same_pixels_as").is_null())
    rows = clips.select("recipe_sha", "clip_id", "uri").iter_rows()
    return {recipe: (clip, uri) for recipe, clip, uri in rows}


def produce(
    work: Workspace, category: str, mode: Mode, only: Collection[str] | None, pool: Pool, progress: Progress
) -> Outcome:
    """Make what the plan says; every finished clip is published at once, so that a killed run loses nothing.

    Raises StoreError as soon as the store fails a worker: its clips are no rejects, the next run makes them.
    """
    work.store.sweep_partials(f"{CLIPS}/{category}")
    plan = plan_category(work, category, mode, only)
    outcome = Outcome(plan, work.catalog.tables["clips"].empty())
    thresholds = load_thresholds(work.profile.name)
    try:
        for wave in _waves(plan):
            for done in pool.run(wave):
                outcome.retried += bool(done.deaths)
                if isinstance(done.result, Refused):
                    raise StoreError(done.result.why)
                if done.result is None:
                    outcome.failed.append(_reject(done.job, done.error or "no reason given"))
                else:
                    outcome.made += 1
                    outcome.worker_seconds += done.result["seconds"]
                progress(outcome.made + len(outcome.failed), len(plan.jobs))
    finally:  # also after a failure or Ctrl-C: what is finished is on record
        outcome.clips = project_clips(work.catalog, category, thresholds)
        _publish_rejects(work, category, outcome)
    if work.profile.promote == "auto":
        outcome.promoted = promote(work.catalog, category, by="auto")
        outcome.clips = project_clips(work.catalog, category, thresholds) if outcome.promoted else outcome.clips
    return outcome


def _waves(plan: Plan) -> Iterator[list[ClipJob]]:
    """Renders first, then the copies that may need them."""
    yield [job for job in plan.jobs if job.copy_uri is None]
    yield [job for job in plan.jobs if job.copy_uri is not None]


def _reject(job: ClipJob, error: str) -> dict[str, Any]:
    return {"stage": "videos", "key": job.clip_id, "reason": "not rendered", "detail": error[-2000:]}


def _publish_rejects(work: Workspace, category: str, outcome: Outcome) -> None:
    """Keep the reasons of clips that still do not exist; one that was rendered since leaves the list."""
    name = f"videos.{category}"
    failed = {row["key"]: row for row in outcome.failed}
    have = set(outcome.clips["clip_id"])
    before = [row for row in work.catalog.read("rejects", name).iter_rows(named=True) if row["key"] not in have]
    rows = {**{row["key"]: row for row in before}, **failed}
    work.catalog.publish("rejects", name, REJECTS.frame(list(rows.values())))


class Eta:
    """Says how far a long job is and when it will end, at most every few seconds."""

    def __init__(self, say: Callable[[str], None], what: str, every_s: float = 5.0) -> None:
        self._say, self._what, self._every = say, what, every_s
        self._began = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < self._every and done < total:
            return
        self._last = now
        left = (now - self._began) / max(done, 1) * (total - done)
        self._say(f"{self._what}: {done}/{total}, {left:.0f} s left")
