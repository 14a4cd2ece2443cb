"""Dagster runs started by the command: what a failure says, and that Ctrl-C loses nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace as Record

import pytest

from svta_cli.runs import RunFailed, _innermost, open_runner
from svta_resources.profiles import Home, project_root
from tests.toy_home import DrillHome, clean_environment

SVTA = str(Path(sys.executable).with_name("svta"))


def _error(message: str, cls_name: str, cause: object = None) -> Record:
    return Record(message=message, cls_name=cls_name, cause=cause)


def test_an_error_of_ours_speaks_for_itself_whatever_dagster_wrapped_it_in() -> None:
    ours = _error("svta_models.release.ReleaseError: no release: run `make demo`\n", "ReleaseError")
    wrapped = _error("dagster._core.errors.DagsterExecutionStepExecutionError: Error\n", "Dagster...", ours)
    assert _innermost(wrapped).strip() == "no release: run `make demo`"


@pytest.mark.parametrize(
    ("message", "cls_name"),
    [("ZeroDivisionError: division by zero\n", "ZeroDivisionError"), ("polars.exceptions.X: y\n", "X")],
)
def test_an_error_of_others_keeps_its_class_and_points_to_the_traceback(message: str, cls_name: str) -> None:
    said = _innermost(_error(message, cls_name))
    assert said.startswith(message.strip())
    assert "svta ui" in said


def test_runs_are_on_record_in_the_homes_own_instance(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    import dagster as dg

    with open_runner(home) as runner:
        runner.run("sources")
        with pytest.raises(RunFailed, match=r"run [0-9a-f]{8} \(organize\) failed in clusters: there are no labels"):
            runner.run("organize")
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        runs = {run.job_name: run.status.value for run in instance.get_runs()}
        assert runs == {"sources": "SUCCESS", "organize": "FAILURE"}
        assert instance.get_latest_materialization_event(dg.AssetKey("raw_texts")) is not None
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "Stack Trace" not in said.out + said.err


def test_the_runner_passes_on_what_assets_log(own: DrillHome, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in clean_environment(own.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    heard: list[str] = []
    pair = own.work.catalog.read("descriptions", "fighting")["pair_id"][0]
    config = {"categories": ["fighting"], "only": [pair]}
    with open_runner(say=heard.append) as runner:
        runner.run("regenerate", config={"ops": {"regenerate_categories": {"config": config}}})
    assert heard == ["videos fighting: 1/1, 0 s left"]


def test_ctrl_c_in_the_middle_of_a_regeneration_loses_nothing(own: DrillHome) -> None:
    """The signal a terminal sends: to every process of the group."""
    run = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
         "from svta_cli.main import main; main()", "regen", "fighting"],
        env=own.environment(),
        cwd=project_root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    folder = own.path / "clips" / "fighting"
    _wait(lambda: len(list(folder.glob("*-1-*.json"))) >= 3 or run.poll() is not None)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 130, said
    assert "What was finished is kept" in said
    assert "Traceback" not in said

    finished = {path.name: path.stat().st_mtime for path in folder.glob("*-1-*.mp4")}
    assert 3 <= len(finished) < 40
    again = subprocess.run(
        [SVTA, "regen", "fighting"],
        env=own.environment(),
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "40 current clips (40 of take 1)" in again.stdout
    now = {path.name: path.stat().st_mtime for path in folder.glob("*-1-*.mp4")}
    assert len(now) == 40
    assert finished.items() <= now.items(), "nothing finished was made twice"
    assert own.partials() == []


def _wait(until: Callable[[], bool], limit_s: float = 90.0) -> None:
    end = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < end, "nothing was made in time"
        time.sleep(0.05)
