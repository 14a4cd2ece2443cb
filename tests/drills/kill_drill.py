"""kill -9 of `dagster asset materialize --select videos` at a random moment, and what the next run makes of it.

The test suite runs two moments; `python -m tests.drills.kill_drill [times]` runs as many as asked and prints each.
"""

import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.toy_home import DrillHome

CATEGORY = "fighting"
PAIRS = 40


@dataclass(frozen=True)
class KillReport:
    """What was there after the kill and after the re-run."""

    wanted: int
    found_after_kill: int
    cards_after_kill: int
    partials_after_kill: int
    made_by_rerun: int
    seconds_rerun: float


def kill_and_rerun(home: DrillHome, finished: int, jitter_s: float) -> KillReport:
    """Kill a run once `finished` clips are there (and `jitter_s` later), run again, and check every promise.

    Raises AssertionError when a finished clip was touched, the re-run made more than was missing, or anything
    unfinished is left.
    """
    folder = home.path / "clips" / CATEGORY
    run = home.start("videos", CATEGORY)
    try:
        _wait_for(lambda: len(list(folder.glob("*.mp4"))) >= finished or run.poll() is not None)
        time.sleep(jitter_s)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    _wait_until_still(folder)
    kept = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.mp4")}
    cards, partials = len(list(folder.glob("*.json"))), len(list(folder.glob(".*.part")))

    began = time.monotonic()
    again = home.materialize("videos", CATEGORY)
    assert again.returncode == 0, again.stderr[-3000:]
    now = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.mp4")}
    assert {name: now[name] for name in kept} == kept, "a finished clip was written again"
    assert len(now) == len(list(folder.glob("*.json"))) == PAIRS
    assert home.partials() == []
    made = int(home.work.catalog.read("costs", CATEGORY).filter(stage="videos").sort("at")["items"][-1])
    assert made == PAIRS - cards, "only clips without a recipe card are made"
    return KillReport(finished, len(kept), cards, partials, made, time.monotonic() - began)


def _wait_for(condition: object, timeout_s: float = 60.0) -> None:
    limit = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < limit, "the run made no clip in time"
        time.sleep(0.002)


def _wait_until_still(folder: Path, quiet_s: float = 1.5, timeout_s: float = 15.0) -> None:
    """Workers notice within half a second that their parent is gone; nothing may be rendered for a dead run."""
    limit = time.monotonic() + timeout_s
    while True:
        before = sorted(folder.glob("*")) if folder.exists() else []
        time.sleep(quiet_s)
        if (sorted(folder.glob("*")) if folder.exists() else []) == before:
            return
        assert time.monotonic() < limit, "workers of a killed run go on rendering"


def main(times: int) -> None:
    """Run the drill `times` times on fresh copies and compare every clip with an undisturbed home's."""
    generator = random.Random()
    with tempfile.TemporaryDirectory() as scratch:
        described = DrillHome(Path(scratch) / "described").prepare()
        described.must("raw_texts", "raw_texts")
        described.must("llm_descriptions", "llm_descriptions", CATEGORY)
        undisturbed = described.copy(Path(scratch) / "undisturbed")
        undisturbed.must("videos", "videos", CATEGORY)
        for number in range(times):
            home = described.copy(Path(scratch) / f"killed-{number}")
            report = kill_and_rerun(home, generator.randrange(PAIRS), generator.uniform(0.0, 0.15))
            assert home.files(CATEGORY) == undisturbed.files(CATEGORY)
            print(report, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
