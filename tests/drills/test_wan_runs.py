"""Wan clips through Dagster: the real diffsynth pipeline on a tiny checkpoint, two categories, a kill and a re-run."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from svta_assets.videos.quality import steps_with_tea_cache
from svta_resources.video.wan.tiny import write_tiny
from tests.toy_home import DrillHome

CATEGORIES = ("fighting", "normal-00")
PAIRS = 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def wan(filled_home: DrillHome, tmp_path_factory: pytest.TempPathFactory, weights: Path) -> DrillHome:
    """A home with descriptions of two categories and no clip yet, whose generator is wan:tiny."""
    home = filled_home.copy(tmp_path_factory.mktemp("wan") / "home")
    shutil.rmtree(home.path / "clips")
    shutil.rmtree(home.path / "metadata" / "clips")
    home.settings = {"SVTA_VIDEO_GENERATOR": "wan:tiny", "SVTA_WAN_DIR": str(weights)}
    return home


def _pairs(home: DrillHome, category: str) -> list[str]:
    return home.work.catalog.read("descriptions", category)["pair_id"].sort().to_list()[:PAIRS]


@pytest.mark.timeout(600)
def test_two_categories_are_made_with_their_records(wan: DrillHome) -> None:
    wanted = [pair for category in CATEGORIES for pair in _pairs(wan, category)]
    config = {"regenerate_categories": {"mode": "missing", "categories": list(CATEGORIES), "only": wanted}}
    done = wan.execute("regenerate", config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    clips = wan.work.catalog.read("clips").filter(pl.col("generator") == "wan:tiny")
    assert sorted(clips["pair_id"]) == sorted(wanted)
    assert set(clips.select("frames", "height", "width").rows()) == {(33, 64, 96)}
    steps = steps_with_tea_cache(clips)
    assert steps.height == clips.height
    assert (steps["skipped"] > 0).all()
    for text in clips["provenance"]:
        happened = json.loads(text)
        assert happened["diffsynth"] == "2.1.12"
        assert happened["denoise_seconds"] > 0


@pytest.mark.timeout(600)
def test_again_makes_nothing_and_other_weights_are_stale_not_missing(
    wan: DrillHome, weights: Path, tmp_path: Path
) -> None:
    facts = json.loads(wan.svta("status", "--json", "-c", "fighting").stdout)["categories"][0]
    assert (facts["current"] + facts["rejected"], facts["stale"]) == (PAIRS, 0)
    other = shutil.copytree(weights, tmp_path / "other")
    t5 = other / "models_t5_umt5-xxl-enc-bf16.pth"
    t5.write_bytes(t5.read_bytes() + b"\0")
    wan.settings["SVTA_WAN_DIR"] = str(other)
    try:
        stale = json.loads(wan.svta("status", "--json", "-c", "fighting").stdout)["categories"][0]["stale"]
    finally:
        wan.settings["SVTA_WAN_DIR"] = str(weights)
    assert stale == facts["current"]


def test_missing_weights_fail_the_run_with_the_setting_to_change(wan: DrillHome, tmp_path: Path) -> None:
    done = wan.materialize("videos", "fighting", SVTA_WAN_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "lacks 6 file(s) of wan:tiny" in done.stdout + done.stderr
