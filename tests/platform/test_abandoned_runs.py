"""A killed run is noticed by its lock, which only its own process can hold."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from svta_assets.automation.abandoned_runs import MESSAGE, abandoned_runs
from svta_assets.definitions import defs
from svta_resources.run_locks import FOLDER, abandoned, forget, hold

_HOLD = """
import sys, time
from pathlib import Path
from svta_resources.run_locks import hold
hold(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


def _holder(root: Path, run_id: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root), run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_run_is_abandoned_when_its_process_is_killed_and_not_before(tmp_path: Path) -> None:
    child = _holder(tmp_path, "run-1")
    assert abandoned(tmp_path) == []
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert abandoned(tmp_path) == ["run-1"]
    forget(tmp_path, "run-1")
    assert abandoned(tmp_path) == []


def test_a_process_that_ends_in_order_leaves_nothing(tmp_path: Path) -> None:
    child = _holder(tmp_path, "run-1")
    child.communicate("\n")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_this_process_never_finds_its_own_run_abandoned(tmp_path: Path) -> None:
    hold(tmp_path, "mine")
    hold(tmp_path, "mine")
    assert abandoned(tmp_path) == []
    forget(tmp_path, "mine")


def test_a_place_that_cannot_be_written_breaks_no_run(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("not a folder")
    hold(tmp_path, "run-1")
    assert abandoned(tmp_path) == []


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def _started(instance: dg.DagsterInstance) -> str:
    run = instance.create_run_for_job(defs.resolve_job_def("sources"), status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def test_the_sensor_ends_killed_runs_and_leaves_the_others_alone(instance: dg.DagsterInstance) -> None:
    root = Path(instance.root_directory)
    killed, living, elsewhere = (_started(instance) for _ in range(3))
    victim, worker = _holder(root, killed), _holder(root, living)
    victim.kill()
    victim.wait()
    with dg.build_sensor_context(instance, definitions=defs) as context:
        tick = abandoned_runs(context)
    assert isinstance(tick, dg.SkipReason)
    assert killed in str(tick.skip_message)
    found = {run.run_id: run.status for run in instance.get_runs()}
    assert found == {
        killed: dg.DagsterRunStatus.FAILURE,
        living: dg.DagsterRunStatus.STARTED,
        elsewhere: dg.DagsterRunStatus.STARTED,
    }
    assert any(MESSAGE in str(entry) for entry in instance.all_logs(killed))
    with dg.build_sensor_context(instance, definitions=defs) as context:
        assert "every started run" in str(abandoned_runs(context))
    worker.communicate("\n")


def test_a_run_holds_its_lock_while_it_works(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from svta_resources.home import HomeResource

    seen: list[str] = []

    @dg.asset
    def probe(context: dg.AssetExecutionContext, home: HomeResource) -> None:
        seen.extend(os.listdir(Path(context.instance.root_directory) / FOLDER))

    done = dg.materialize([probe], resources={"home": HomeResource()}, instance=instance)
    assert seen == [done.run_id]
    forget(Path(instance.root_directory), done.run_id)
