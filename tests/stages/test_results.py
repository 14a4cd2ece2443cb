"""What assets record: a data version by content, column meanings, and what a stage cost."""

import dagster as dg
import polars as pl

from svta_assets.results import Stopwatch, column_schema, counts_table, data_version, percent_shown, result
from svta_assets.schemas import TABLES
from svta_assets.workspace import Workspace

ROWS = pl.DataFrame({"clip_id": ["a-0", "b-0"], "sha256": ["1", "2"], "seconds": [0.1, 0.2]})


def test_a_data_version_is_the_hash_of_the_rows() -> None:
    assert data_version(ROWS) == data_version(ROWS.reverse())
    assert data_version(ROWS) != data_version(ROWS.head(1))


def test_columns_that_merely_happened_do_not_count() -> None:
    slower = ROWS.with_columns(pl.col("seconds") * 2)
    assert data_version(ROWS) != data_version(slower)
    assert data_version(ROWS, without=("seconds",)) == data_version(slower, without=("seconds",))


def test_a_result_carries_rows_and_version() -> None:
    made = result(ROWS, {"note": "x"}, without=("seconds",))
    assert isinstance(made, dg.MaterializeResult)
    assert made.metadata == {"dagster/row_count": 2, "note": "x"}
    assert made.data_version == data_version(ROWS, ("seconds",))


def test_every_column_is_shown_with_its_meaning() -> None:
    for name, table in TABLES.items():
        shown = column_schema(name)["dagster/column_schema"]
        assert [(column.name, column.description) for column in shown.columns] == [
            (column.name, column.meaning) for column in table.columns
        ]
        assert all(column.type for column in shown.columns)


def test_a_stage_writes_down_what_it_cost(work: Workspace) -> None:
    seconds = Stopwatch(work, "run-1", "videos", "fire").record(7, worker_seconds=1.23456, tokens=9)
    row = work.catalog.read("costs", "fire").row(0, named=True)
    assert (row["run_id"], row["stage"], row["items"], row["worker_seconds"], row["tokens"]) == (
        "run-1",
        "videos",
        7,
        1.235,
        9,
    )
    assert row["seconds"] == seconds >= 0


def test_counts_read_as_a_table() -> None:
    assert counts_table({"uca": 3}, "source", "texts").md_str == "| source | texts |\n|---|---|\n| uca | 3 |"


def test_percent_are_shown_as_the_tables_print_them() -> None:
    assert (percent_shown(23.46938775510204), percent_shown(20.0), percent_shown(None)) == (23.5, 20.0, None)
