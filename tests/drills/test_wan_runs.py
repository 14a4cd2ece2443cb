"""Wan clips through Dagster: the real diffsynth pipeline on a tiny checkpoint, two categories, a kill and a re-run."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from svta_assets.videos.quality import steps_with_tea_cache
from svta_models.media_store import sha256_hex
from svta_resources.video.encode import encode_mp4
from svta_resources.video.wan.generator import WanGenerator
from svta_resources.video.wan.tiny import write_tiny
from tests.toy_home import DrillHome

CATEGORIES = ("fighting", "normal-00")
PAIRS = 3
FRAMES = 9
SPEC = f"wan:tiny?frames={FRAMES}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def wan(filled_home: DrillHome, tmp_path_factory: pytest.TempPathFactory, weights: Path) -> DrillHome:
    """A home with descriptions of two categories and no clip yet, whose generator is wan:tiny."""
    home = filled_home.copy(tmp_path_factory.mktemp("wan") / "home")
    shutil.rmtree(home.path / "clips")
    shutil.rmtree(home.path / "metadata" / "clips")
    home.settings = {"SVTA_VIDEO_GENERATOR": SPEC, "SVTA_WORKERS": "1", "SVTA_WAN_DIR": str(weights)}
    return home


@contextmanager
def one_thread() -> Iterator[None]:
    """As the pool's workers compute; also much faster than two on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _pairs(home: DrillHome, category: str, count: int = PAIRS) -> list[str]:
    return home.work.catalog.read("descriptions", category)["pair_id"].sort().to_list()[:count]


def _kill_after_the_first_clip(home: DrillHome, job: str, config: dict[str, Any]) -> dict[Path, int]:
    """kill -9 a run once a clip is there; returns the finished clips and when they were written."""
    run = home.start_job(job, config)
    deadline = time.monotonic() + 300
    while not list(home.path.glob("clips/*/*.json")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(1)  # its workers end within half a second
    return {path: path.stat().st_mtime_ns for path in home.path.glob("clips/*/*.mp4")}


@pytest.mark.timeout(900)
def test_two_categories_are_made_with_their_records_although_the_first_run_is_killed(wan: DrillHome) -> None:
    """What was finished stays, the rest is made, and every clip is the one that an undisturbed process makes."""
    wanted = [pair for category in CATEGORIES for pair in _pairs(wan, category)]
    config = {"regenerate_categories": {"mode": "missing", "categories": list(CATEGORIES), "only": wanted}}
    kept = _kill_after_the_first_clip(wan, "regenerate", config)
    assert 0 < len(kept) < len(wanted), "killed in the middle"
    done = wan.execute("regenerate", config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    clips = wan.work.catalog.read("clips").filter(pl.col("generator") == SPEC)
    assert sorted(clips["pair_id"]) == sorted(wanted)
    assert set(clips.select("frames", "height", "width").rows()) == {(FRAMES, 64, 96)}
    steps = steps_with_tea_cache(clips)
    assert steps.height == clips.height
    assert (steps["skipped"] > 0).all()
    assert (clips["device_seconds"] > 0).all()
    assert (clips["device_seconds"] < clips["seconds"]).all()
    for text in clips["provenance"]:
        happened = json.loads(text)
        assert happened["diffsynth"] == version("diffsynth")
        assert happened["denoise_seconds"] > 0
        assert happened["encode_seconds"] > 0
        assert happened["attention"] == "stock (sdpa)"
    with one_thread():
        generator = WanGenerator("tiny", wan.settings["SVTA_WAN_DIR"], frames=FRAMES)
        for row in clips.iter_rows(named=True):
            mp4 = encode_mp4(generator.generate(row["caption"], row["seed"]), row["fps"], 6)
            assert sha256_hex(mp4) == row["sha256"]


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
