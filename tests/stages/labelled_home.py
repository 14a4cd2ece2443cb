"""Homes with labels of nobody's making, for tests of what people say about them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.labels.review_files import read_verdicts, write_sample
from svta_assets.labels.reviews import Label, record, with_corrections
from svta_assets.workspace import Workspace

Said = Callable[[dict[str, Any]], Mapping[str, Any]]
CATEGORIES = {"normal-03": False, "normal-04": False, "fire": True, "robbery": True}


def label_row(pair: str, category: str, name: str | None = None, is_anomaly: bool | None = None) -> dict[str, Any]:
    """A label as a source or a model made it."""
    return {
        "pair_id": pair,
        "category": category,
        "is_anomaly": CATEGORIES[category] if is_anomaly is None else is_anomaly,
        "is_anomaly_origin": "source",
        "name": name or f"do {pair}",
        "name_origin": "llm",
        "recipe_sha": "0" * 64,
    }


class LabelledHome:
    """Labels of a few categories, and what `labels` does to them after a review."""

    def __init__(self, work: Workspace, sizes: Mapping[str, int]) -> None:
        self.work = work
        self.made = {key: [label_row(f"{key}-{n:03d}", key) for n in range(size)] for key, size in sizes.items()}
        for key, rows in self.made.items():
            captions = [{"pair_id": row["pair_id"], "category": key, "caption": self.caption(row)} for row in rows]
            work.catalog.publish("descriptions", key, captions)
        self.materialize()

    @staticmethod
    def caption(row: Mapping[str, Any]) -> str:
        return f"Somebody, as in {row['pair_id']}, does it."

    def materialize(self) -> None:
        """What `labels` does when nothing has to be asked."""
        log = self.work.catalog.read("label_reviews")
        for key, rows in self.made.items():
            captions = {row["pair_id"]: self.caption(row) for row in rows}
            frame = self.work.catalog.tables["labels"].frame(rows)
            self.work.catalog.publish("labels", key, with_corrections(frame, captions, log))

    @property
    def labels(self) -> dict[str, dict[str, Any]]:
        return {row["pair_id"]: row for row in self.work.catalog.read("labels").iter_rows(named=True)}

    def now(self, pair: str) -> Label:
        row = self.labels[pair]
        return Label(self.caption(row), row["name"], row["is_anomaly"])

    def sample(self, folder: Path, share: float = 0.1, seed: int = 42) -> Path:
        path = folder / f"sample-{seed}-{share}.csv"
        write_sample(self.work, path, share, seed)
        return path

    def judge(self, file: Path, by: str, said: Said) -> list[dict[str, Any]]:
        """Fill in a sample as a person would, hand it in, and return its rows."""
        table = pl.read_csv(file, infer_schema=False)
        rows = [{**row, **said(row)} for row in table.iter_rows(named=True)]
        filled = file.with_name(f"{file.stem}-{by}.csv")
        pl.DataFrame(rows, schema=table.schema).write_csv(filled)
        record(self.work, read_verdicts(self.work, filled), by)
        return rows

    def say(self, pair: str, by: str, verdict: str, **more: Any) -> None:
        """One verdict, said of the label as it is now and outside any sample."""
        row = self.labels[pair]
        about = self.now(pair)._asdict()
        record(
            self.work,
            [{"pair_id": pair, "category": row["category"], **about, "recipe_sha": "0", "verdict": verdict, **more}],
            by,
        )
