"""Queue of clips: does the clip show what its caption says, without faults?"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from svta_assets.reviewing import draw_sample, words_of
from svta_assets.videos.pages import summary_line
from svta_assets.videos.reviews import SHARE, append_reviews, review_summary, reviewable
from svta_assets.videos.verdicts import KEEP, REJECT
from svta_assets.workspace import Workspace
from svta_cli.app.pages.review_queue import ALL, SAMPLE, Choice, Queue, Said, Words
from svta_resources.errors import SvtaError

REASONS = (
    "not what the caption says",
    "the event is missing",
    "broken bodies or objects",
    "flicker or noise",
    "text or a logo in the picture",
    "cut or frozen",
)


class Clips(Queue):
    """A 1% sample of the release, at least one clip a category; with `all` every clip of it."""

    name = "clips"
    title = "Clips"
    ask = "Does the clip show what the caption says, without faults?"
    then = (
        "A rejected clip leaves the next release, and svta regen CATEGORY --mode retry_rejected makes another take. "
        "Releases that are out keep it."
    )
    choices = (
        Choice("k", KEEP, "Keep", "good"),
        Choice("r", REJECT, "Reject", "bad", reasons=REASONS),
    )
    whole = "every clip, not only the 1% sample"

    def subjects(self, work: Workspace, scope: str = SAMPLE) -> pl.DataFrame:
        _, clips = reviewable(work)
        chosen = clips if scope == ALL or clips.is_empty() else draw_sample(clips, SHARE)
        return chosen.select(pl.col("clip_id").alias("id"), "pair_id", "category", "caption")

    def words(self, work: Workspace, subjects: pl.DataFrame) -> Words:
        said = words_of(work.catalog.read("clip_reviews"), ("clip_id", "recipe_sha"))
        now = dict(work.catalog.read("clips").select("clip_id", "recipe_sha").iter_rows()) if said else {}
        return {
            clip: {by: row["verdict"] for by, row in rows.items()}
            for (clip, recipe), rows in said.items()
            if now.get(clip) == recipe
        }

    def card(self, work: Workspace, row: Mapping[str, Any]) -> dict[str, Any]:
        clip = work.catalog.read("clips").filter(pl.col("clip_id") == row["id"])
        names = ("take", "generator", "similarity", "movement", "brightness", "contrast", "flicker")
        found = clip.row(0, named=True) if clip.height else {}
        facts = [(name, _shown(found[name])) for name in names if found.get(name) is not None]
        return {"heading": "Clip", "text": row["caption"], "facts": facts, "clips": [row["id"]], "seen": {}}

    def record(self, work: Workspace, said: Said, by: str) -> str:
        counts = append_reviews(work, [said.id], said.verdict, by, said.reason or None)
        if not counts:
            raise SvtaError(f"there is no clip {said.id!r}")
        return next(iter(counts))

    def report(self, work: Workspace) -> list[str]:
        return [summary_line(review_summary(work))]


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
