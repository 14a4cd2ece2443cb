"""Drills that need Dagster's daemon: a backfill of three categories, and what killed runs leave in its way.

`python -m tests.drills.daemon_drill` runs all of them, prints what it measured and fails with an AssertionError where
a promise is broken; minutes long. `test_daemon.py` runs the heart of it with the test suite.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg

from svta_resources.profiles import project_root
from tests.toy_home import DAGSTER, MODULE, DrillHome

CATEGORIES = ("falling", "fighting", "normal-00")  # in the order of categories.yaml, as a backfill queues them
SLOT_FREE_WITHIN_S = 60.0  # the promise; every other limit below only ends a drill that hangs
TAKEN = ("STARTING", "STARTED", "SUCCESS")  # a run that has left the queue
PAIRS = 40


@contextmanager
def daemon(home: DrillHome) -> Iterator[dg.DagsterInstance]:
    """The daemon of the home's instance, stopped cleanly at the end; yields the instance."""
    command = [str(Path(DAGSTER).with_name("dagster-daemon")), "run", "-m", MODULE]
    folder, log = home.path / "dagster", home.path / "daemon.log"
    with open(log, "w") as output, dg.DagsterInstance.from_config(str(folder)) as instance:
        # On a fresh instance Dagster 1.13 learns of a pool only by its first look at the queue, which ignores the limit.
        instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
        running = subprocess.Popen(
            command,
            env=home.environment(),
            cwd=project_root(),
            stdout=output,
            stderr=output,
            start_new_session=True,  # one group with the code server and the runs, which may outlive it
        )
        try:
            yield instance
        except AssertionError:
            print(log.read_text()[-4000:])
            raise
        finally:
            _stop(running)


def _stop(leader: subprocess.Popen[bytes]) -> None:
    """End the daemon and wait for every process it started: they still write to the home. After a minute, by force."""
    leader.send_signal(signal.SIGTERM)
    began = time.monotonic()
    with suppress(ProcessLookupError):
        while time.monotonic() - began < 60:
            leader.poll()  # a process that ended but was not waited for still counts
            os.killpg(leader.pid, 0)
            time.sleep(0.1)
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def backfill(home: DrillHome, categories: tuple[str, ...]) -> None:
    """Queue one run of the job `generate` for each category."""
    command = [DAGSTER, "job", "backfill", "-m", MODULE, "-j", "generate", "--noprompt"]
    done = subprocess.run(
        [*command, "--partitions", ",".join(categories)],
        env=home.environment(),
        cwd=project_root(),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float) -> float:
    """Poll until the condition holds; return the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - began


def status(instance: dg.DagsterInstance, category: str) -> str:
    """Status of the newest run of a category, or none."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": category}), limit=1)
    return runs[0].status.value if runs else "none"


def wait_until_taken(instance: dg.DagsterInstance, category: str, since: float) -> float:
    """Wait until the queued run of a category has its slot; return the seconds since `since` (monotonic)."""
    wait_for(f"slot for {category}", lambda: status(instance, category) in TAKEN, 180)
    return time.monotonic() - since


def wait_until_made(home: DrillHome, instance: dg.DagsterInstance, category: str) -> None:
    """Wait for the end of the newest run of a category, which must have made what was missing."""
    wait_for(f"run of {category}", lambda: status(instance, category) in {"SUCCESS", "FAILURE"}, 300)
    found = (status(instance, category), clips(home, category))
    assert found == ("SUCCESS", PAIRS), f"{category}: {found}, rejects {home.work.catalog.read('rejects').to_dicts()}"


def clips(home: DrillHome, category: str) -> int:
    """Finished clips of a category on the disk."""
    return len(list((home.path / "clips" / category).glob("*.mp4")))


def wait_for_first_clips(home: DrillHome, category: str, more_than: int = 0) -> None:
    """Wait until a run is in the middle of its clips."""
    wait_for(f"first clips of {category}", lambda: clips(home, category) > more_than + 3, 180)


def kill_run(instance: dg.DagsterInstance, category: str) -> float:
    """kill -9 the process that executes the newest run of a category; return when (monotonic)."""
    [run] = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": category}), limit=1)
    pids = [
        re.search(r"in process \(pid: (\d+)\)", entry.user_message or "") for entry in instance.all_logs(run.run_id)
    ]
    os.kill(int(next(match[1] for match in pids if match)), signal.SIGKILL)
    return time.monotonic()


