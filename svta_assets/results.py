"""What every asset returns and records: metadata people read, a data version by content, and what it cost."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from svta_assets.schemas import TABLES
from svta_assets.workspace import Workspace, utc_now
from svta_resources.catalog import content_version

OWNERS = ["team:svta-data"]
_DAGSTER_TYPES = {"String": "string", "Boolean": "bool", "Int64": "int", "Float64": "float"}


def column_schema(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata that shows a table's columns and their meaning in the Dagster UI."""
    columns = [
        dg.TableColumn(column.name, _DAGSTER_TYPES.get(str(column.dtype), str(column.dtype)), column.meaning)
        for column in TABLES[table].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


class Stopwatch:
    """Times a stage and writes its row of `costs`."""

    def __init__(self, work: Workspace, run_id: str, stage: str, partition: str = "all") -> None:
        self._work, self._row = work, {"run_id": run_id, "stage": stage, "partition": partition}
        self._began = time.monotonic()

    def record(self, items: int, worker_seconds: float = 0.0, tokens: int = 0) -> float:
        """Append the cost row; return the wall seconds."""
        seconds = round(time.monotonic() - self._began, 3)
        cost = {"items": items, "seconds": seconds, "worker_seconds": round(worker_seconds, 3), "tokens": tokens}
        partition = self._row["partition"]
        self._work.catalog.append("costs", partition, [{**self._row, **cost, "at": utc_now()}])
        return seconds


def data_version(rows: pl.DataFrame, without: tuple[str, ...] = ()) -> dg.DataVersion:
    """A partition's data version is the hash of its rows, so unchanged rows never make anything downstream stale."""
    return dg.DataVersion(content_version(rows, [name for name in rows.columns if name not in without]))


def result(
    rows: pl.DataFrame, metadata: Mapping[str, Any] | None = None, without: tuple[str, ...] = ()
) -> dg.MaterializeResult:
    """The result of an asset that wrote `rows`; columns in `without` do not count for the data version."""
    facts = {"dagster/row_count": rows.height, **(metadata or {})}
    return dg.MaterializeResult(metadata=facts, data_version=data_version(rows, without))


def percent_shown(value: float | None) -> float | None:
    """Percent or points as the tables print them, one decimal; rows keep every digit."""
    return None if value is None else round(value, 1)


def pictures(work: Workspace, stage: str, model: str = "") -> dict[str, dg.MarkdownMetadataValue]:
    """The figures of an asset (`model`: its partition where it has models), written into the home and as metadata."""
    from svta_assets.figures.files import shown

    return {title: dg.MetadataValue.md(text) for title, text in shown(work, stage, model).items()}


def counts_table(counts: Mapping[str, Any], key: str = "what", value: str = "count") -> dg.MarkdownMetadataValue:
    """A two-column Markdown table."""
    lines = [f"| {key} | {value} |", "|---|---|", *(f"| {name} | {count} |" for name, count in counts.items())]
    return dg.MetadataValue.md("\n".join(lines))
