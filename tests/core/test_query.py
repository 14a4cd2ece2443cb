"""`svta.duckdb`: complete from the first moment, never in a reader's way, and never showing half a refresh."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from svta_assets.schemas import TABLES
from svta_assets.workspace import Workspace, open_workspace
from svta_resources import query as query_module
from svta_resources.errors import SvtaError
from svta_resources.profiles import Home
from svta_resources.query import query, refresh
from svta_resources.tables import Table


def _publish(work: Workspace, category: str, pairs: int, name: str = "walk") -> None:
    rows = [
        {"pair_id": f"{category}-{n}", "category": category, "is_anomaly": True, "name": name} for n in range(pairs)
    ]
    work.catalog.publish("labels", category, rows)


def _count(home: Path, table: str) -> int:
    return int(query(home, f'select count(*) as n from "{table}"')["n"][0])


@pytest.fixture
def inserted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Partitions that a refresh read from their files instead of copying them."""
    seen: list[str] = []
    original, original_log = query_module._insert, query_module._insert_log

    def spy(connection: object, catalog: object, table: Table, item: query_module.ProjectionFile) -> int:
        seen.append(f"{table.name}/{item.partition}")
        return original(connection, catalog, table, item)  # type: ignore[arg-type]

    def spy_log(connection: object, catalog: object, table: Table, items: list[query_module.ProjectionFile]) -> object:
        seen.extend(f"{table.name}/{item.partition}" for item in items)
        return original_log(connection, catalog, table, items)  # type: ignore[arg-type]

    monkeypatch.setattr(query_module, "_insert", spy)
    monkeypatch.setattr(query_module, "_insert_log", spy_log)
    return seen


def test_a_fresh_home_has_every_table_with_no_rows(home: Home) -> None:
    open_workspace(home).refresh()
    assert {name: _count(home.path, name) for name in [*TABLES, "freshness"]} == dict.fromkeys(
        [*TABLES, "freshness"], 0
    )


def test_before_the_first_refresh_a_query_says_what_to_run(home: Home) -> None:
    with pytest.raises(SvtaError, match="svta status"):
        query(home.path, "select 1")


def test_every_table_and_column_has_a_comment(work: Workspace) -> None:
    work.refresh()
    tables = query(work.home.path, "select table_name, comment from duckdb_tables()")
    assert dict(tables.iter_rows())["clips"] == TABLES["clips"].meaning
    assert tables["comment"].null_count() == 0
    columns = query(
        work.home.path,
        "select table_name, column_name, comment from duckdb_columns() where not internal and column_name <> '_partition'",
    )
    assert columns.height == len(query_module.FRESHNESS.columns) + sum(len(table.columns) for table in TABLES.values())
    assert columns.filter(pl.col("comment").is_null()).rows() == []


def test_projections_have_their_primary_key(work: Workspace) -> None:
    work.refresh()
    keys = query(
        work.home.path,
        "select table_name, constraint_column_names as columns from duckdb_constraints() "
        "where constraint_type = 'PRIMARY KEY'",
    )
    assert dict(keys.iter_rows())["clips"] == ["clip_id"]


def test_a_refresh_shows_what_was_published_and_says_from_which_files(work: Workspace) -> None:
    _publish(work, "fire", 3)
    _publish(work, "falling", 2)
    work.refresh()
    assert _count(work.home.path, "labels") == 5
    seen = query(work.home.path, "select partition, rows from freshness where table_name = 'labels' order by partition")
    assert seen.rows() == [("falling", 2), ("fire", 3)]


def test_nothing_new_leaves_the_file_alone(work: Workspace) -> None:
    _publish(work, "fire", 3)
    target = work.refresh()
    before = target.stat().st_ino
    assert work.refresh().stat().st_ino == before
    _publish(work, "fire", 4)
    assert work.refresh().stat().st_ino != before


def test_a_database_of_an_earlier_version_gets_the_tables_it_lacks(work: Workspace) -> None:
    _publish(work, "fire", 2)
    older = open_workspace(work.home)
    older.catalog.tables = {name: table for name, table in TABLES.items() if name != "costs"}
    older.refresh()
    with pytest.raises(Exception, match="costs"):
        _count(work.home.path, "costs")
    work.refresh()
    assert (_count(work.home.path, "costs"), _count(work.home.path, "labels")) == (0, 2)


