"""Queue of labels: the sample of the paper's manual check, 10% of all labels."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from svta_assets.gates import gate_settings, label_review
from svta_assets.labels.review_files import one_verdict
from svta_assets.labels.review_report import label_report
from svta_assets.labels.reviews import (
    RIGHT,
    UNDO,
    UNSURE,
    WRONG,
    Label,
    outcome,
    record,
    reviewable,
    said_of,
    standing,
    undo,
)
from svta_assets.reviewing import SEED, draw_sample
from svta_assets.workspace import Workspace
from svta_cli.app.pages.review_queue import ALL, SAMPLE, Choice, Queue, Said, Words

CORRECTIONS = (("correct_name", "right name (verb and object)"), ("correct_is_anomaly", "right side"))
SIDES = {True: "anomalous", False: "normal"}


class Labels(Queue):
    """The sample of gates.yaml; with `all` every label."""

    name = "labels"
    title = "Labels"
    ask = "Is this name right for what happens, and is it normal or anomalous as labelled?"
    then = (
        "The gate label_review reads the accuracy before a release is written. Corrections become labels when labels "
        "is materialized next."
    )
    choices = (
        Choice("r", RIGHT, "Right", "good"),
        Choice("w", WRONG, "Wrong", "bad", fields=CORRECTIONS),
        Choice("n", UNSURE, "Unsure"),
    )
    whole = "every label, not only the sample"

    def subjects(self, work: Workspace, scope: str = SAMPLE) -> pl.DataFrame:
        labels, seed = reviewable(work), None
        if scope != ALL and labels.height:
            seed = self._seed(work)
            labels = draw_sample(labels, self._share(work), seed)
        return labels.rename({"pair_id": "id"}).with_columns(seed=pl.lit(seed, pl.Int64))

    def words(self, work: Workspace, subjects: pl.DataFrame) -> Words:
        log = work.catalog.read("label_reviews")
        said = standing(log) if log.height else {}
        found: dict[str, dict[str, str]] = {}
        for row in subjects.filter(pl.col("id").is_in(list(said))).iter_rows(named=True):
            now = Label(row["caption"], row["name"], row["is_anomaly"])
            words = {one["by"]: one["verdict"] for one in said[row["id"]] if now in (said_of(one), outcome(one))}
            if words:
                found[row["id"]] = words
        return found

    def card(self, work: Workspace, row: Mapping[str, Any]) -> dict[str, Any]:
        side = SIDES.get(row["is_anomaly"], "neither normal nor anomalous")
        facts = [
            ("name", f"{row['name']} ({_origin(row['name_origin'])})"),
            ("side", f"{side} ({_origin(row['is_anomaly_origin'])})"),
        ]
        seen = {"caption": row["caption"], "name": row["name"], "is_anomaly": _flag(row["is_anomaly"])}
        seen["seed"] = "" if row["seed"] is None else str(row["seed"])
        return {"heading": f"{row['name']}: {side}", "text": row["caption"], "facts": facts, "seen": seen}

    def record(self, work: Workspace, said: Said, by: str) -> str:
        if said.verdict == UNDO:
            undo(work, [said.id], by)
            return ""
        seen = {name.removeprefix("seen_"): value for name, value in said.more.items() if name.startswith("seen_")}
        corrected = {name: said.more.get(name, "") for name in ("correct_name", "correct_is_anomaly")}
        cells = {**seen, **corrected, "pair_id": said.id, "verdict": said.verdict, "reason": said.reason}
        row = one_verdict(work, cells)
        record(work, [row], by)
        return str(row["category"])

    def report(self, work: Workspace) -> list[str]:
        total = label_report(work, self._share(work)).total
        lines = []
        if total.share is not None and total.low is not None and total.high is not None:
            interval = f"95% interval {total.low:.1%} to {total.high:.1%}"
            lines.append(f"{total.share:.1%} of {total.judged} judged labels are right as labelled ({interval})")
        verdict = label_review(work)
        return [*lines, f"gate {verdict.gate}: {verdict.level}, {verdict.reason}"]

    @staticmethod
    def _share(work: Workspace) -> float:
        return float(gate_settings(work.profile.name)["labels"]["sample"])

    @staticmethod
    def _seed(work: Workspace) -> int:
        """Seed of the sample that was reviewed last, as the report has it."""
        drawn = work.catalog.read("label_reviews").drop_nulls("seed").sort("at")
        return int(drawn["seed"][-1]) if drawn.height else SEED


def _origin(word: str | None) -> str:
    return {"source": "by the source", "llm": "by the language model", "reviewer": "corrected"}.get(word or "", "?")


def _flag(value: bool | None) -> str:
    return "" if value is None else str(value).lower()
