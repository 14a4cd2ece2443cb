"""Queue of descriptions, before GPU time is spent on them."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from svta_assets.reviewing import words_of
from svta_assets.texts.drops import COLUMNS, DROP, KEEP, Verdict, record
from svta_assets.workspace import Workspace
from svta_cli.app.pages.review_queue import ALL, SAMPLE, Choice, Queue, Said, Words

REASONS = (
    "could not happen",
    "another category",
    "nothing a camera sees",
    "not what was asked for",
    "harmful or gory",
    "hard to understand",
)
ASKED = ("age", "gender", "culture", "environment", "camera")


class Descriptions(Queue):
    """Written descriptions that stand; with `all` collected texts too."""

    name = "descriptions"
    title = "Descriptions"
    ask = "Could this happen, is it of its category, and could a camera see it?"
    then = (
        "Nothing is spent on a dropped description from now on. It leaves the data set when llm_descriptions is "
        "materialized next, and another one is written in its place."
    )
    choices = (
        Choice("k", KEEP, "Keep", "good"),
        Choice("d", DROP, "Drop", "bad", reasons=REASONS),
    )
    whole = "collected texts too"

    def subjects(self, work: Workspace, scope: str = SAMPLE) -> pl.DataFrame:
        rows = work.catalog.read("descriptions")
        if scope != ALL:
            rows = rows.filter(pl.col("origin") == "llm")
        return rows.sort("category", "slot", "pair_id").select(pl.col("pair_id").alias("id"), *COLUMNS)

    def words(self, work: Workspace, subjects: pl.DataFrame) -> Words:
        said = words_of(work.catalog.read("description_reviews"), ("pair_id", "caption"))
        now = dict(subjects.select("id", "caption").iter_rows())
        return {
            pair: {by: row["verdict"] for by, row in rows.items()}
            for (pair, caption), rows in said.items()
            if now.get(pair) == caption
        }

    def card(self, work: Workspace, row: Mapping[str, Any]) -> dict[str, Any]:
        facts = [(name, row[name]) for name in (*ASKED, "model") if row[name]]
        heading = "Written description" if row["origin"] == "llm" else "Collected text"
        return {"heading": heading, "text": row["caption"], "facts": facts, "seen": {"caption": row["caption"]}}

    def record(self, work: Workspace, said: Said, by: str) -> str:
        caption = said.more.get("seen_caption") or None
        counts = record(work, [Verdict(said.id, said.verdict, said.reason or None, caption)], by)
        return next(iter(counts))
