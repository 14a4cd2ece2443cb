"""The metadata: immutable Parquet projections in the store, and one DuckDB file built from them to be asked.

Why this shape (measured before it was chosen): DuckDB allows one writing process per file, and a Parquet file
replaced under a DuckDB reader gave wrong counts without an error. So a partition of a table is written as a *new*
file `metadata/<table>/<partition>/<time_ns>-<random>.parquet`; readers take the newest (projections) or all (logs);
`svta.duckdb` is rebuilt beside the old one and moved over it, so that no reader is ever blocked.
"""

import hashlib
import io
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from svta_models.media_store import MediaStore
from svta_resources.errors import SvtaError
from svta_resources.tables import Growth, Table, TableError

SUPERSEDED_GRACE_S = 6 * 3600.0  # a reader that listed a file may still open it; hours, because queries are short
METADATA = "metadata"
READERS = 16  # files fetched at once: from a bucket each takes tens of milliseconds
_FILE = re.compile(rf"{METADATA}/(?P<table>[^/]+)/(?P<partition>[^/]+)/(?P<time>\d{{20}})-[0-9a-f]+\.parquet")


@dataclass(frozen=True)
class ProjectionFile:
    """One Parquet file of a table's partition."""

    table: str
    partition: str
    key: str
    time_ns: int

    def order(self) -> tuple[int, str]:
        """Sorts files by when their facts were gathered."""
        return self.time_ns, self.key


