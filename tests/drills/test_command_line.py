"""Dagster as its users use it: the documented commands, in processes of their own, with the exit codes CI relies on."""

from pathlib import Path

import polars as pl

from svta_assets.splits.assign import targets
from svta_models import open_release
from tests.toy_home import DrillHome


def test_texts_are_collected_by_the_documented_command(described_home: DrillHome) -> None:
    assert described_home.ran["raw_texts"].returncode == 0
    texts = described_home.work.catalog.read("texts")
    assert set(texts["source"]) == {"packaged"}
    assert texts.filter(category="normal-00").height == 40


def test_a_category_is_made_by_the_documented_command(filled_home: DrillHome) -> None:
    catalog = filled_home.work.catalog
    assert catalog.read("descriptions", "fighting")["caption"].n_unique() == 40
    clips = catalog.read("clips", "fighting")
    assert clips["pair_id"].n_unique() == clips.height == 40
    assert clips.filter(status="accepted").height >= 36, "the gates reject only what stands still or is black"
    on_disk = filled_home.files("fighting")
    assert {row["uri"].rsplit("/", 1)[-1]: row["sha256"] for row in clips.iter_rows(named=True)} == on_disk
    labels = catalog.read("labels", "fighting")
    assert labels["is_anomaly"].all()
    assert set(labels["clip_id"].drop_nulls()) == set(clips.filter("current")["clip_id"])


def test_the_release_is_read_without_dagster(filled_home: DrillHome) -> None:
    everything = open_release(filled_home.path, split="all").frame
    assert everything.height == filled_home.work.catalog.read("clips")["current"].sum()
    for (_, category), group in everything.group_by("kind", "final_category"):
        held = {split: group.filter(split=split).height for split in ("train", "val", "test")}
        assert held == targets(group.height), category
    train = open_release(filled_home.path, split="train", category="fighting")
    assert set(train.frame["category"]) == {"fighting"}


def test_a_plain_materialize_again_makes_nothing(filled_home: DrillHome, tmp_path: Path) -> None:
    home = filled_home.copy(tmp_path / "home")
    before = home.files("fighting")
    done = home.materialize("llm_descriptions,videos,labels", "fighting")
    assert done.returncode == 0
    assert home.files("fighting") == before
    costs = home.work.catalog.read("costs", "fighting").filter(stage="videos").sort("at")
    assert costs["items"].to_list() == [40, 0]


def test_an_unknown_category_is_refused(described_home: DrillHome) -> None:
    done = described_home.materialize("videos", "figthing")
    assert done.returncode == 1
    assert "DagsterUnknownPartitionError" in done.stderr + done.stdout


def test_another_profiles_home_is_refused_with_the_command_to_use(described_home: DrillHome) -> None:
    done = described_home.materialize("raw_texts", SVTA_PROFILE="gpu")
    assert done.returncode == 1
    assert "belongs to profile 'demo', not 'gpu': run with SVTA_PROFILE=demo" in done.stderr + done.stdout


def test_a_new_category_changes_nobodys_split(filled_home: DrillHome, tmp_path: Path) -> None:
    home = filled_home.copy(tmp_path / "home")
    assert home.materialize("llm_descriptions,videos,labels", "falling").returncode == 0
    assert home.materialize("clusters,splits").returncode == 0
    release = open_release(home.path, split="all").frame
    assert set(release["category"]) == {"fighting", "falling", "normal-00"}
    before = open_release(filled_home.path, split="all").frame.select("pair_id", "split")
    kept = release.join(before, on="pair_id", suffix="_before")
    assert kept.height == before.height
    assert kept.filter(pl.col("split") != pl.col("split_before")).is_empty()