def test_unchanged_partitions_are_copied_not_read_again(work: Workspace, inserted: list[str]) -> None:
    for category in ("fire", "falling", "crawling"):
        _publish(work, category, 3)
    work.catalog.append("costs", "all", [{"run_id": "1", "stage": "s", "partition": "all", "at": "1"}])
    work.refresh()
    assert sorted(inserted) == ["costs/all", "labels/crawling", "labels/falling", "labels/fire"]
    inserted.clear()
    _publish(work, "fire", 7)
    work.catalog.append("costs", "all", [{"run_id": "2", "stage": "s", "partition": "all", "at": "2"}])
    work.refresh()
    assert inserted == ["labels/fire", "costs/all"]
    assert (_count(work.home.path, "labels"), _count(work.home.path, "costs")) == (13, 2)


def test_incremental_and_fresh_builds_agree_when_rows_moved_between_partitions(work: Workspace) -> None:
    """A pair in two files belongs to the later one, whatever had been refreshed in between."""
    ask = "select pair_id, category, name from labels order by pair_id"
    steps = [("zebra", "one"), ("aardvark", "two"), ("zebra", "three"), ("aardvark", "four")]
    for category, name in steps:
        rows = [{"pair_id": pair, "category": category, "name": name} for pair in ("p", f"only-{category}")]
        work.catalog.publish("labels", category, rows)
        incremental = query(work.refresh().parent, ask).rows()
        work.refresh().unlink()
        assert query(work.refresh().parent, ask).rows() == incremental
        assert ("p", category, name) in incremental
    work.catalog.publish("labels", "aardvark", [{"pair_id": "only-aardvark", "category": "aardvark", "name": "five"}])
    rows = query(work.refresh().parent, ask).rows()
    assert rows == [("only-aardvark", "aardvark", "five"), ("only-zebra", "zebra", "three"), ("p", "zebra", "three")]
    assert work.catalog.read("labels").select("pair_id", "category", "name").sort("pair_id").rows() == rows


def test_late_files_with_older_facts_do_not_replace_newer_rows(work: Workspace) -> None:
    row = {"pair_id": "p", "category": "fire"}
    work.catalog.publish("labels", "new", [{**row, "name": "newer"}], as_of_ns=2_000)
    work.refresh()
    work.catalog.publish("labels", "old", [{**row, "name": "older"}], as_of_ns=1_000)
    work.refresh()
    assert query(work.home.path, "select name from labels")["name"].to_list() == ["newer"]


def test_a_damaged_database_is_built_anew(work: Workspace) -> None:
    _publish(work, "fire", 3)
    target = work.refresh()
    target.write_bytes(b"not a database" * 1000)
    work.refresh()
    assert _count(work.home.path, "labels") == 3


def test_a_failed_refresh_keeps_the_old_database_and_leaves_nothing(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(work, "fire", 3)
    work.refresh()
    _publish(work, "fire", 5)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(query_module.os, "replace", full)
    with pytest.raises(SvtaError, match=r"svta\.duckdb cannot be written.*free space"):
        refresh(work.catalog, work.home.path)
    assert _count(work.home.path, "labels") == 3
    assert sorted(path.name for path in work.home.path.glob("*svta*")) == [".svta.duckdb.lock", "svta.duckdb"]


_READER = """
import json, sys, time
from pathlib import Path
from svta_resources.query import query
home, seen, errors = Path(sys.argv[1]), 0, []
print("ready", flush=True)
stop = Path(sys.argv[2])
while not stop.exists():
    try:
        rows = query(home, "select name, count(*) as n from labels group by name").rows()
        seen += 1
        if any(int(name) != n for name, n in rows):
            errors.append(f"torn: {rows}")
    except Exception as error:
        errors.append(repr(error))
    time.sleep(0.01)
print(json.dumps([seen, errors]))
"""


def test_readers_are_never_blocked_nor_shown_half_a_refresh(work: Workspace, tmp_path: Path) -> None:
    """Four processes query while partitions are replaced and the database is refreshed; `name` holds the row count."""
    _publish(work, "fire", 50, name="50")
    work.refresh()
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen([sys.executable, "-c", _READER, str(work.home.path), str(stop)], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"ready\n"
    for pairs in range(51, 63):
        _publish(work, "fire", pairs, name=str(pairs))
        work.refresh()
    stop.touch()
    answers = [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]
    assert all(seen > 0 for seen, _ in answers)
    assert [errors for _, errors in answers] == [[]] * 4


def test_refreshers_take_turns(work: Workspace) -> None:
    """Refreshes from several processes at once end with one whole database and no leftovers."""
    _publish(work, "fire", 5)
    script = "from svta_assets.workspace import open_workspace; open_workspace().refresh()"
    children = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert _count(work.home.path, "labels") == 5
    assert [path.name for path in work.home.path.glob(".svta-*")] == []
