"""Own models in the tables, recall by category, misses, OOPS! pairs, and the synthetic-to-real gap."""

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from svta_assets.benchmarks.pairs import benchmark_pairs
from svta_assets.benchmarks.settings import BenchmarkSettings
from svta_assets.checks import synthetic_to_real_gap
from svta_assets.partitions import models
from svta_assets.tables.assets import eval_tables
from svta_assets.tables.evaluate import evaluate_model, evaluate_own
from svta_assets.tables.gap import gap_verdict
from svta_assets.tables.misses import misses
from svta_assets.tables.per_category import category_scores
from svta_assets.tables.render import write_tables
from svta_assets.workspace import Workspace
from svta_models.own_model import open_own_model
from svta_resources.errors import SvtaError
from svta_resources.gpu_resource import GpuResource
from svta_resources.home import HomeResource
from svta_resources.profiles import project_root
from tests.stages.evaluated_home import MODEL, add_checkpoint, make_home
from tests.texts.text_sources import write_json
from tests.toy_home import clean_environment

EXAMPLE = str(project_root() / "examples" / "own_model.py")


def quiet(line: str) -> None:
    """Progress is not what these tests are about."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home in which a checkpoint and the example of a model of one's own were evaluated."""
    made = make_home(tmp_path_factory.mktemp("evaluated"))
    evaluate_model(made, MODEL, "latest", benchmarks=[], say=quiet)
    evaluate_own(made, open_own_model(EXAMPLE), "latest", benchmarks=[], say=quiet)
    return made


def test_a_model_of_ones_own_is_a_row_more_without_figures_of_the_paper(work: Workspace) -> None:
    table = write_tables(work)["table2"]
    lines = [line for line in table.splitlines() if "colour-words" in line and line.startswith("| text to video")]
    assert "colour-words, ours" in lines[0] and not any("paper" in line for line in lines)
    assert table.index("CLIP4Clip-MeanP, ours") < table.index("colour-words, ours"), "after the paper's"
    row = work.catalog.read("evaluations", "colour-words").filter(direction="t2v").row(0, named=True)
    assert row["trained_on"] is None and row["pairs"] == 9
    csv = pl.read_csv(work.home.path / "reports" / "table2.csv")
    assert set(csv.filter(method="colour-words")["row"]) == {"ours"}
    assert set(csv.filter(method="CLIP4Clip-MeanP")["row"]) == {"ours", "paper", "difference"}


