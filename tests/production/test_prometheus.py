"""`svta metrics`: what Prometheus reads equals what the tables say."""

import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from svta_cli.main import cli
from svta_resources.errors import SvtaError
from tests.stages.toy_category import CATEGORY, ToyCategory
from tests.toy_home import SVTA, DrillHome

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyCategory:
    """Six pairs, of whose clips the gates reject some, and one recorded run."""
    for name in ("SVTA_MEDIA_URL", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SVTA_HOME", str(tmp_path / "home"))
    toy = ToyCategory(tmp_path / "home", {f"pair-{n}": f"smoke rises from house {n}" for n in range(6)})
    toy.generator.still_share = 40
    toy.run()
    spent = {"stage": "videos", "partition": CATEGORY, "items": 6, "seconds": 2.5, "worker_seconds": 4.0, "tokens": 0}
    for run in ("one", "two"):
        toy.work.catalog.append("costs", CATEGORY, [{**spent, "run_id": run, "at": "2026-01-01T00:00:00+00:00"}])
    return toy


def _samples(text: str) -> Samples:
    """Every sample: its name and its labels' values in the labels' order -> value."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _print() -> str:
    done = CliRunner().invoke(cli, ["metrics"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_every_figure_is_what_the_tables_say(toy: ToyCategory) -> None:
    clips, samples = toy.clips, _samples(_print())
    accepted, rejected = (clips.filter(clips["status"] == status).height for status in ("accepted", "rejected"))
    assert 0 < rejected < 6, "the gates were to reject some"
    assert samples[("svta_up",)] == 1
    assert samples[("svta_pairs", CATEGORY)] == 6
    assert samples[("svta_clips", CATEGORY, "accepted")] == accepted
    assert samples[("svta_clips", CATEGORY, "rejected")] == rejected
    assert samples[("svta_current_clips", CATEGORY)] == clips["current"].sum()
    assert samples[("svta_device_seconds", CATEGORY)] == pytest.approx(clips["device_seconds"].sum())
    assert samples[("svta_stage_runs", "videos")] == 2
    assert samples[("svta_stage_worker_seconds", "videos")] == 8.0
    assert samples[("svta_stage_newest_timestamp_seconds", "videos")] == 1767225600
    assert abs(samples[("svta_newest_clip_timestamp_seconds", CATEGORY)] - time.time()) < 300
    assert abs(samples[("svta_table_newest_timestamp_seconds", "clips")] - time.time()) < 300


def test_a_home_without_anything_is_up_and_has_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_HOME", str(tmp_path / "fresh"))
    samples = _samples(_print())
    assert samples[("svta_up",)] == 1
    assert not any(name.startswith(("svta_clips", "svta_table")) for name, *_ in samples)


def test_a_home_that_cannot_be_read_is_down(toy: ToyCategory) -> None:
    [file] = toy.work.catalog.files("clips")
    path = toy.work.store.local_path(file.key)
    assert path is not None
    path.write_bytes(b"not Parquet")
    samples = _samples(_print())
    assert samples[("svta_up",)] == 0
    assert not any(name == "svta_clips" for name, *_ in samples)


def test_a_file_for_a_collector_is_written_whole(toy: ToyCategory, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["metrics", "--out", str(tmp_path / "svta.prom")], catch_exceptions=False)
    assert done.exit_code == 0
    assert _samples((tmp_path / "svta.prom").read_text())[("svta_pairs", CATEGORY)] == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "svta.prom"]
    with pytest.raises(SvtaError, match="cannot be written"):
        CliRunner().invoke(cli, ["metrics", "--out", str(tmp_path / "none" / "x.prom")], catch_exceptions=False)


def test_the_page_is_served_on_loopback_with_dagsters_runs(toy: ToyCategory, tmp_path: Path) -> None:
    drill = DrillHome(tmp_path / "home").prepare()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = subprocess.Popen(
        [SVTA, "metrics", "--port", str(port)], env=drill.environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert page.stdout is not None
        assert f"http://127.0.0.1:{port}/metrics" in page.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            samples = _samples(answer.read().decode())
    finally:
        page.terminate()
        page.wait(20)
        assert page.stdout is not None
        page.stdout.close()
    assert samples[("svta_pairs", CATEGORY)] == 6
    assert samples[("svta_dagster_runs", "success")] == 0
