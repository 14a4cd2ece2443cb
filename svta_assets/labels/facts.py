"""The labels of one category, joined with its current clips."""

from dataclasses import dataclass

import polars as pl

from svta_assets.labels.labelling import label
from svta_assets.texts.report import suspicious_normals
from svta_assets.workspace import Workspace
from svta_resources.answers import AnswerLog


@dataclass(frozen=True)
class Labelled:
    """Rows of `labels`, the tokens this run paid for, and the sentences whose video label is doubtful."""

    rows: pl.DataFrame
    tokens: int
    called_normal: pl.DataFrame


def label_category(work: Workspace, key: str, run_id: str) -> Labelled:
    """Write the category's `labels`; sends a request only for a fact that no source and no earlier answer gives."""
    texts = work.catalog.read("texts").filter(pl.col("category") == key)
    descriptions = work.catalog.read("descriptions", key)
    with AnswerLog(work.store, f"answers/label/{key}", run_id) as log:
        labelled = label(descriptions, texts, work.chat, log)
    work.catalog.publish("rejects", f"labels.{key}", labelled.rejects)
    current = work.catalog.read("clips", key).filter("current").select("pair_id", "clip_id")
    rows = labelled.rows.drop("clip_id").join(current, on="pair_id", how="left", maintain_order="left")
    published = work.catalog.publish("labels", key, rows)
    return Labelled(published, labelled.tokens, _called_normal(work, key, texts))


def _called_normal(work: Workspace, key: str, texts: pl.DataFrame) -> pl.DataFrame:
    """Sentences of abnormal UCF-Crime videos that the embedded labeller calls normal, also kept as a CSV.

    A video's label is a noisy label of its sentences. Nothing is relabelled: the list is for people.
    """
    from svta_resources.embedded_llm.labeller import Labeller

    def opinions(captions: list[str]) -> list[bool]:
        return [bool(opinion) for opinion in Labeller().opinions(captions)]

    found = suspicious_normals(texts, opinions)
    if found.height:
        folder = work.home.path / "reports" / "sentences_called_normal"
        folder.mkdir(parents=True, exist_ok=True)
        found.write_csv(folder / f"{key}.csv")
    return found
