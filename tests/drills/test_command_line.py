"""Dagster as its users use it: the documented commands, in processes of their own, with the exit codes CI relies on."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from svta_assets.splits.assign import targets
from svta_models import open_release
from svta_resources.profiles import project_root
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


@pytest.fixture
def gated_home(filled_home: DrillHome, tmp_path: Path) -> DrillHome:
    """A home of the profile `gpu`, whose gates require people; its clips are the demo's."""
    home = filled_home.copy(tmp_path / "home")
    marker = home.path / "home.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "profile": "gpu"}))
    return home


def test_a_shut_gate_fails_the_command_with_its_reason(gated_home: DrillHome) -> None:
    """What `examples/ci.yml` relies on: exit code 1, and nothing of the next stage is written."""
    releases = gated_home.work.store.list("releases")
    done = gated_home.materialize("clusters,splits", SVTA_PROFILE="gpu", SVTA_VIDEO_GENERATOR="procedural")
    said = done.stderr + done.stdout
    assert done.returncode == 1
    assert "gate label_review is shut: labels are not reviewed yet: review the 10% sample (bar 97%)" in said
    assert gated_home.work.store.list("releases") == releases
    verdicts = gated_home.work.catalog.read("gates", "all").sort("at").tail(2)
    assert dict(verdicts.select("gate", "level").iter_rows()) == {"label_review": "shut", "taxonomy_approval": "shut"}


def test_the_example_workflow_runs_the_commands_tested_here() -> None:
    workflow = yaml.safe_load((project_root() / "examples" / "ci.yml").read_text())
    steps = workflow["jobs"]["categories"]["steps"]
    script = "\n".join(step.get("run", "") for step in steps)
    categories = re.search(r"for category in ([^;]+);", script)
    assert categories is not None
    assert len(categories[1].split()) == 3
    selections = re.findall(r"--select (\S+)", script)
    assert selections == ["raw_texts", "llm_descriptions,videos,labels", "clusters,splits"]
    gate = next(step for step in steps if "clusters,splits" in step.get("run", ""))
    assert "continue-on-error" not in gate
    assert any("upload-artifact" in step.get("uses", "") for step in steps)


def test_three_categories_in_three_runs(filled_home: DrillHome, tmp_path: Path) -> None:
    """The loop of `examples/ci.yml`; the two others are in the filled home already."""
    home = filled_home.copy(tmp_path / "home")
    assert home.materialize("llm_descriptions,videos,labels", "falling").returncode == 0
    assert home.materialize("clusters,splits").returncode == 0
    release = open_release(home.path, split="all").frame
    assert set(release["category"]) == {"fighting", "falling", "normal-00"}
    assert release.height == home.work.catalog.read("clips")["current"].sum()
    before = open_release(filled_home.path, split="all").frame.select("pair_id", pl.col("split").alias("before"))
    assert release.join(before, on="pair_id").filter(pl.col("split") != pl.col("before")).height == 0
