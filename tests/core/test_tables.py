"""Every table is declared once, with meanings, and rows are brought to exactly that shape."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.schemas import TABLES
from svta_resources.tables import Column, Growth, Table, TableError

# DESIGN and other tools rely on these names.
RELIED_ON = {
    "texts": ("text_id", "source", "source_video", "caption", "is_anomaly", "category"),
    "clips": ("clip_id", "pair_id", "take", "category", "status", "reject_reason", "uri", "sha256", "recipe_sha"),
    "descriptions": ("pair_id", "caption", "origin"),
    "labels": ("pair_id", "is_anomaly", "is_anomaly_origin", "name", "name_origin", "clip_id"),
}
NAMED = (
    "texts", "descriptions", "clips", "labels", "categories", "assignments", "releases", "splits", "checkpoints",
    "evaluations", "query_ranks", "rejects", "gates", "costs",
)  # fmt: skip

TABLE = Table("t", "", ("id",), (Column("id", pl.String, ""), Column("n", pl.Int64, ""), Column("x", pl.Float64, "")))


def test_the_tables_and_columns_that_tools_rely_on_exist() -> None:
    assert set(NAMED) <= set(TABLES)
    for table, columns in RELIED_ON.items():
        assert set(columns) <= set(TABLES[table].schema)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_says_what_it_means(table: Table) -> None:
    assert table.meaning.endswith(".")
    assert all(column.meaning for column in table.columns)
    assert set(table.key) <= set(table.schema), "the key is made of its own columns"
    assert len(table.schema) == len(table.columns), "no column is declared twice"
    assert table.empty().schema == table.schema


@given(st.permutations(["id", "n", "x"]), st.integers(0, 3))
def test_rows_come_out_in_the_declared_columns_and_types(order: list[str], dropped: int) -> None:
    row = {"id": "a", "n": 1, "x": 2}
    given_row = {name: row[name] for name in order if name == "id" or order.index(name) >= dropped}
    frame = TABLE.frame([given_row])
    assert dict(frame.schema) == TABLE.schema
    assert frame.row(0, named=True) == {name: given_row.get(name) for name in TABLE.schema}


def test_no_rows_at_all_are_fine() -> None:
    assert TABLE.frame([]).equals(TABLE.empty())
    assert TABLE.frame(pl.DataFrame({"id": []})).equals(TABLE.empty())


def test_a_later_row_may_have_columns_the_first_lacks() -> None:
    frame = TABLE.frame([{"id": "a"}, *({"id": str(n), "x": 0.5} for n in range(200))])
    assert frame["x"].null_count() == 1


def test_a_log_accepts_the_same_key_twice() -> None:
    log = Table("log", "", ("id",), TABLE.columns, Growth.LOG)
    assert log.frame([{"id": "a"}, {"id": "a"}]).height == 2
    with pytest.raises(TableError, match="repeated key"):
        TABLE.frame([{"id": "a"}, {"id": "a"}])
