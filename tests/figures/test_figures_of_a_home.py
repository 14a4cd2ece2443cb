"""Figures of a home: drawn from its tables, written beside its reports, and never a reason for a stage to fail."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.figures import files
from svta_assets.figures.drawn import Drawing, drawings, taxonomy_change
from svta_assets.figures.examples import choose, ranked_examples
from svta_assets.figures.files import FOLDER, shown
from svta_assets.figures.page import NothingToDraw
from svta_assets.tables.best_answers import KEPT, best_answers
from svta_assets.workspace import Workspace
from svta_cli.main import run
from svta_models.release import write_release
from svta_resources.errors import SvtaError
from tests.models.synthetic import make_release_rows

MODEL = "clip4clip-meanp"
CURVES = [
    {"epoch": 1, "loss": 2.0, "r_at_1": 10.0, "r_at_10": 40.0},
    {"epoch": 2, "loss": 1.0, "r_at_1": 30.0, "r_at_10": 60.0},
]


@pytest.fixture
def evaluated(work: Workspace) -> Workspace:
    """A home with a release of synthetic clips and the rows that stages would have written about it."""
    rows = make_release_rows(work.store, per_scene=2, scenes=12)
    digest = write_release(work.store, rows)
    test = rows.filter(split="test").sort("pair_id")["pair_id"].to_list()
    key = {"checkpoint_id": "c", "release": digest, "benchmark": "svta"}
    ranks = [
        {
            **key,
            "direction": way,
            "query": pair,
            "rank": [1.0, 2.0, 7.0][place % 3],
            "category": "a",
            "best": _list(test, place),
        }
        for place, pair in enumerate(test)
        for way in ("t2v", "v2t")
    ]
    evaluations = [
        {**key, "model": MODEL, "direction": way, "trained_on_shuffled": False, "at": "1"} for way in ("t2v", "v2t")
    ]
    work.catalog.publish("query_ranks", MODEL, ranks)
    work.catalog.publish("evaluations", MODEL, evaluations)
    checkpoint = {"checkpoint_id": "c", "model": MODEL, "epoch": 2, "curves": json.dumps(CURVES), "made_at": "1"}
    imported = {"checkpoint_id": "d", "model": MODEL, "curves": "[]", "made_at": "2"}
    work.catalog.publish("checkpoints", MODEL, [checkpoint, imported])
    sources = [{"pair_id": pair, "category": "a", "source": "uca"} for pair in rows["pair_id"]]
    work.catalog.publish("descriptions", "a", sources)
    return work


def _list(test: list[str], place: int) -> list[str]:
    """Five answers with the right one first, second or missing."""
    others = [pair for pair in test if pair != test[place]]
    right = place % 3
    return [*others[:right], test[place], *others[right:]][:KEPT] if right < 2 else others[:KEPT]


def test_a_fresh_home_says_what_makes_each_figure(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for drawing in drawings(work):
        with pytest.raises(NothingToDraw, match="materialize|first taxonomy"):
            drawing.draw()
    assert shown(work, "splits") == {}
    assert run(["figures"]) == 0
    assert "figure3: not drawn, there is no release yet: materialize splits" in capsys.readouterr().err


def test_every_figure_of_a_home_is_written_and_shown(evaluated: Workspace, tmp_path: Path) -> None:
    found = (
        shown(evaluated, "splits")
        | shown(evaluated, "model_checkpoints", MODEL)
        | shown(evaluated, "eval_tables", MODEL)
    )
    assert set(found) == {
        "Figure 3: categories", "Figure 4: captions", "from source to category", "training curves",
        "Figure 5: ranked examples", "recall by category, svta",
    }  # fmt: skip
    assert all(text.startswith("![") for text in found.values())
    names = {"figure3", "figure4", "flow", f"curves_{MODEL}", f"figure5_{MODEL}", f"recall_svta_{MODEL}"}
    assert {path.stem for path in (evaluated.home.path / FOLDER).glob("*.svg")} == names
    assert run(["figures", "--out", str(tmp_path / "out")]) == 0
    assert {path.stem for path in (tmp_path / "out").iterdir()} == names
    assert (tmp_path / "out" / "flow.svg").read_bytes() == (evaluated.home.path / FOLDER / "flow.svg").read_bytes()


def test_ranked_examples_are_hits_and_misses_with_their_frames(evaluated: Workspace) -> None:
    examples, release = ranked_examples(evaluated, MODEL)
    assert release == evaluated.catalog.read("evaluations")["release"][0]
    assert [one.rank for one in examples][-2:] == [2, 7]
    assert examples[0].rank == 1
    for one in examples:
        right = [answer for answer in one.answers if answer.right]
        assert [answer.rank for answer in right] == [one.rank]
        assert all(answer.frame is not None for answer in one.answers)
    assert [answer.right for answer in examples[-1].answers] == [False] * 5 + [True]


def test_a_damaged_clip_leaves_its_picture_out(evaluated: Workspace) -> None:
    for item in evaluated.store.list("clips/"):
        evaluated.store.put(item.key, b"no video")
    examples, _ = ranked_examples(evaluated, MODEL)
    assert {answer.frame for one in examples for answer in one.answers} == {None}
    assert "could not" not in shown(evaluated, "eval_tables", MODEL)["Figure 5: ranked examples"]


def test_a_figure_that_cannot_be_drawn_never_fails_its_stage(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ZeroDivisionError("nothing <script>")

    monkeypatch.setattr(files, "of_stage", lambda *_: [Drawing("x", "X", broken)])
    assert shown(work, "splits") == {"X": "could not be drawn (ZeroDivisionError: nothing <script>)"}


def test_examples_are_chosen_by_rule() -> None:
    best = ["a", "b"]
    ranks = pl.DataFrame(
        [
            {"query": "q4", "rank": 9.0, "kind": "normal", "best": best},
            {"query": "q3", "rank": 1.0, "kind": "normal", "best": best},
            {"query": "q2", "rank": 1.0, "kind": "normal", "best": best},
            {"query": "q1", "rank": 1.0, "kind": "anomaly", "best": best},
            {"query": "q5", "rank": 2.0, "kind": "anomaly", "best": best},
            {"query": "q6", "rank": 30.0, "kind": "anomaly", "best": best},
        ]
    )
    assert [row["query"] for row in choose(ranks)] == ["q1", "q2", "q5", "q6"]


def test_an_unknown_taxonomy_version_is_named(work: Workspace) -> None:
    with pytest.raises(SvtaError, match="no taxonomy version 'old'"):
        taxonomy_change(work, "old", "new")


@given(st.integers(1, 12), st.integers(0, 3))
def test_the_best_answers_are_those_of_a_plain_sort(size: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).permutation(size * size).reshape(size, size).astype(np.float32)
    names = [f"p{number}" for number in range(size)]
    found = best_answers(matrix, names)
    for direction, scores in (("t2v", matrix), ("v2t", matrix.T)):
        expected = [[names[place] for place in np.argsort(-row)[:KEPT]] for row in scores]
        assert found.filter(direction=direction)["best"].to_list() == expected


def test_a_score_that_is_no_number_comes_last() -> None:
    found = best_answers(np.array([[np.nan, 1.0], [0.5, np.nan]]), ["a", "b"])
    assert found.filter(direction="t2v")["best"].to_list() == [["b", "a"], ["a", "b"]]
