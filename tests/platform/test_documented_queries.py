"""The queries in docs/queries.sql run as they stand, on a fresh home and on a filled one."""

import re

import pytest

from svta_assets.workspace import Workspace
from svta_resources.profiles import project_root
from svta_resources.query import query
from tests.toy_home import DrillHome

TEXT = (project_root() / "docs" / "queries.sql").read_text()
QUERIES = {
    match["title"]: match["sql"]
    for match in re.finditer(r"^-- (?P<title>[^\n]+\?)\n(?P<sql>[^;]+;)", TEXT, re.MULTILINE)
}
NEEDS_MODEL_OR_TAKES = ("miss worst", "newest take first", "Why were clips rejected")


def test_the_file_is_read_as_written() -> None:
    assert len(QUERIES) == 8
    assert TEXT.count("\nselect") == len(QUERIES)


@pytest.mark.parametrize("title", QUERIES)
def test_a_documented_query_runs_on_a_fresh_home(work: Workspace, title: str) -> None:
    work.refresh()
    assert query(work.home.path, QUERIES[title]).height == 0


@pytest.mark.parametrize("title", [name for name in QUERIES if not any(part in name for part in NEEDS_MODEL_OR_TAKES)])
def test_a_documented_query_answers_on_a_filled_home(filled_home: DrillHome, title: str) -> None:
    filled_home.work.refresh()
    assert query(filled_home.path, QUERIES[title]).height > 0


def test_the_answers_are_right(filled_home: DrillHome) -> None:
    filled_home.work.refresh()
    progress = next(sql for title, sql in QUERIES.items() if title.startswith("How far"))
    rows = query(filled_home.path, progress)
    assert rows.select("category", "pairs").rows() == [("fighting", 40), ("normal-00", 40)]
    assert (rows["with_clip"] + rows["rejected"]).to_list() == [40, 40]
    splits = query(filled_home.path, next(sql for title, sql in QUERIES.items() if title.startswith("How is each")))
    assert int(splits.select("train", "val", "test").sum_horizontal().sum()) == int(rows["with_clip"].sum())
