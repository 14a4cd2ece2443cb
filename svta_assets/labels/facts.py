"""The labels of one category, joined with its current clips."""

from dataclasses import dataclass

import polars as pl

from svta_assets.labels.labelling import label
from svta_assets.workspace import Workspace
from svta_resources.answers import AnswerLog


@dataclass(frozen=True)
class Labelled:
    """Rows of `labels` and the tokens this run paid for."""

    rows: pl.DataFrame
    tokens: int


def label_category(work: Workspace, key: str, run_id: str) -> Labelled:
    """Write the category's `labels`; sends a request only for a fact that no source and no earlier answer gives."""
    texts = work.catalog.read("texts").filter(pl.col("category") == key)
    descriptions = work.catalog.read("descriptions", key)
    with AnswerLog(work.store, f"answers/label/{key}", run_id) as log:
        labelled = label(descriptions, texts, work.chat, log)
    current = work.catalog.read("clips", key).filter("current").select("pair_id", "clip_id")
    rows = labelled.rows.drop("clip_id").join(current, on="pair_id", how="left", maintain_order="left")
    return Labelled(work.catalog.publish("labels", key, rows), labelled.tokens)
