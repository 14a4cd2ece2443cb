"""A full disk, a language model that does not answer, a lost card: each a failed run that says one clear sentence."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from svta_cli.runs import RunFailed, open_runner
from svta_resources.video.resident import close_resident_pools
from tests.drills.broken_generators import LostCardFactory
from tests.toy_home import DrillHome, clean_environment

CATEGORY = "fighting"
SPARE = 700_000  # bytes left on the small disk: a few clips, not forty


@pytest.fixture
def broken(described_home: DrillHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DrillHome]:
    """A home without clips, which this process works in."""
    drill = described_home.copy(tmp_path / "home")
    for name, value in clean_environment(drill.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    yield drill
    close_resident_pools()


def _failure(home: DrillHome) -> str:
    """What the newest run says of its failed step in the Dagster UI: the first cause's message."""
    with dg.DagsterInstance.from_config(str(home.path / "dagster")) as instance:
        [run] = instance.get_runs(limit=1)
        assert run.status is dg.DagsterRunStatus.FAILURE
        return _said(instance, run.run_id)


def _said(instance: dg.DagsterInstance, run_id: str) -> str:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    event = records[0].event_log_entry.dagster_event
    assert event is not None
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    assert error is not None
    return str(error.message).strip()


def _is_one_sentence(said: str, *parts: str) -> None:
    assert all(part in said for part in parts), said
    assert "\n" not in said and len(said) < 500, said


def test_a_lost_card_ends_the_run_and_keeps_what_was_finished(
    broken: DrillHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_resources.video.resident.ClipWorkerFactory", LostCardFactory)
    monkeypatch.setenv("SVTA_WORKERS", "1")
    with open_runner() as runner, pytest.raises(RunFailed) as raised:
        runner.run("generate", CATEGORY, ["videos"])
    why = "CUDA error: GPU is lost), and a fresh process cannot use it either: look at `nvidia-smi`, then run again"
    _is_one_sentence(str(raised.value), why, "(generate of fighting) failed in videos")
    _is_one_sentence(_failure(broken), why, "what was finished is kept")
    assert 1 <= broken.work.catalog.read("clips", CATEGORY).height <= 3
    assert broken.work.catalog.read("rejects").is_empty(), "no clip is to blame"


def test_a_language_model_that_does_not_answer_ends_the_run(broken: DrillHome, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    monkeypatch.setenv("SVTA_LLM_MODEL", "some-model")
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-nobody-may-see")
    with open_runner() as runner, pytest.raises(RunFailed) as raised:
        runner.run("generate", "falling", ["llm_descriptions"])
    why = f"no language model server answers at {address}"
    _is_one_sentence(str(raised.value), why, "start it, or set OPENAI_BASE_URL", "failed in llm_descriptions")
    _is_one_sentence(_failure(broken), why)
    assert "a-key-that-nobody-may-see" not in _failure(broken)


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="needs a mount of its own; tests/core/test_broken_disks.py does without")
def test_a_full_disk_ends_the_run_with_the_next_step(described_home: DrillHome, tmp_path: Path) -> None:
    """The real command on a tmpfs with room for a few clips; Dagster's own files lie on another disk."""
    home = described_home.copy(tmp_path / "home")
    shutil.move(home.path / "dagster", tmp_path / "dagster")
    size = sum(-(-path.stat().st_size // 4096) * 4096 + 4096 for path in home.path.rglob("*")) + SPARE
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    small = DrillHome(disk / "home", settings={"DAGSTER_HOME": str(tmp_path / "dagster"), "SVTA_WORKERS": "1"})
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3" "$2/home" && shift 3 && kept="$1" && shift && "$@"; '
        'code=$?; cp -r "$SVTA_HOME/clips" "$kept"; exit $code'
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(size), str(disk), str(home.path), str(kept)]
    done = subprocess.run(
        [*command, *small.command("videos", CATEGORY)],
        env=small.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode != 0
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        [run] = instance.get_runs(limit=1)
        assert run.status is dg.DagsterRunStatus.FAILURE
        said = _said(instance, run.run_id)
    _is_one_sentence(said, "the disk is full: free some space or set SVTA_HOME to another disk", "run again after")
    clips = list((kept / CATEGORY).glob("*.mp4"))
    assert 1 <= len(clips) < 40
    assert not list(kept.rglob("*.part"))
