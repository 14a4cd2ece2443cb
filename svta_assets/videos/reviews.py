"""Clip review: people look at a sample of the clips, as the paper's authors did, and say what they saw.

SVTA paper, clip generation: clips were inspected by eye. Here the sample is 1% of the release, at least one clip a
generation category, drawn by hash: the same release and seed give the same clips, and a release that has grown keeps
nearly all of those that were reviewed before.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from svta_assets.gates import load_thresholds
from svta_assets.reviewing import SEED, draw_sample, wilson_interval
from svta_assets.videos.projection import project_clips
from svta_assets.videos.verdicts import KEEP, REJECT, UNDO, newest_reviews
from svta_assets.workspace import Workspace, utc_now
from svta_models.media_store import MediaStore
from svta_resources.errors import SvtaError

SHARE = 0.01
_SHOWN = ("clip_id", "pair_id", "category", "caption", "uri")
_kept: dict[tuple[str, str], pl.DataFrame] = {}  # (url of the store, hash): clips of the release read last


@dataclass(frozen=True)
class Summary:
    """How the review of a release's sample stands; `low` and `high` bound the accepted share (None: none reviewed).

    The sample gives small categories at least one clip each, so `accepted_share` is the share of the sample, not an
    estimate weighted to the release.
    """

    release: str | None
    seed: int
    share: float
    pairs: int
    sample: int
    reviewed: int
    kept: int
    rejected: int
    accepted_share: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a dataset card."""
        return asdict(self)


def reviewable(work: Workspace, release: str | None = "latest") -> tuple[str | None, pl.DataFrame]:
    """Hash and clips (clip_id, pair_id, category, caption, uri) of a release; of the current clips before there is one.

    Raises SvtaError for a release that does not exist.
    """
    from svta_models.release import release_log, resolve

    if release == "latest" and not release_log(work.store):
        return None, work.catalog.read("clips").filter("current").select(_SHOWN).sort("clip_id")
    digest = resolve(work.store, release or "latest")
    return digest, _clips_of(work.store, digest)


def _clips_of(store: MediaStore, digest: str) -> pl.DataFrame:
    """Clips of a release; the last one is kept, as reading and hashing 41,315 rows takes 1.5 s."""
    from svta_models.release import Release

    key = (store.url, digest)
    frame = _kept.get(key)
    if frame is None:
        frame = Release(store, digest).frame.select(_SHOWN).sort("clip_id")
        _kept.clear()
        _kept[key] = frame
    return frame


def record_review(
    work: Workspace, clip_ids: Sequence[str], verdict: str, by: str, reason: str | None = None
) -> dict[str, int]:
    """Record what a person said of clips, one row each, and bring `clips` into step; category -> rows recorded.

    Args:
        verdict: keep, reject (needs a reason) or undo (takes back what was said last).

    Raises SvtaError for a clip that does not exist, or a rejection without a reason; then nothing is recorded.
    """
    counts = append_reviews(work, clip_ids, verdict, by, reason)
    for category in counts:
        project_clips(work.catalog, category, load_thresholds(work.profile.name))
    return counts


def append_reviews(
    work: Workspace, clip_ids: Sequence[str], verdict: str, by: str, reason: str | None = None
) -> dict[str, int]:
    """The same, but `clips` stays as it is: for many verdicts one after another, and `rejudge` once after them.

    Any number of people may call it at once: every call writes a file of its own.
    """
    if verdict not in (KEEP, REJECT, UNDO):
        raise SvtaError(f"a review says {KEEP}, {REJECT} or {UNDO}, not {verdict!r}")
    if verdict == REJECT and not (reason or "").strip():
        raise SvtaError("a rejected clip needs a reason, so that others understand it: --reason '...'")
    clips = work.catalog.read("clips").filter(pl.col("clip_id").is_in(list(clip_ids)))
    if unknown := sorted(set(clip_ids) - set(clips["clip_id"])):
        raise SvtaError(f"there is no clip {', '.join(unknown[:3])}: `svta review clips --sample` lists clip ids")
    said = {"verdict": verdict, "reason": (reason or "").strip() or None, "by": by, "at": utc_now()}
    counts = {}
    for (category,), rows in clips.select("clip_id", "pair_id", "category", "recipe_sha").group_by("category"):
        recorded = [{**row, **said} for row in rows.iter_rows(named=True)]
        work.catalog.append("clip_reviews", str(category), recorded)
        counts[str(category)] = len(recorded)
    return counts


def review_summary(work: Workspace, release: str = "latest", share: float = SHARE, seed: int = SEED) -> Summary:
    """How the review of the sample stands: accepted share of the reviewed clips with its 95% Wilson interval."""
    digest, clips = reviewable(work, release)
    sample = draw_sample(clips, share, seed) if clips.height else clips
    said = {clip: row["verdict"] for (clip, _), row in newest_reviews(work.catalog).items()}
    verdicts = [said[clip] for clip in sample["clip_id"] if clip in said]
    kept = verdicts.count(KEEP)
    low, high = wilson_interval(kept, len(verdicts)) if verdicts else (None, None)
    return Summary(
        release=digest,
        seed=seed,
        share=share,
        pairs=clips.height,
        sample=sample.height,
        reviewed=len(verdicts),
        kept=kept,
        rejected=len(verdicts) - kept,
        accepted_share=kept / len(verdicts) if verdicts else None,
        low=low,
        high=high,
    )