class Catalog:
    """Reads and writes the metadata tables of one home.

    Args:
        store: where the Parquet files live (a folder or a bucket).
        tables: every table by name.
    """

    def __init__(self, store: MediaStore, tables: Mapping[str, Table]) -> None:
        self.store = store
        self.tables = tables

    # -- writing -----------------------------------------------------------------------------------------------

    def publish(
        self, table: str, partition: str, rows: pl.DataFrame | Sequence[dict[str, Any]], as_of_ns: int | None = None
    ) -> pl.DataFrame:
        """Write the partition of a projection anew and return it as stored.

        Args:
            as_of_ns: when the facts were gathered (before their LIST), so that a slow writer with older facts
                never hides a newer one. Default: now.
        """
        declared = self._table(table, Growth.PROJECTION)
        frame = declared.frame(rows)
        frame = frame.sort(declared.key) if frame.height else frame
        if as_of_ns is None and self._unchanged(table, partition, frame):
            return frame
        self._write(table, partition, frame, as_of_ns or time.time_ns())
        self._drop_superseded(table, partition)
        return frame

    def append(self, table: str, partition: str, rows: pl.DataFrame | Sequence[dict[str, Any]]) -> pl.DataFrame:
        """Add rows to a log table; they are never replaced."""
        frame = self._table(table, Growth.LOG).frame(rows)
        if frame.height:
            self._write(table, partition, frame, time.time_ns())
        return frame

    # -- reading -----------------------------------------------------------------------------------------------

    def read(self, table: str, partition: str | None = None) -> pl.DataFrame:
        """Read a table, or one partition of it; no rows when nothing was written yet.

        A row that moved to another partition stands in two files until the first is written anew: the later one counts.
        """
        declared = self._table(table)
        files = self.files(table, partition)
        if not files:
            return declared.empty()
        frames = self.read_files(files)
        if declared.growth is Growth.LOG or len(files) == 1:
            return pl.concat(frames, rechunk=True)
        age = {item: place for place, item in enumerate(sorted(files, key=ProjectionFile.order))}
        aged = [frame.with_columns(_age=pl.lit(age[item])) for item, frame in zip(files, frames, strict=True)]
        rows = pl.concat(aged)
        return rows.filter(pl.col("_age") == pl.col("_age").max().over(declared.key)).drop("_age")

    def read_file(self, item: ProjectionFile) -> pl.DataFrame:
        """Read one metadata file in its table's columns and types."""
        table = self._table(item.table)
        try:
            frame = pl.read_parquet(io.BytesIO(self.store.get(item.key)))
        except pl.exceptions.PolarsError as error:
            raise SvtaError(
                f"metadata file {item.key} in {self.store.url} cannot be read ({error}); "
                f"delete it and materialize partition {item.partition} of {table.name} again"
            ) from error
        known = [name for name in frame.columns if name in table.schema]  # a column may have been retired since
        return table.frame(frame.select(known)) if known else table.empty()

    def read_files(self, items: Sequence[ProjectionFile]) -> list[pl.DataFrame]:
        """Read files of one table, each as `read_file` does: fetched side by side and parsed together.

        A log has a file a verdict. One by one, 4,000 of them take seconds here, and minutes from a bucket.
        """
        if len(items) < 2:
            return [self.read_file(item) for item in items]
        table = self._table(items[0].table)
        with ThreadPoolExecutor(READERS) as readers:
            data = list(readers.map(self.store.get, [item.key for item in items]))
        as_declared: Any = {"schema": table.schema, "missing_columns": "insert", "extra_columns": "ignore"}
        try:
            frames = pl.collect_all([pl.scan_parquet(one, **as_declared) for one in data])
        except pl.exceptions.PolarsError:  # one is damaged, which is then named, or has a type of an older version
            return [self.read_file(item) for item in items]
        return frames if table.growth is Growth.LOG else [table.frame(frame) for frame in frames]

    def partitions(self, table: str) -> list[str]:
        """Partitions of a table that have been written, sorted."""
        return sorted({item.partition for item in self.files(table)})

    def files(self, table: str, partition: str | None = None) -> list[ProjectionFile]:
        """The files that count: the newest of each partition for a projection, all of them for a log."""
        declared = self._table(table)
        found = self._list(table, partition)
        if declared.growth is Growth.LOG:
            return found
        newest: dict[str, ProjectionFile] = {}
        for item in found:  # sorted by partition, then name: the last one of a partition is its newest
            newest[item.partition] = item
        return list(newest.values())

    # -- internals ---------------------------------------------------------------------------------------------

    def _table(self, name: str, growth: Growth | None = None) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise TableError(f"there is no table {name!r}; known: {', '.join(sorted(self.tables))}")
        if growth is not None and table.growth is not growth:
            raise TableError(f"table {name} is a {table.growth.name.lower()}, so it cannot be written this way")
        return table

    def _list(self, table: str, partition: str | None) -> list[ProjectionFile]:
        prefix = f"{METADATA}/{table}" + (f"/{partition}" if partition else "")
        found = []
        for item in self.store.list(prefix):
            if match := _FILE.fullmatch(item.key):  # else not ours: a file manager's, for example
                found.append(ProjectionFile(table, match["partition"], item.key, int(match["time"])))
        return sorted(found, key=lambda item: (item.partition, *item.order()))

    def _write(self, table: str, partition: str, frame: pl.DataFrame, time_ns: int) -> None:
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        name = f"{time_ns:020d}-{secrets.token_hex(4)}.parquet"
        self.store.put(f"{METADATA}/{table}/{partition}/{name}", buffer.getvalue())

    def _unchanged(self, table: str, partition: str, frame: pl.DataFrame) -> bool:
        files = self.files(table, partition)
        return bool(files) and self.read_file(files[-1]).equals(frame)

    def _drop_superseded(self, table: str, partition: str) -> None:
        limit = time.time_ns() - int(SUPERSEDED_GRACE_S * 1e9)
        files = self._list(table, partition)
        self.store.delete(old.key for old, next_one in pairwise(files) if next_one.time_ns < limit)
        self.store.sweep_partials(f"{METADATA}/{table}/{partition}")


def content_version(rows: pl.DataFrame, columns: Iterable[str] | None = None) -> str:
    """Hash rows by value (16 hex digits of sha256): the data version of a partition.

    Order of rows does not matter, so the same rows read back in any order have the same version.
    """
    chosen = rows.select(sorted(columns or rows.columns))
    lines = sorted(chosen.write_ndjson().split("\n"))  # not splitlines: captions may hold other line separators
    return hashlib.sha256("\n".join([",".join(chosen.columns), *lines]).encode()).hexdigest()[:16]


def duckdb_file(home: Path) -> Path:
    """Where the queryable copy of a home's metadata lives."""
    return home / "svta.duckdb"
