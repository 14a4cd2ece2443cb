"""`svta.duckdb`: the metadata as real tables with keys and comments, for people and assets to query.

One refresher at a time (flock) builds a new file from the newest projections, copies over what did not change, and
moves it over the old one. Readers open it read-only, per query, and are never blocked.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from svta_resources.catalog import Catalog, ProjectionFile, duckdb_file
from svta_resources.errors import SvtaError
from svta_resources.tables import Column, Growth, Table

FRESHNESS = Table(
    "freshness",
    "Which metadata files this database has seen.",
    ("file",),
    (
        Column("table_name", pl.String, "table the file belongs to"),
        Column("partition", pl.String, "partition of the table"),
        Column("file", pl.String, "key of the Parquet file in the store"),
        Column("rows", pl.Int64, "rows taken from it"),
        Column("gathered_at", pl.Datetime("us", "UTC"), "when its facts were gathered"),
    ),
)


def refresh(catalog: Catalog, home: Path) -> Path:
    """Bring `svta.duckdb` up to date with the newest projections; return its path. Safe to call at any time."""
    import duckdb

    target = duckdb_file(home)
    try:
        return _refresh(catalog, home, target)
    except (OSError, duckdb.IOException) as error:
        raise SvtaError(
            f"{target} cannot be written ({error}): free space or give write access to {home}, then run `svta status`. "
            "The metadata it is built from are not touched."
        ) from error


def _refresh(catalog: Catalog, home: Path, target: Path) -> Path:
    with _only_refresher(home):
        wanted = {name: catalog.files(name) for name in catalog.tables}
        files = {item.key for items in wanted.values() for item in items}
        if target.exists() and _seen(target) == (files, _columns(catalog)):
            return target
        building = target.with_name(f".svta-{os.getpid()}-{secrets.token_hex(4)}.duckdb")
        try:
            _build(catalog, wanted, building, target if target.exists() else None)
            os.replace(building, target)
        finally:
            building.unlink(missing_ok=True)
            Path(f"{building}.wal").unlink(missing_ok=True)
    return target


def query(home: Path, sql: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
    """Ask `svta.duckdb` (read-only, one connection per query). Raises SvtaError when there is none yet."""
    import duckdb

    target = duckdb_file(home)
    if not target.exists():
        raise SvtaError(f"{target} does not exist yet: run `svta status` (it builds it) or `make demo`")
    with duckdb.connect(str(target), read_only=True) as connection:
        answer = pl.from_arrow(connection.sql(sql, params=list(parameters)).to_arrow_table())
    assert isinstance(answer, pl.DataFrame)  # a table, never a single column
    return answer


@contextmanager
def _only_refresher(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".svta.duckdb.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _seen(target: Path) -> tuple[set[str], dict[str, list[str]]] | None:
    """The files that a database was built from, and its tables' columns: another version of SVTA has others."""
    import duckdb

    try:
        with duckdb.connect(str(target), read_only=True) as connection:
            files = {row[0] for row in connection.execute("select file from freshness").fetchall()}
            columns = connection.execute(
                "select table_name, list(column_name order by column_index) from duckdb_columns() where not internal "
                "group by table_name"
            ).fetchall()
    except duckdb.Error:
        return None  # a database of another version or a damaged one: build it anew
    return files, dict(columns)


def _columns(catalog: Catalog) -> dict[str, list[str]]:
    """The columns that a database of this version has, by table."""
    found = {table.name: [*table.schema, "_partition"] for table in catalog.tables.values()}
    return {**found, FRESHNESS.name: [*FRESHNESS.schema]}


def _build(catalog: Catalog, wanted: dict[str, list[ProjectionFile]], building: Path, previous: Path | None) -> None:
    import duckdb

    with duckdb.connect(str(building)) as connection:
        old = _attach(connection, previous)
        freshness: list[dict[str, Any]] = []
        for name, table in catalog.tables.items():
            _create(connection, table)
            kept = [item for item in wanted[name] if item.key in old]
            changed = [item for item in wanted[name] if item.key not in old]
            if _may_copy(connection, table, kept, changed, old):
                _copy(connection, table, kept)
            else:
                kept, changed = [], wanted[name]
            counts = {item.key: old[item.key] for item in kept}
            ordered = sorted(changed, key=ProjectionFile.order)
            if table.growth is Growth.LOG:
                counts |= _insert_log(connection, catalog, table, ordered)
            else:
                counts |= {item.key: _insert(connection, catalog, table, item) for item in ordered}
            freshness += [_fresh_row(item, counts[item.key]) for item in wanted[name]]
        _create(connection, FRESHNESS)
        frame = FRESHNESS.frame(freshness)  # noqa: F841  (DuckDB reads the local by name)
        connection.execute("insert into freshness select * from frame")
        if previous is not None:
            connection.execute("detach database if exists previous")


