"""The metadata files: nothing a writer published is ever hidden by older facts, and rows always fit their table."""

import io
import random
import string
import time
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.schemas import TABLES
from svta_models.media_store import open_store
from svta_resources import catalog as catalog_module
from svta_resources.catalog import Catalog, content_version
from svta_resources.errors import SvtaError
from svta_resources.tables import TableError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(open_store(tmp_path), TABLES)


def _labels(*pairs: str, name: str = "walk", category: str = "fire") -> list[dict[str, object]]:
    return [{"pair_id": pair, "category": category, "is_anomaly": True, "name": name} for pair in pairs]


def _files(catalog: Catalog) -> list[str]:
    return [item.key for item in catalog.store.list("metadata")]


def test_a_table_that_was_never_written_has_its_columns_and_no_rows(catalog: Catalog) -> None:
    for name, table in TABLES.items():
        rows = catalog.read(name)
        assert rows.height == 0
        assert dict(rows.schema) == table.schema


def test_the_newest_projection_is_the_partition(catalog: Catalog) -> None:
    catalog.publish("labels", "fire", _labels("a", "b"))
    catalog.publish("labels", "falling", _labels("c", category="falling"))
    catalog.publish("labels", "fire", _labels("b", name="run"))
    assert catalog.read("labels", "fire").select("pair_id", "name").rows() == [("b", "run")]
    assert sorted(catalog.read("labels")["pair_id"]) == ["b", "c"]
    assert catalog.partitions("labels") == ["falling", "fire"]


def test_a_slow_writer_with_older_facts_never_hides_newer_ones(catalog: Catalog) -> None:
    began = time.time_ns()
    catalog.publish("labels", "fire", _labels("a", "b"), as_of_ns=began + 1_000)
    catalog.publish("labels", "fire", _labels("a"), as_of_ns=began)  # listed earlier, finished later
    assert catalog.read("labels", "fire")["pair_id"].to_list() == ["a", "b"]


def test_facts_gathered_again_hide_everything_gathered_before(catalog: Catalog) -> None:
    """Even when they equal what is there: otherwise a slow writer in between would win over them."""
    began = time.time_ns()
    catalog.publish("labels", "fire", _labels("a"), as_of_ns=began)
    catalog.publish("labels", "fire", _labels("a"), as_of_ns=began + 2_000)
    catalog.publish("labels", "fire", _labels("a", "b"), as_of_ns=began + 1_000)
    assert catalog.read("labels", "fire")["pair_id"].to_list() == ["a"]


def test_unchanged_rows_write_nothing(catalog: Catalog) -> None:
    catalog.publish("labels", "fire", _labels("a", "b"))
    before = _files(catalog)
    catalog.publish("labels", "fire", list(reversed(_labels("a", "b"))))
    assert _files(catalog) == before
    catalog.publish("labels", "fire", _labels("a", "b", name="other"))
    assert len(_files(catalog)) == 2


def test_appended_rows_add_up_in_order(catalog: Catalog) -> None:
    for number in range(3):
        row = {"run_id": str(number), "stage": "videos", "partition": "fire", "items": number, "at": str(number)}
        catalog.append("costs", "fire", [row])
    catalog.append("costs", "fire", [])
    assert catalog.read("costs", "fire")["items"].to_list() == [0, 1, 2]
    assert len(_files(catalog)) == 3


def test_a_row_that_moved_to_another_partition_stands_where_it_went_last(catalog: Catalog) -> None:
    catalog.publish("labels", "zebra", _labels("a", "b", category="zebra"))
    catalog.publish("labels", "aardvark", _labels("a", category="aardvark"))
    rows = catalog.read("labels").select("pair_id", "category").sort("pair_id").rows()
    assert rows == [("a", "aardvark"), ("b", "zebra")]
    catalog.publish("labels", "zebra", _labels("a", category="zebra", name="back again"))
    assert catalog.read("labels")["name"].to_list() == ["back again"]


