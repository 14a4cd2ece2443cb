"""The main job as a stranger runs it, and what its figures are worth: a control on shuffled captions stays at chance."""

import json
import math
import subprocess

import polars as pl
import pytest

from svta_models import open_release
from svta_resources.profiles import project_root
from svta_resources.query import query
from tests.toy_home import SVTA, DrillHome

MODEL = "clip4clip-meanp"
PAIRS = 480


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[DrillHome, str]:
    """A fresh home after `svta demo`, and what the command printed."""
    home = DrillHome(tmp_path_factory.mktemp("demo") / "home")
    done = subprocess.run(
        [SVTA, "demo"], env=home.environment(COLUMNS="160"), cwd=project_root(), capture_output=True, text=True,
        check=False, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return home, done.stdout


def _evaluation(home: DrillHome, shuffled: bool) -> dict[str, dict[str, float]]:
    rows = home.work.catalog.read("evaluations").filter(pl.col("trained_on_shuffled") == shuffled)
    return {row["direction"]: row for row in rows.iter_rows(named=True)}


@pytest.mark.timeout(1600)
def test_the_demo_makes_480_pairs_in_two_normal_and_ten_anomaly_categories(demo: tuple[DrillHome, str]) -> None:
    home, _ = demo
    clips = home.work.catalog.read("clips")
    assert clips.height == clips["pair_id"].n_unique() == PAIRS
    assert set(clips.group_by("category").len()["len"]) == {40}
    assert set(clips.select("height", "width", "frames").unique().row(0)) == {112, 192, 33}
    kinds = home.work.catalog.read("categories")["kind"].value_counts()
    assert dict(kinds.iter_rows()) == {"normal": 2, "anomaly": 10}
    release = open_release(home.path, split="all").frame
    assert release.height == clips["current"].sum()
    assert not home.partials()


@pytest.mark.timeout(60)
def test_retrieval_on_the_demo_is_far_above_chance(demo: tuple[DrillHome, str]) -> None:
    figures = _evaluation(demo[0], shuffled=False)["t2v"]
    assert 90 <= figures["pairs"] <= 105
    assert figures["r10_chance"] == pytest.approx(1000 / figures["pairs"])
    assert figures["r10"] >= 40
    assert figures["r10_low"] >= 20
    assert figures["r1_within"] > figures["r1_within_chance"]


@pytest.mark.timeout(60)
def test_the_demo_ends_with_its_table_the_counts_and_what_to_do_next(demo: tuple[DrillHome, str]) -> None:
    home, said = demo
    figures = _evaluation(home, shuffled=False)["t2v"]
    assert "CLIP4Clip-MeanP, ours" in said
    assert f"{figures['r10']:.1f}" in said
    assert "paper (other scale)" in said
    assert f"R@1 within the query's own category {figures['r1_within']:.1f}" in " ".join(said.split())
    assert f"clips {PAIRS}" in said
    assert query(home.path, "select count(*) as n from clips")["n"][0] == PAIRS
    for step in ("make ui", "svta status", "svta regen fighting", "make test"):
        assert step in said.partition("Next:")[2]
    assert "s left" in said, "long work says when it ends"


@pytest.mark.timeout(900)
def test_a_model_trained_on_shuffled_captions_stays_inside_the_interval_of_chance(demo: tuple[DrillHome, str]) -> None:
    home, _ = demo
    control = {asset: {"config": {"shuffle_captions": True}} for asset in ("model_checkpoints", "eval_tables")}
    command = home.command("model_checkpoints,eval_tables", MODEL)
    done = subprocess.run(
        [*command, "--config-json", json.dumps({"ops": control})],
        env=home.environment(), cwd=project_root(), capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    honest = _evaluation(home, shuffled=False)
    for direction, figures in _evaluation(home, shuffled=True).items():
        low, high = _chance_interval(int(figures["pairs"]), figures["r10_chance"] / 100)
        assert low <= figures["r10"] <= high, direction
        assert honest[direction]["r10"] > high, direction
    table = (home.path / "reports" / "table2.md").read_text()
    assert "trained on shuffled captions" in table
    assert f"{honest['t2v']['r10']:.1f} (95% bootstrap" in table, "the control never takes the model's place"


def _chance_interval(queries: int, chance: float) -> tuple[float, float]:
    """R@10 in percent that 99.9% of random rankings reach: the central binomial interval.

    Not 95%: training differs in the last bits from one processor to the next, and by that bar one machine in ten would
    fail without anything being wrong.
    """
    tail = 0.0005
    cumulated, low, high = 0.0, None, queries
    for hits in range(queries + 1):
        cumulated += math.comb(queries, hits) * chance**hits * (1 - chance) ** (queries - hits)
        if low is None and cumulated > tail:
            low = hits
        if cumulated >= 1 - tail:
            high = hits
            break
    return 100 * (low or 0) / queries, 100 * high / queries