def test_a_model_of_ones_own_cannot_take_a_papers_name(work: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "taken.py"
    file.write_text(f'name = "{MODEL}"\ndef load(device): return None\n')
    with pytest.raises(SvtaError, match=r"is a model of the paper's tables"):
        evaluate_own(work, open_own_model(str(file)), "latest", benchmarks=[], say=quiet)


def test_the_table_says_what_its_figures_rest_on(work: Workspace) -> None:
    table = write_tables(work)["table2"]
    row = work.catalog.read("evaluations", MODEL).row(0, named=True)
    evidence = next(line for line in table.splitlines() if row["checkpoint_id"] in line)
    assert f"`{row['data_sha']}`" in evidence
    assert "11.1, 55.6, 100.0" in evidence, "chance of R@1, 5 and 10 among 9 clips"
    assert row["ranks"] >= row["pairs"] == 9
    assert row["r1_low"] <= row["r1_averaged"] <= row["r1_high"]


def test_evaluating_again_replaces_and_another_checkpoint_adds(tmp_path: Path) -> None:
    work = make_home(tmp_path)
    first = evaluate_model(work, MODEL, "latest", benchmarks=[], say=quiet)
    again = evaluate_model(work, MODEL, "latest", benchmarks=[], say=quiet)
    assert first.drop("at").equals(again.drop("at"))
    add_checkpoint(work, "2", seed=1)
    assert evaluate_model(work, MODEL, "latest", benchmarks=[], say=quiet).height == first.height + 2


def test_categories_stand_worst_first_and_agree_with_the_ranks() -> None:
    ranks = pl.DataFrame(
        {
            "query": list("abcabc"),
            "direction": ["t2v"] * 3 + ["v2t"] * 3,
            "category": ["fire", "fire", "theft"] * 2,
            "rank": [1.0, 7.0, 2.0, 1.0, 1.0, 11.0],
        }
    )
    rows = category_scores(ranks).rows(named=True)
    assert [row["category"] for row in rows] == ["theft", "fire"]
    assert rows[0] == {
        "category": "theft", "queries": 1, "t2v_r1": 0.0, "t2v_r5": 100.0, "t2v_r10": 100.0,
        "v2t_r1": 0.0, "v2t_r5": 0.0, "v2t_r10": 0.0,
    }  # fmt: skip
    assert (rows[1]["t2v_r1"], rows[1]["t2v_r5"], rows[1]["t2v_r10"], rows[1]["v2t_r1"]) == (50.0, 50.0, 100.0, 100.0)


def test_a_cell_leads_to_its_misses_with_clip_prompt_and_recipe(work: Workspace) -> None:
    ranks = work.catalog.read("query_ranks", MODEL).filter(direction="t2v")
    worst = ranks.sort("rank").row(-1, named=True)
    clip = {"clip_id": f"{worst['query']}-0", "pair_id": worst["query"], "recipe": json.dumps({"preset": "toy"})}
    work.catalog.publish("clips", worst["category"].split()[-1], [clip])
    text = {"pair_id": worst["query"], "origin": "llm", "model": "writer", "environment": "sea"}
    work.catalog.publish("descriptions", worst["category"].split()[-1], [text])
    found = misses(work, MODEL)
    assert found.height == ranks.filter(pl.col("rank") > 1).height
    row = found.filter(query=worst["query"]).row(0, named=True)
    assert row["best_wrong"] == worst["best_wrong"]
    assert work.store.exists(row["file"]) and work.store.exists(row["wrong_file"])
    assert json.loads(row["recipe"]) == {"preset": "toy"}
    assert json.loads(row["prompt"]) == {"origin": "llm", "model": "writer", "environment": "sea"}
    only = misses(work, MODEL, category=worst["category"], direction="v2t")
    assert set(only["category"]) <= {worst["category"]}
    with pytest.raises(SvtaError, match="no query .* has the category 'nothing'"):
        misses(work, MODEL, category="nothing")
    with pytest.raises(SvtaError, match="has not been evaluated on oops"):
        misses(work, MODEL, "oops")


# -- OOPS! -------------------------------------------------------------------------------------------------------------


def _annotation(goal: str, wrong: str) -> dict[str, object]:
    return {"goal": goal, "wentwrong": wrong, "kgoalsvos": [], "kwentwrongsvos": []}


def test_of_an_oops_video_the_first_complete_description_is_the_pair(tmp_path: Path) -> None:
    listed = {
        "two workers": [_annotation("to jump", "He falls."), _annotation("to leap", "He slips.")],
        "first incomplete": [_annotation("", "He trips."), _annotation("to run", "He stumbles.")],
        "goal unknown": [_annotation("I don't know", "She drops it.")],
        "nothing known": [_annotation("to jump", "don't know")],
        "one": [_annotation("to ride", "The horse stops.")],
    }
    write_json(tmp_path / "oops" / "val.json", listed)
    write_json(tmp_path / "oops" / "train.json", {"trained on": [_annotation("to jump", "He jumps.")]})
    pairs = benchmark_pairs(BenchmarkSettings("oops", tmp_path, tmp_path / "oops"))
    kept = dict(pairs.kept.select("video", "caption").iter_rows())
    assert kept == {"two workers": "He falls.", "first incomplete": "He stumbles.", "one": "The horse stops."}
    assert pairs.listed.height == 7, "everything is listed, with what was decided"
    assert pairs.count_line == (
        "3 pairs (paper: 3,468); 3 left out: description not complete; 1 left out: not the first text of its video"
    )
    lenient = BenchmarkSettings("oops", tmp_path, tmp_path / "oops", complete=("wentwrong",))
    assert set(benchmark_pairs(lenient).kept["video"]) == {"two workers", "first incomplete", "goal unknown", "one"}


# -- the gap -----------------------------------------------------------------------------------------------------------


def _evaluated(work: Workspace, *figures: tuple[str, float, float]) -> None:
    """Publish evaluations of one model: (release, SVTA's R@1, UCFCrime-AR's), oldest first."""
    rows = []
    for place, (release, svta, real) in enumerate(figures):
        for benchmark, r1 in (("svta", svta), ("ucfcrime_ar", real)):
            key = {"checkpoint_id": f"c{release}", "release": release, "benchmark": benchmark, "direction": "t2v"}
            rows.append({**key, "model": MODEL, "r1": r1, "trained_on_shuffled": False, "at": str(place)})
    work.catalog.publish("evaluations", MODEL, rows)


def test_the_gap_is_followed_over_releases_and_warns_when_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SVTA_SOURCES_DIR", "SVTA_BENCHMARKS"):
        monkeypatch.delenv(name, raising=False)
    work = make_home(tmp_path)
    assert gap_verdict(work, MODEL).passed
    assert "no real benchmark configured" in gap_verdict(work, MODEL).reason
    _evaluated(work, ("r1", 50.0, 30.0))
    assert gap_verdict(work, MODEL).passed and "no release to compare with" in gap_verdict(work, MODEL).reason
    _evaluated(work, ("r1", 50.0, 30.0), ("r2", 54.0, 30.0))
    slow = gap_verdict(work, MODEL)
    assert slow.passed and slow.growth == 4.0 and slow.gaps["gap"].to_list() == [20.0, 24.0]
    _evaluated(work, ("r1", 50.0, 30.0), ("r2", 54.0, 30.0), ("r3", 60.0, 30.5))
    fast = gap_verdict(work, MODEL)
    assert not fast.passed and "+5.5 since release r2 (at most +5.0)" in fast.reason


def test_the_asset_shows_tables_categories_and_the_gap_in_the_ui(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    monkeypatch.delenv("SVTA_BENCHMARKS", raising=False)
    work = make_home(tmp_path)
    resources = {"home": HomeResource(), "gpu": GpuResource()}
    selection = dg.AssetSelection.assets(eval_tables) | dg.AssetSelection.checks(synthetic_to_real_gap)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [eval_tables, synthetic_to_real_gap, dg.AssetSpec("model_checkpoints", partitions_def=models)],
            partition_key=MODEL,
            resources=resources,
            selection=selection,
            instance=instance,
        )
    assert done.success
    shown = done.asset_materializations_for_node("eval_tables")[0].metadata
    exact = work.catalog.read("evaluations", MODEL).filter(direction="t2v").row(0, named=True)
    for name, column in {"T2V R@1": "r1", "T2V R@10": "r10", "T2V R@10 by chance": "r10_chance"}.items():
        assert str(shown[name].value) == f"{exact[column]:.1f}", "as in the tables"
    assert "CLIP4Clip-MeanP, ours" in shown["Table 2"].value
    assert "worst first" in shown["svta by category"].value
    check = done.get_asset_check_evaluations()[0]
    assert check.passed and "no real benchmark configured" in check.metadata["reason"].value
