"""The labels of one category, with what reviewers corrected, joined with its current clips."""

from dataclasses import dataclass

import polars as pl

from svta_assets.labels.disagreements import disagreements, write_disagreements
from svta_assets.labels.labelling import label
from svta_assets.labels.reviews import with_corrections
from svta_assets.workspace import Workspace
from svta_resources.answers import AnswerLog


@dataclass(frozen=True)
class Labelled:
    """Rows of `labels`, the tokens this run paid for, and the texts on which source and model differ."""

    rows: pl.DataFrame
    tokens: int
    disagreements: pl.DataFrame


def label_category(work: Workspace, key: str, run_id: str, ask_again: bool = False) -> Labelled:
    """Write the category's `labels`; sends a request only for what no earlier answer gives.

    `ask_again` asks once more also what got no valid answer in as many runs as are set.
    """
    texts = work.catalog.read("texts").filter(pl.col("category") == key)
    descriptions = work.catalog.read("descriptions", key)
    with AnswerLog(work.store, f"answers/label/{key}", run_id) as log:
        labelled = label(descriptions, texts, work.chat, log, ask_again=ask_again)
    work.catalog.publish("rejects", f"labels.{key}", labelled.rejects)
    captions = dict(descriptions.select("pair_id", "caption").iter_rows())
    rows = with_corrections(labelled.rows, captions, work.catalog.read("label_reviews"))
    current = work.catalog.read("clips", key).filter("current").select("pair_id", "clip_id")
    rows = rows.drop("clip_id").join(current, on="pair_id", how="left", maintain_order="left")
    published = work.catalog.publish("labels", key, rows)
    found = disagreements(published, texts)
    write_disagreements(work, key, found)
    return Labelled(published, labelled.tokens, found)
