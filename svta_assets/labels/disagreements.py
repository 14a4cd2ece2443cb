"""Texts on which source and model differ about normal and anomalous: a list for people, nothing is relabelled.

A source labels videos, so its label is a noisy one of the sentences: much of an abnormal video is ordinary life. Where
the model is the embedded rules, the list also holds what they get wrong (13% of 290 real captions).
"""

import polars as pl

from svta_assets.labels.reviews import REVIEWER
from svta_assets.workspace import Workspace

SHOWN = 10
FOLDER = "disagreements"
COLUMNS = (
    "pair_id", "source", "source_video", "start_s", "end_s", "category", "caption", "is_anomaly", "llm_is_anomaly",
    "name", "llm_name", "provider", "model",
)  # fmt: skip


def disagreements(labels: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Labels whose sourced side is not the model's, by source and video; what a reviewer decided is settled.

    Args:
        labels: rows of `labels`. texts: the collected texts among them, rows of `texts`.
    """
    differ = labels.filter(
        (pl.col("is_anomaly_origin") != REVIEWER) & (pl.col("llm_is_anomaly") != pl.col("is_anomaly"))
    )
    about = texts.select(pl.col("text_id").alias("pair_id"), "source", "source_video", "start_s", "end_s", "caption")
    found = differ.join(about, on="pair_id").select(COLUMNS)
    return found.sort("source", "source_video", "start_s", "pair_id", nulls_last=True)


def disagreement_share(labels: pl.DataFrame) -> float | None:
    """Share of the labels with an opinion on a sourced side that differ from it, 0..1; None where there is none."""
    asked = labels.filter((pl.col("is_anomaly_origin") != REVIEWER) & pl.col("llm_is_anomaly").is_not_null())
    share = asked.select((pl.col("llm_is_anomaly") != pl.col("is_anomaly")).mean()).item()
    return None if share is None else float(share)


def write_disagreements(work: Workspace, key: str, found: pl.DataFrame) -> None:
    """Write the category's list to `reports/disagreements/<key>.csv` of the home; no file where there is none."""
    file = work.home.path / "reports" / FOLDER / f"{key}.csv"
    if found.is_empty():
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    found.write_csv(file)


def disagreements_markdown(found: pl.DataFrame) -> str:
    """How many there are, and the first ten."""
    if found.is_empty():
        return "none"
    lines = [f"{found.height} texts", "", "| caption | source | model | its name for it |", "|---|---|---|---|"]
    sides = {True: "anomalous", False: "normal"}
    for row in found.head(SHOWN).iter_rows(named=True):
        caption = row["caption"].replace("|", "/")
        lines.append(f"| {caption} | {sides[row['is_anomaly']]} | {sides[row['llm_is_anomaly']]} | {row['llm_name']} |")
    return "\n".join(lines)