def _attach(connection: Any, previous: Path | None) -> dict[str, int]:
    """Attach the old database; give the files it has seen with their row counts."""
    import duckdb

    if previous is None:
        return {}
    try:
        connection.execute(f"attach '{_quoted(str(previous))}' as previous (read_only)")
        return dict(connection.execute("select file, rows from previous.freshness").fetchall())
    except duckdb.Error:
        return {}


def _create(connection: Any, table: Table) -> None:
    empty = table.empty()  # noqa: F841  (DuckDB reads the local by name and so takes its types from polars)
    columns = connection.execute("describe select * from empty").fetchall()
    types = {row[0]: row[1] for row in columns}
    lines = [f'"{column.name}" {types[column.name]}' for column in table.columns]
    if table is not FRESHNESS:
        lines.append('"_partition" VARCHAR')
        if table.growth is Growth.PROJECTION:
            lines.append("primary key (" + ", ".join(f'"{name}"' for name in table.key) + ")")
    connection.execute(f'create table "{table.name}" ({", ".join(lines)})')
    connection.execute(f"comment on table \"{table.name}\" is '{_quoted(table.meaning)}'")
    for column in table.columns:
        text = _quoted(column.meaning)
        connection.execute(f'comment on column "{table.name}"."{column.name}" is \'{text}\'')


def _may_copy(
    connection: Any, table: Table, kept: list[ProjectionFile], changed: list[ProjectionFile], old: dict[str, int]
) -> bool:
    """Whether copying the old rows of unchanged files gives what reading those files again would give."""
    if not kept or not _same_columns(connection, table):
        return False
    if table.growth is Growth.PROJECTION and changed and min(changed, key=_time).time_ns < max(kept, key=_time).time_ns:
        return False  # a late file with older facts must not replace newer rows
    marks, partitions = _marks(kept)
    standing = connection.execute(
        f'select count(*) from previous."{table.name}" where _partition in ({marks})', partitions
    ).fetchone()[0]
    return bool(standing == sum(old[item.key] for item in kept))  # else a row had moved to another partition


def _time(item: ProjectionFile) -> int:
    return item.time_ns


def _marks(files: list[ProjectionFile]) -> tuple[str, list[str]]:
    partitions = sorted({item.partition for item in files})
    return ", ".join("?" for _ in partitions), partitions


def _same_columns(connection: Any, table: Table) -> bool:
    import duckdb

    try:
        old = connection.execute(f'describe previous."{table.name}"').fetchall()
    except duckdb.Error:
        return False
    new = connection.execute(f'describe "{table.name}"').fetchall()
    return [row[:2] for row in old] == [row[:2] for row in new]


def _copy(connection: Any, table: Table, kept: list[ProjectionFile]) -> None:
    marks, partitions = _marks(kept)
    connection.execute(
        f'insert into "{table.name}" select * from previous."{table.name}" where _partition in ({marks})', partitions
    )


def _insert(connection: Any, catalog: Catalog, table: Table, item: ProjectionFile) -> int:
    """Insert a file of a projection; returns its rows."""
    rows = catalog.read_file(item)
    if rows.height:  # a pair that moved to another partition stands in two files: the later one counts
        connection.execute(f'insert or replace into "{table.name}" select *, ? from rows', [item.partition])
    return rows.height


def _insert_log(connection: Any, catalog: Catalog, table: Table, items: list[ProjectionFile]) -> dict[str, int]:
    """Insert the files of a log, thousands of small ones together; key -> rows."""
    frames = catalog.read_files(items)
    partitions = [item.partition for item, frame in zip(items, frames, strict=True) for _ in range(frame.height)]
    if partitions:
        rows = pl.concat(frames).with_columns(_partition=pl.Series(partitions))  # noqa: F841  (DuckDB reads the local)
        connection.execute(f'insert into "{table.name}" select * from rows')
    return {item.key: frame.height for item, frame in zip(items, frames, strict=True)}


def _fresh_row(item: ProjectionFile, rows: int) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {
        "table_name": item.table,
        "partition": item.partition,
        "file": item.key,
        "rows": rows,
        "gathered_at": datetime.fromtimestamp(item.time_ns / 1e9, UTC),
    }


def _quoted(text: str) -> str:
    return text.replace("'", "''")
