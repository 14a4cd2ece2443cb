"""The tables of the paper beside ours: order, difference, recipe, and the same in LaTeX."""

import json
from pathlib import Path

import polars as pl
import pytest

from svta_assets.tables.render import PAPER_TABLES, current_rows, latex, write_tables
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.profiles import PROFILES, Home

FIGURES = {"r1": 50.0, "r5": 80.0, "r10": 90.0, "mdr": 1.0, "mnr": 9.0}
REST = {"r10_low": 85.0, "r10_high": 95.0, "r10_chance": 10.0, "r1_within": 60.0, "r1_within_chance": 12.0}


def _row(model: str, direction: str, at: str, **changed: float) -> dict[str, object]:
    key = {"checkpoint_id": f"c-{model}", "model": model, "release": "r1", "benchmark": "svta", "direction": direction}
    return {**key, "pairs": 100, **FIGURES, **REST, "trained_on_shuffled": False, "at": at, **changed}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """A home in which two models were evaluated, the later one in the paper's table first."""
    work = prepare_workspace(Home(PROFILES["demo"], tmp_path, str(tmp_path)))
    for model, r1, mnr, at in (("xclip-vit-b-16", 55.0, 9.0, "2"), ("clip4clip-meanp", 50.0, 7.0, "3")):
        rows = [_row(model, direction, at, r1=r1, mnr=mnr) for direction in ("t2v", "v2t")]
        work.catalog.publish("evaluations", model, rows)
        recipe = json.dumps({"name": "scratch", "preset": "tiny", "epochs": 7})
        work.catalog.publish("checkpoints", model, [{"checkpoint_id": f"c-{model}", "model": model, "recipe": recipe}])
    return work


def _lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line and line.startswith("|")]


def test_models_stand_in_the_papers_order_with_recipe_and_difference(work: Workspace) -> None:
    table = write_tables(work)["table2"]
    ours = _lines(table, ", ours")
    assert [line.split("|")[2].strip() for line in ours] == ["CLIP4Clip-MeanP, ours", "X-CLIP (ViT-B/16), ours"] * 2
    assert all("scratch, tiny, 7 epochs" in line for line in ours)
    paper = _lines(table, "CLIP4Clip-MeanP, paper")[0]
    assert "54.0 (-4.0)" in paper  # R@1 of Table 2, ours less the paper's
    assert "8.8 (-1.8)" in paper


def test_only_the_newest_evaluation_of_a_model_counts(work: Workspace) -> None:
    older = _row("clip4clip-meanp", "t2v", "1", r1=99.0)
    kept = work.catalog.read("evaluations", "clip4clip-meanp")
    rows = pl.concat([kept, work.catalog.tables["evaluations"].frame([{**older, "checkpoint_id": "old"}])])
    work.catalog.publish("evaluations", "clip4clip-meanp", rows)
    assert current_rows(work).filter(model="clip4clip-meanp", direction="t2v")["r1"].to_list() == [50.0]


def test_latex_marks_the_best_figure_of_a_column_and_lower_ranks_are_better(work: Workspace) -> None:
    text = latex(PAPER_TABLES[0], current_rows(work))
    ours = [line for line in text.splitlines() if line.startswith("text to video") and "paper" not in line]
    meanp, xclip = ours
    assert r"\textbf{7.0}" in meanp
    assert r"\textbf{50.0}" not in meanp
    assert r"\textbf{55.0}" in xclip
    assert r"\textbf{9.0}" not in xclip
    assert r"\textit{54.0} (-4.0)" in text, "the paper's R@1 with our difference"
    assert text.count(r"\\") == 9, "a heading, four rows of ours and four of the paper's"
    write_tables(work)
    assert (work.home.path / "reports" / "table2.tex").read_text() == text