def test_superseded_files_go_after_the_grace_and_not_before(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for pair in "abc":
        catalog.publish("labels", "fire", _labels(pair))
    assert len(_files(catalog)) == 3, "a reader that listed them may still open them"
    monkeypatch.setattr(catalog_module, "SUPERSEDED_GRACE_S", 0.0)
    catalog.publish("labels", "fire", _labels("d"))
    assert catalog.read("labels", "fire")["pair_id"].to_list() == ["d"]
    assert len(_files(catalog)) <= 2


def test_logs_are_never_cleaned(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "SUPERSEDED_GRACE_S", 0.0)
    for number in range(3):
        catalog.append("costs", "all", [{"run_id": str(number), "stage": "s", "partition": "all", "at": str(number)}])
    assert catalog.read("costs").height == 3


def _costs(catalog: Catalog, count: int) -> None:
    for number in range(count):
        catalog.append("costs", f"p{number % 3}", [{"run_id": f"r{number}", "stage": "s", "partition": "p"}])


def test_many_files_of_a_log_read_together_as_one_by_one(catalog: Catalog) -> None:
    """Also where an older version wrote them: without a column, with one more, with another type."""
    _costs(catalog, 12)
    files = catalog.files("costs")
    for place, change in enumerate([pl.col("run_id"), pl.lit(1).alias("gone"), pl.lit("7").alias("items")]):
        wholes = [catalog.read_file(item) for item in files]
        assert [frame.to_dicts() for frame in catalog.read_files(files)] == [frame.to_dicts() for frame in wholes]
        assert catalog.read("costs").equals(pl.concat(wholes))
        rows = wholes[place].select(change) if place == 0 else wholes[place].with_columns(change)
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        catalog.store.put(files[place].key, buffer.getvalue())
    assert catalog.read_files(files)[2]["items"].to_list() == [7]
    assert catalog.read("costs")["run_id"].to_list() == [frame["run_id"][0] for frame in wholes]


def test_a_log_is_listed_once_and_each_file_fetched_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    _costs(catalog, 40)
    calls = Mock(wraps=catalog.store)
    monkeypatch.setattr(catalog, "store", calls)
    assert catalog.read("costs").height == 40
    assert (calls.list.call_count, calls.get.call_count) == (1, 40)


def test_of_many_files_the_damaged_one_is_named(catalog: Catalog) -> None:
    _costs(catalog, 9)
    damaged = catalog.files("costs")[4].key
    catalog.store.put(damaged, b"PAR1")
    with pytest.raises(SvtaError, match=damaged):
        catalog.read("costs")


def test_files_that_are_not_ours_are_ignored(catalog: Catalog, tmp_path: Path) -> None:
    catalog.publish("labels", "fire", _labels("a"))
    for name in (".DS_Store", "labels/.DS_Store", "labels/fire/notes.parquet", "labels/fire/deep/er.parquet"):
        target = tmp_path / "metadata" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x")
    assert catalog.read("labels")["pair_id"].to_list() == ["a"]


def test_a_column_that_was_added_or_retired_since_does_not_break_reading(catalog: Catalog) -> None:
    import io

    buffer = io.BytesIO()
    pl.DataFrame({"pair_id": ["a"], "retired_column": [1]}).write_parquet(buffer)
    catalog.store.put("metadata/labels/fire/00000000000000000001-00000000.parquet", buffer.getvalue())
    rows = catalog.read("labels", "fire")
    assert rows.columns == list(TABLES["labels"].schema)
    assert rows["pair_id"].to_list() == ["a"]


def test_a_damaged_file_is_named_with_the_partition_to_make_again(catalog: Catalog, tmp_path: Path) -> None:
    catalog.publish("labels", "fire", _labels("a"))
    damaged = tmp_path / _files(catalog)[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(SvtaError, match=rf"{damaged.name}.*partition fire of labels again"):
        catalog.read("labels", "fire")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"pair_id": "a", "colour": "red"}], "no column colour"),
        ([{"pair_id": "a"}, {"pair_id": "a"}], "repeated key.*pair_id='a'"),
        ([{"pair_id": None, "name": "x"}], "empty key"),
        ([{"pair_id": "a", "is_anomaly": "perhaps"}], "wrong type"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(
    catalog: Catalog, rows: list[dict[str, object]], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        catalog.publish("labels", "fire", rows)
    assert _files(catalog) == []


def test_tables_are_written_only_the_way_they_grow(catalog: Catalog) -> None:
    with pytest.raises(TableError, match="no table 'label'.*labels"):
        catalog.read("label")
    with pytest.raises(TableError, match="costs is a log"):
        catalog.publish("costs", "all", [])
    with pytest.raises(TableError, match="labels is a projection"):
        catalog.append("labels", "fire", [])


_VALUES = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(string.printable + "é中\u2028\x85", max_size=6),
        "number": st.none() | st.integers(-(2**40), 2**40),
        "flags": st.lists(st.sampled_from(["short", "dangling"]), max_size=2),
    }
)
_SCHEMA = {"text": pl.String, "number": pl.Int64, "flags": pl.List(pl.String)}


@given(rows=st.lists(_VALUES, max_size=12), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_a_content_version_does_not_depend_on_the_order_of_rows_or_columns(
    rows: list[dict[str, object]], seed: int
) -> None:
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    frame, other = pl.DataFrame(rows, schema=_SCHEMA), pl.DataFrame(shuffled, schema=_SCHEMA)
    assert content_version(frame) == content_version(other.select("flags", "text", "number"))


@given(rows=st.lists(_VALUES, min_size=1, max_size=8), extra=_VALUES)
@settings(deadline=None, max_examples=40)
def test_a_content_version_notices_every_added_row(rows: list[dict[str, object]], extra: dict[str, object]) -> None:
    assert content_version(pl.DataFrame(rows, schema=_SCHEMA)) != content_version(
        pl.DataFrame([*rows, extra], schema=_SCHEMA)
    )


def test_a_content_version_tells_line_separators_inside_captions_apart() -> None:
    one, other = pl.DataFrame({"c": ["a\u2028b", "c"]}), pl.DataFrame({"c": ["a", "b\u2028c"]})
    assert content_version(one) != content_version(other)
