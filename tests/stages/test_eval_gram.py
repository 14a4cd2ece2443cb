"""GRAM in `eval_tables`: three named results side by side, ranks for each, its frames and its way of sound."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from svta_assets.checkpoints.published_files import PublishedFile, import_published
from svta_assets.tables.evaluate import evaluate_model
from svta_assets.tables.paper import PAPER_TABLES
from svta_assets.tables.render import current_rows, latex, write_tables
from svta_assets.workspace import Workspace
from svta_models.checkpoint import save_checkpoint
from svta_models.identity import canonical_json
from svta_models.metrics import summarise
from svta_models.published import build_model
from svta_models.recipe import GramScratch
from svta_models.release import Release, write_release
from svta_models.shapes import model_shape, with_vocabulary
from svta_models.tokenizer import CaptionTokenizer
from svta_resources.errors import SvtaError
from tests.models.tiny_gram import sounding_rows, write_tiny_gram
from tests.stages.evaluated_home import MODEL, make_home, newest_release

CANDIDATES = 3


def quiet(line: str) -> None:
    """Progress is not what these tests are about."""


def add_gram(work: Workspace, audio: str, at: str) -> str:
    """An untrained GRAM checkpoint of the newest release."""
    release = Release(work.store, newest_release(work))
    recipe = GramScratch(epochs=1, max_frames=2, train_frames=1, audio=audio)
    tokenizer = CaptionTokenizer.train(release.split("train").frame["caption"].to_list(), 300)
    shape = with_vocabulary(model_shape(recipe), tokenizer.size)
    shape["config"]["itm_rerank_num"] = CANDIDATES
    torch.manual_seed(0)
    model = build_model("gram", shape)
    facts = {"recipe": recipe.to_dict(), "release": release.hash, "seed": 0, "best_epoch": 1, "curves": []}
    checkpoint = save_checkpoint(work.store, "checkpoints/gram", model, tokenizer, facts)
    row = {"checkpoint_id": checkpoint, "model": "gram", "release": release.hash, "made_at": at}
    row["recipe"] = canonical_json(recipe.to_dict())
    rows = pl.concat([work.catalog.read("checkpoints", "gram"), work.catalog.tables["checkpoints"].frame([row])])
    work.catalog.publish("checkpoints", "gram", rows)
    return checkpoint


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home in which GRAM and a model without re-ranking were evaluated."""
    made = make_home(tmp_path_factory.mktemp("gram"))
    add_gram(made, "zero", "1")
    for model in (MODEL, "gram"):
        evaluate_model(made, model, "latest", benchmarks=[], say=quiet)
    return made


def test_the_three_results_stand_side_by_side_in_every_table(work: Workspace) -> None:
    table = write_tables(work)["table2"]
    row = current_rows(work).filter(model="gram", direction="t2v").row(0, named=True)
    lines = [line for line in table.splitlines() if line.startswith("| text to video | GRAM, ours")]
    names = [line.split("|")[2].strip() for line in lines]
    assert names == [f"GRAM, ours {how}" for how in ("by volume alone", "re-ranked as published", "re-ranked honestly")]
    for line, prefix in zip(lines, ("", "published_", "honest_"), strict=True):
        figures = [f"{row[prefix + name]:.1f}" for name in ("r1", "r5", "r10", "mdr", "mnr")]
        assert [cell.strip() for cell in line.split("|")[3:8]] == figures
        assert "scratch, tiny, 1 epochs, audio zero" in line
    paper = next(line for line in table.splitlines() if "*GRAM, paper" in line)
    assert f"57.3 ({row['published_r1'] - 57.3:+.1f})" in paper, "less the paper's, by the rule the paper has"
    assert "stands in arbitrary order" in table and f"reads the {CANDIDATES} nearest" in table
    assert "GRAM saw 2 frames middles of equal segments, exact resize; audio: zero" in table
    assert [line for line in table.splitlines() if line.startswith("| text to video | CLIP4Clip-MeanP, ours |")]
    csv = pl.read_csv(work.home.path / "reports" / "table2.csv").filter(method="GRAM", direction="t2v")
    assert csv["row"].to_list() == [
        "ours", "ours, re-ranked as published", "ours, re-ranked honestly", "paper", "difference",
    ]  # fmt: skip
    assert csv["R@1"][4] == pytest.approx(row["published_r1"] - 57.3)
    text = latex(PAPER_TABLES[0], current_rows(work))
    for how in ("by volume alone", "re-ranked as published", "re-ranked honestly"):
        assert text.count(f"GRAM {how} &") == 2
    assert text.count(r"\\") == 1 + 2 * (2 + 4)


