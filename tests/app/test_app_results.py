"""Results pages: the figures of the tables, cells that lead to their misses, and nothing that a category's name breaks."""

from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from svta_assets.tables.paper import PAPER_TABLES
from svta_cli.app.pages.results_data import Cell, explained, missed, results
from svta_models.release import Release, resolve
from tests.app.conftest import CLIMBING, SCRIPT, client_of
from tests.stages.toy_category import ToyCategory

MODEL = "gram"
FIGURES = {"r1": 50.0, "r5": 90.0, "r10": 95.0, "mdr": 1.5, "mnr": 20.0}


@pytest.fixture
def evaluated(released: ToyCategory) -> ToyCategory:
    """An evaluation by hand: one query answered first, one third, one at rank 9 of which five answers are known."""
    work = released.work
    release = resolve(work.store)
    pairs = sorted(Release(work.store, release).split("test").frame["pair_id"])
    others = [pair for pair in sorted(released.current) if pair not in pairs]
    key = {"checkpoint_id": "c0", "release": release, "benchmark": "svta"}
    facts = {"model": MODEL, "pairs": len(pairs), "trained_on_shuffled": False, "missing": 0, "at": "1", "ranks": 3}
    more = {"r10_low": 1.0, "r10_high": 2.0, "r10_chance": 3.0, "r1_within": 4.0, "r1_within_chance": 5.0}
    rows = [{**key, **facts, **FIGURES, **more, "direction": direction} for direction in ("t2v", "v2t")]
    work.catalog.publish("evaluations", MODEL, rows)
    ranks = []
    for place, pair in enumerate(pairs):
        rank = (1.0, 3.0, 9.0)[place % 3]
        wrong = [one for one in pairs if one != pair]
        best = [pair, *wrong] if rank == 1 else [*(wrong * 3)[:2], pair] if rank == 3 else (wrong * 5)[:5]
        row = {**key, "query": pair, "rank": rank, "best_wrong": wrong[0], "best": best, "category": CLIMBING}
        ranks += [{**row, "direction": direction} for direction in ("t2v", "v2t")]
    assert len(pairs) >= 3 and others
    work.catalog.publish("query_ranks", MODEL, ranks)
    return released


@pytest.fixture
def reader(evaluated: ToyCategory) -> TestClient:
    return client_of(evaluated.work)


def test_a_cell_says_how_ours_differs_from_the_papers_and_which_is_better() -> None:
    assert Cell("r1", 50.0, 40.0).less == 10.0 and Cell("r1", 50.0, 40.0).better is True
    assert Cell("mnr", 50.0, 40.0).better is False, "a lower rank is the better one"
    assert Cell("r1", 50.0, None).less is None and Cell("r1", 50.0, 50.0).better is None


def test_the_tables_are_those_of_the_pipeline_with_the_papers_figures(evaluated: ToyCategory) -> None:
    found = results(evaluated.work)
    assert [one.table.name for one in found] == ["table2"]
    line = found[0].directions["text to video"][0]
    paper = PAPER_TABLES[0].paper(MODEL, "t2v")
    assert paper is not None
    assert {cell.name: cell.ours for cell in line.cells} == FIGURES
    assert [cell.paper for cell in line.cells] == list(paper.values())
    assert "Another scale" in found[0].notes[0] and not any("|" in note for note in found[0].notes)


def test_misses_show_what_was_ranked_above_the_right_answer_and_count_the_rest(evaluated: ToyCategory) -> None:
    work = evaluated.work
    rows = missed(work, MODEL, "svta", "t2v", None, beyond=1)
    assert rows["rank"].is_sorted(descending=True) and rows["rank"].min() == 3.0
    for miss in explained(work, rows, MODEL, "svta"):
        shown = [one.pair for one in miss.above]
        assert miss.query.pair not in shown and all(one.clip_id for one in (*miss.above, miss.query))
        assert len(shown) + miss.hidden == miss.rank - 1
        assert miss.hidden == (3 if miss.rank == 9 else 0)
    assert missed(work, MODEL, "svta", "t2v", CLIMBING, beyond=5)["rank"].to_list() == [9.0] * (
        rows.filter(pl.col("rank") == 9).height
    )
    older = rows.with_columns(best=pl.lit(None, pl.List(pl.String)))
    assert [len(one.above) for one in explained(work, older, MODEL, "svta")] == [1] * rows.height


def test_every_page_of_the_results_opens_and_links_to_the_next(reader: TestClient) -> None:
    tables = reader.get("/results").text
    assert "/results/misses?model=gram&amp;benchmark=svta&amp;direction=t2v&amp;beyond=1" in tables
    board = reader.get("/results/categories", params={"model": MODEL, "benchmark": "svta"})
    assert board.status_code == 200 and "category=..%2F..%2Fx" in board.text
    query: dict[str, Any] = {"model": MODEL, "direction": "v2t", "category": CLIMBING, "beyond": "5"}
    answer = reader.get("/results/misses", params=query)
    assert answer.status_code == 200 and "/media/thumbs/" in answer.text and SCRIPT not in answer.text
    figures = reader.get("/results/figures").text
    assert "/results/figures/figure3.svg" in figures
    drawn = reader.get("/results/figures/figure3.svg")
    assert drawn.status_code == 200 and drawn.headers["content-type"].startswith("image/svg+xml")
    assert reader.get("/results/figures/taxonomy_diff.svg").text.count("<svg") == 1, "nothing to draw is said in SVG"
    for path, status in (
        ("/results/categories?model=nobody", 404),
        (f"/results/misses?model={MODEL}&direction=up", 400),
        (f"/results/misses?model={MODEL}&beyond=7", 400),
        (f"/results/misses?model={MODEL}&page=0", 400),
        (f"/results/misses?model={MODEL}&category=none", 404),
        ("/results/figures/..%2f..%2fhome.json.svg", 404),
    ):
        assert reader.get(path).status_code == status, path


def test_a_home_without_evaluations_says_what_to_do(released: ToyCategory) -> None:
    client = client_of(released.work)
    assert "materialize eval_tables" in client.get("/results").text