def kill_command(home: DrillHome, category: str, config: dict[str, dict[str, str]] | None = None) -> float:
    """kill -9 a command-line run of `videos` in the middle of its clips; return when (monotonic)."""
    there = clips(home, category)
    run = home.start("videos", category, config)
    wait_for_first_clips(home, category, there)
    run.kill()
    run.wait()
    return time.monotonic()


def drill_backfill(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """Three categories through the queue, one after the other."""
    began = time.monotonic()
    backfill(home, CATEGORIES)
    for category in CATEGORIES:
        wait_until_made(home, instance, category)
    print(f"backfill of {len(CATEGORIES)} categories: {time.monotonic() - began:.0f} s", flush=True)


def drill_killed_run(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """A run of the daemon is killed while it renders: the next one in the queue gets its slot within a minute."""
    backfill(home, ("crawling", "jumping"))
    wait_for_first_clips(home, "crawling")
    assert status(instance, "jumping") == "QUEUED"
    free = wait_until_taken(instance, "jumping", since=kill_run(instance, "crawling"))
    print(f"slot of a killed run taken by the next after {free:.0f} s", flush=True)
    assert free <= SLOT_FREE_WITHIN_S
    # Dagster retries killed runs (run_retries), but not those of a job backfill that has queued all its runs.
    backfill(home, ("crawling",))
    wait_until_made(home, instance, "crawling")
    assert home.partials() == []


def drill_killed_command(home: DrillHome, instance: dg.DagsterInstance) -> None:
    """A killed command-line run blocks neither the command line nor the queue."""
    assert home.materialize("llm_descriptions", "dancing").returncode == 0
    killed = kill_command(home, "dancing")
    assert home.materialize("videos", "dancing").returncode == 0
    assert clips(home, "dancing") == PAIRS
    print(f"command line after a killed one: done after {time.monotonic() - killed:.0f} s", flush=True)
    killed = kill_command(home, "dancing", {"videos": {"mode": "new_take"}})
    backfill(home, ("fire",))
    asked = time.monotonic()
    taken = wait_until_taken(instance, "fire", since=asked)
    print(f"queue after a killed command: moved {taken:.0f} s after it was asked", flush=True)
    wait_until_made(home, instance, "fire")
    assert taken <= SLOT_FREE_WITHIN_S


def start_schedule(home: DrillHome, name: str) -> None:
    """Start a schedule as the switch in the UI does."""
    command = [DAGSTER, "schedule", "start", "-m", MODULE, name]
    done = subprocess.run(
        command, env=home.environment(), cwd=project_root(), check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def request_states(home: DrillHome) -> dict[str, str]:
    """State of every regeneration request by its id."""
    from svta_assets.regeneration.requests import requests

    return dict(requests(home.work).select("request_id", "state").iter_rows())


def ticks(instance: dg.DagsterInstance, name: str) -> list[tuple[str, int, str]]:
    """Finished ticks of a schedule, oldest first: status, runs it started, what it said."""
    found = [state for state in instance.all_instigator_state() if state.name == name]
    if not found:
        return []
    every = instance.get_ticks(found[0].instigator_origin_id, found[0].selector_id)
    done = [tick for tick in reversed(every) if tick.is_completed]
    return [(tick.status.value, len(tick.run_ids), tick.skip_reason or "") for tick in done]


def remove_clips(home: DrillHome, category: str, pairs: list[str]) -> None:
    """Take clips of pairs away, cards and rows with them."""
    import polars as pl

    work = home.work
    rows = work.catalog.read("clips", category)
    uris = rows.filter(pl.col("pair_id").is_in(pairs))["uri"].to_list()
    work.store.delete([*uris, *(uri.removesuffix(".mp4") + ".json" for uri in uris)])
    work.catalog.publish("clips", category, rows.filter(~pl.col("pair_id").is_in(pairs)))


def main() -> None:
    """Run all drills in one home with one daemon."""
    with tempfile.TemporaryDirectory() as scratch:
        home = DrillHome(Path(scratch) / "home").prepare()
        home.must("raw_texts", "raw_texts")
        with daemon(home) as instance:
            drill_backfill(home, instance)
            drill_killed_run(home, instance)
            drill_killed_command(home, instance)


if __name__ == "__main__":
    main()
