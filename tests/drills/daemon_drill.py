"""Drills that need Dagster's daemon: a backfill of three categories, and what a killed run leaves in its way.

Minutes long, so not part of the test suite: `python -m tests.drills.daemon_drill` prints what it measured and fails
with an AssertionError where a promise is broken.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from svta_resources.profiles import project_root
from tests.toy_home import DAGSTER, MODULE, DrillHome

CATEGORIES = ("fighting", "falling", "normal-00")
SLOT_FREE_WITHIN_S = 60.0


@contextmanager
def daemon(home: DrillHome) -> Iterator[None]:
    """The daemon of the home's instance, stopped cleanly at the end."""
    command = [str(Path(DAGSTER).with_name("dagster-daemon")), "run", "-m", MODULE]
    with open(home.path / "daemon.log", "w") as log:
        running = subprocess.Popen(command, env=home.environment(), cwd=project_root(), stdout=log, stderr=log)
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)


def backfill(home: DrillHome, categories: tuple[str, ...]) -> None:
    """Queue one run of the job `generate` for each category."""
    command = [DAGSTER, "job", "backfill", "-m", MODULE, "-j", "generate", "--noprompt"]
    subprocess.run(
        [*command, "--partitions", ",".join(categories)],
        env=home.environment(),
        cwd=project_root(),
        check=True,
        capture_output=True,
    )


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float) -> float:
    """Poll until the condition holds; return the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.5)
    return time.monotonic() - began


def status(instance: dg.DagsterInstance, category: str) -> str:
    """Status of the newest run of a category, or none."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": category}), limit=1)
    return runs[0].status.value if runs else "none"


def clips(home: DrillHome, category: str) -> int:
    """Finished clips of a category on the disk."""
    return len(list((home.path / "clips" / category).glob("*.mp4")))


def kill_run(instance: dg.DagsterInstance, category: str) -> None:
    """kill -9 the process that executes the newest run of a category."""
    run = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": category}), limit=1)[0]
    pids = [
        re.search(r"in process \(pid: (\d+)\)", entry.user_message or "") for entry in instance.all_logs(run.run_id)
    ]
    os.kill(int(next(match[1] for match in pids if match)), signal.SIGKILL)


def drill_backfill(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """Three categories through the queue, one after the other."""
    began = time.monotonic()
    backfill(home, CATEGORIES)
    wait_for("backfill", lambda: all(status(instance, key) == "SUCCESS" for key in CATEGORIES), 300)
    assert [clips(home, key) for key in CATEGORIES] == [40, 40, 40]
    print(f"backfill of {len(CATEGORIES)} categories: {time.monotonic() - began:.0f} s", flush=True)


def drill_killed_run(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """A run of the daemon is killed while it renders: the next one gets its slot within a minute."""
    backfill(home, ("crawling",))
    wait_for("first clips", lambda: clips(home, "crawling") > 3, 120)
    kill_run(instance, "crawling")
    killed = time.monotonic()
    backfill(home, ("jumping",))
    queued = time.monotonic() - killed
    free = queued + wait_for("free slot", lambda: status(instance, "jumping") in {"STARTED", "SUCCESS"}, 180)
    print(f"slot of a killed run taken by the next after {free:.0f} s", flush=True)
    # Dagster retries killed runs (run_retries), but not those of a job backfill that has queued all its runs.
    backfill(home, ("crawling",))
    wait_for("second attempt", lambda: status(instance, "crawling") == "SUCCESS", 180)
    assert clips(home, "crawling") == 40
    assert home.partials() == []
    assert free <= SLOT_FREE_WITHIN_S + queued


def drill_killed_command(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """A killed command-line run blocks neither the command line nor the queue."""
    assert home.materialize("llm_descriptions", "dancing").returncode == 0
    run = home.start("videos", "dancing")
    wait_for("first clips", lambda: clips(home, "dancing") > 3, 120)
    run.kill()
    run.wait()
    began = time.monotonic()
    assert home.materialize("videos", "dancing").returncode == 0
    assert clips(home, "dancing") == 40
    print(f"command line after a killed one: {time.monotonic() - began:.0f} s", flush=True)
    run = home.start("videos", "dancing", {"videos": {"mode": "new_take"}})
    wait_for("candidates", lambda: clips(home, "dancing") > 43, 120)
    run.kill()
    run.wait()
    backfill(home, ("fire",))
    began = time.monotonic()
    taken = wait_for("queue", lambda: status(instance, "fire") in {"STARTED", "SUCCESS"}, 180)
    print(f"queue after a killed command: started {taken:.0f} s after it was asked", flush=True)
    wait_for("run", lambda: status(instance, "fire") == "SUCCESS", 120)
    assert taken <= SLOT_FREE_WITHIN_S


def main() -> None:
    """Run all drills in one home with one daemon."""
    with tempfile.TemporaryDirectory() as scratch:
        home = DrillHome(Path(scratch) / "home").prepare()
        home.must("raw_texts", "raw_texts")
        os.environ["DAGSTER_HOME"] = home.environment()["DAGSTER_HOME"]
        with dg.DagsterInstance.get() as instance, daemon(home):
            drill_backfill(home, instance)
            drill_killed_run(home, instance)
            drill_killed_command(home, instance)


if __name__ == "__main__":
    main()