def test_every_query_has_a_rank_by_each_rule_and_the_figures_are_theirs(work: Workspace) -> None:
    ranks = work.catalog.read("query_ranks", "gram")
    for row in current_rows(work).filter(model="gram").iter_rows(named=True):
        own = ranks.filter(direction=row["direction"])
        assert own.height == row["pairs"] and row["reranked"] == CANDIDATES
        for rule in ("published", "honest"):
            figures = summarise(own[f"rank_{rule}"].to_numpy())
            assert figures["MnR"] == pytest.approx(row[f"{rule}_mnr"])
            assert figures["R@5"] == pytest.approx(row[f"{rule}_r5"])
        unread = own.filter(pl.col("rank") > CANDIDATES)
        assert unread["rank_honest"].equals(unread["rank"])
        assert own["rank"].mean() == pytest.approx(row["mnr"])
    assert work.catalog.read("query_ranks", MODEL)["rank_honest"].null_count() == 18
    assert current_rows(work).filter(model=MODEL)["reranked"].null_count() == 2


def test_evaluating_again_gives_the_same_three_results(work: Workspace) -> None:
    before = current_rows(work).filter(model="gram").drop("at")
    evaluate_model(work, "gram", "latest", benchmarks=[], say=quiet)
    assert current_rows(work).filter(model="gram").drop("at").equals(before)
    assert not list((work.home.path / "work" / "evaluation").glob("*")), "nothing waits that is done with"


def test_real_sound_is_recorded_with_how_many_clips_have_a_track(tmp_path: Path) -> None:
    made = make_home(tmp_path)
    write_release(made.store, sounding_rows(made.store, scenes=6))
    checkpoint = add_gram(made, "real", "2")
    rows = evaluate_model(made, "gram", "latest", benchmarks=[], say=quiet)
    row = rows.filter(checkpoint_id=checkpoint, direction="t2v").row(0, named=True)
    assert row["audio"] == "real" and 0 < row["heard"] < row["pairs"] + 1
    table = write_tables(made)["table2"]
    assert f"audio: real ({row['heard']} of {row['pairs']} clips have a track)" in table
    assert row["frames"] == "2 frames middles of equal segments, exact resize"


def test_a_published_run_is_taken_in_and_evaluated_as_it_is(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    weights = write_tiny_gram(tmp_path / "run") / "ckpt" / "model_step_7.pt"
    given = PublishedFile(weights, "gram", name="pretrained", preset="tiny")
    taken = import_published(made, given)
    assert taken.is_new and not import_published(made, given).is_new
    rows = evaluate_model(made, "gram", "latest", benchmarks=[], say=quiet)
    row = rows.filter(direction="t2v").row(0, named=True)
    assert (row["checkpoint_id"], row["trained_on"]) == (taken.row["checkpoint_id"], None)
    assert row["frames"] == "8 frames middles of equal segments, bilinear resize" and row["reranked"] == 4
    assert "published weights pretrained" in write_tables(made)["table2"]
    (weights.parent.parent / "log" / "hps.json").unlink()
    with pytest.raises(SvtaError, match="run lacks log/hps.json: put it there"):
        import_published(made, given)
    with pytest.raises(SvtaError, match="frames 'all' is none of published, spread"):
        import_published(made, replace(given, frames="all"))
