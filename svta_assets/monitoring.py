"""What a home has made and spent, as gauges for a monitoring system, read from the tables."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Gauge:
    """One metric: its name, what it means (with its unit), the names of its labels, and a value for each of them."""

    name: str
    meaning: str
    labels: Labels
    values: list[tuple[Labels, float]]


def gauges(work: Workspace) -> Iterator[Gauge]:
    """Everything the tables say; a table without rows gives a metric without values. Raises SvtaError."""
    yield from _clips(work)
    yield from _stages(work.catalog.read("costs"))
    yield from _language(work)
    rejects = work.catalog.read("rejects")
    yield _counted("svta_rejects", "Rows set aside, by stage and reason.", ("stage", "reason"), rejects)
    gates = work.catalog.read("gates").sort("at").unique(["gate", "partition"], keep="last")
    meaning = "Newest verdict of a gate: 1 passed, 0 shut."
    yield _gauge("svta_gate_passed", meaning, ("gate", "partition"), gates, "passed")
    labels = ("model", "benchmark", "direction")
    recall = work.catalog.read("evaluations").sort("at").unique(labels, keep="last")
    yield _gauge("svta_recall_at_1_percent", "R@1 of a model's newest evaluation, percent.", labels, recall, "r1")
    yield _freshness(work)


def _freshness(work: Workspace) -> Gauge:
    newest = {table: [item.time_ns for item in work.catalog.files(table)] for table in work.catalog.tables}
    return Gauge(
        "svta_table_newest_timestamp_seconds",
        "When the newest rows of a table were gathered, seconds since the epoch.",
        ("table",),
        [((table,), max(times) / 1e9) for table, times in newest.items() if times],
    )


def _clips(work: Workspace) -> Iterator[Gauge]:
    clips = work.catalog.read("clips")
    pairs = work.catalog.read("descriptions")
    yield _counted("svta_pairs", "Descriptions of a category.", ("category",), pairs)
    yield _counted("svta_clips", "Clips of a category by verdict.", ("category", "status"), clips)
    current = clips.filter("current")
    yield _counted("svta_current_clips", "Pairs of a category that have a clip that stands.", ("category",), current)
    known = clips.drop_nulls("device_seconds").group_by("category").agg(pl.col("device_seconds").sum())
    meaning = "Seconds that devices were held by the clips that are kept."
    yield _gauge("svta_device_seconds", meaning, ("category",), known, "device_seconds")
    made = clips.drop_nulls("made_at").group_by("category").agg(pl.col("made_at").max())
    meaning = "When a category's newest clip was made, seconds since the epoch."
    yield _gauge("svta_newest_clip_timestamp_seconds", meaning, ("category",), _epochs(made, "made_at"), "made_at")


def _stages(costs: pl.DataFrame) -> Iterator[Gauge]:
    """Runs as the assets recorded them; one that failed before its record is not among them."""
    by_stage = costs.group_by("stage").agg(
        runs=pl.col("run_id").n_unique(),
        items=pl.col("items").sum(),
        seconds=pl.col("seconds").sum(),
        worker=pl.col("worker_seconds").sum(),
        newest=pl.col("at").max(),
    )
    told = {
        "runs": ("svta_stage_runs", "Runs that recorded what they spent."),
        "items": ("svta_stage_items", "Clips, texts or pairs made."),
        "seconds": ("svta_stage_seconds", "Wall seconds of those runs."),
        "worker": ("svta_stage_worker_seconds", "Seconds of their workers, added up."),
    }
    for column, (name, meaning) in told.items():
        yield _gauge(name, meaning, ("stage",), by_stage, column)
    meaning = "When a stage last recorded a run, seconds since the epoch."
    yield _gauge("svta_stage_newest_timestamp_seconds", meaning, ("stage",), _epochs(by_stage, "newest"), "newest")


def _language(work: Workspace) -> Iterator[Gauge]:
    from svta_assets.texts.costs import spent_table

    try:
        spent = spent_table(work)
    except SvtaError:  # no model is set here: what others have cost cannot be priced
        return
    labels = ("task", "category", "model")
    yield _gauge("svta_llm_requests", "Questions to a language model.", labels, spent, "requests")
    for kind in ("prompt", "answer"):
        yield _gauge(f"svta_llm_{kind}_tokens", f"Tokens of its {kind}s.", labels, spent, f"{kind}_tokens")
    meaning = "What they cost, in your currency; only where prices are set."
    yield _gauge("svta_llm_price", meaning, labels, spent, "price")


def _counted(name: str, meaning: str, labels: Labels, rows: pl.DataFrame) -> Gauge:
    return _gauge(name, meaning, labels, rows.group_by(labels).len("_count"), "_count")


def _gauge(name: str, meaning: str, labels: Labels, rows: pl.DataFrame, column: str) -> Gauge:
    known = rows.drop_nulls(column).select(*labels, column).sort(labels)
    return Gauge(name, meaning, labels, list(_values(known.iter_rows())))


def _values(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Labels, float]]:
    for row in rows:
        yield tuple("" if label is None else str(label) for label in row[:-1]), float(row[-1])


def _epochs(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The same rows with an ISO 8601 time as seconds since the epoch."""
    return rows.drop_nulls(column).with_columns(
        pl.col(column).map_elements(lambda when: datetime.fromisoformat(when).timestamp(), return_dtype=pl.Float64)
    )
