"""A backfill as one run with a pool, beside one run per category: `python benchmarks/backfill.py [--clips 20]`.

20 categories of 20 clips, 2 workers, and a fake generator that loads for 2 s and takes 0.05 s a clip; everything else
is the platform: Dagster's runs on a real instance, plans, files, recipe cards, tables. The ideal is 2 s + 400 x 0.05 s
/ 2 workers.

* one run: the job `regenerate` over all categories, two resident workers;
* one run per category: a process of its own for each, as Dagster's default launcher starts them, two at a time with one
  worker each. What its queue adds (it looks every few seconds) is not counted.

Then the same run at real proportions: the generator takes 45 s a clip and 120 s to load on a fake clock, that is, it
adds them to a counter and returns at once. All seconds that the run really takes are then the platform's.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CATEGORIES, CLIPS, WORKERS = 20, 20, 2
LOAD_S, CLIP_S = 2.0, 0.05
REAL_LOAD_S, REAL_CLIP_S = 120.0, 45.0
GENERATOR = "procedural?height=64&width=96&frames=5"
LIMIT = 0.01


class FakeGenerator:
    """Stands for a model: takes its time on the device, then returns noise. `real` is what it waits, the rest is told.

    Its clock is the sum of what it says that it took; only `real` seconds of that pass.
    """

    def __init__(self, load_s: float, clip_s: float, real: bool) -> None:
        self._load_s, self._clip_s, self._real = load_s, clip_s, real
        self.clock = 0.0

    def _take(self, seconds: float) -> None:
        self.clock += seconds
        if self._real:
            time.sleep(seconds)

    def load(self) -> None:
        self._take(self._load_s)

    def begin(self, caption: str, seed: int, *, category: str | None = None) -> Callable[[], np.ndarray]:
        self._take(self._clip_s)
        frames = np.random.default_rng([seed, *caption.encode()]).integers(30, 225, (5, 64, 96, 3), dtype=np.uint8)
        return lambda: frames

    def recipe(self) -> dict[str, Any]:
        return {"name": "fake"}

    def provenance(self) -> dict[str, Any]:
        return {"worker": os.getpid(), "clock": self.clock}


@dataclass(frozen=True)
class FakeFactory:
    """Makes a clip worker around the fake generator, in a process of the pool."""

    store_url: str
    load_s: float
    clip_s: float
    real: bool

    def __call__(self) -> Any:
        from svta_models.media_store import open_store
        from svta_resources.video.clip_worker import ClipWorker

        return ClipWorker(FakeGenerator(self.load_s, self.clip_s, self.real), open_store(self.store_url), "fake")


def main() -> None:
    """Print both tables, or (`--run`) do one run in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=CLIPS, help="clips of each category")
    parser.add_argument("--part", choices=("ways", "proportions"), help="only one of the two")
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--fake-clock", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        one_run(given.run, given.workers, not given.fake_clock)
        return
    if given.part != "proportions":
        compare(given.clips)
    if given.part != "ways":
        real_proportions(given.clips)


def compare(clips: int) -> None:
    """Both ways of the backfill, side by side."""
    ideal = LOAD_S + CATEGORIES * clips * CLIP_S / WORKERS
    size = f"{CATEGORIES} categories x {clips} clips, ideal {ideal:g} s"
    print(f"load {os.getloadavg()[0]:.1f} before the first run; {size}")
    print("| | seconds | times the ideal | a category | processor seconds |\n|---|---|---|---|---|")
    for name, way in (("one run with a pool", in_one), ("one run per category", in_many)):
        took, work, _ = measured(clips, way)
        print(f"| {name} | {took:.1f} | {took / ideal:.2f} | {took / CATEGORIES:.2f} | {work:.0f} |", flush=True)


def real_proportions(clips: int) -> None:
    """One run whose clips take 45 s on the fake clock: what the platform adds to the devices' time."""
    took, work, clocks = measured(clips, lambda home, keys: in_one(home, keys, "--fake-clock"))
    devices = (sum(clocks) - REAL_LOAD_S * len(clocks)) / WORKERS + REAL_LOAD_S
    share = took / devices
    print(
        f"real proportions: {devices:,.0f} s of two devices on the fake clock, {took:.1f} s of the platform "
        f"(processor: {work:.0f} s): {share:.2%}, {'under' if share < LIMIT else 'OVER'} {LIMIT:.0%}; "
        f"load {os.getloadavg()[0]:.1f} at the end"
    )


def measured(clips: int, way: Callable[[Path, list[str]], float]) -> tuple[float, float, list[float]]:
    """Wall seconds and processor seconds of a backfill in a fresh home, and what its workers' clocks say."""
    with tempfile.TemporaryDirectory() as folder:
        keys = fill(Path(folder), clips)
        before = processor_seconds()
        took = way(Path(folder), keys)
        return took, processor_seconds() - before, check(Path(folder), keys, clips)


def processor_seconds() -> float:
    """User and system seconds of all processes that have ended so far: other work on the machine adds little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_one(home: Path, keys: list[str], *options: str) -> float:
    """Wall seconds of one run over all categories, the start of its process included."""
    began = time.monotonic()
    finish(start(home, keys, WORKERS, *options))
    return time.monotonic() - began


def in_many(home: Path, keys: list[str]) -> float:
    """Wall seconds of a run per category, as many at a time as there are devices."""
    began, waiting, running = time.monotonic(), list(keys), []
    while waiting or running:
        while waiting and len(running) < WORKERS:
            running.append(start(home, [waiting.pop(0)], 1))
        time.sleep(0.02)
        for ended in [process for process in running if process.poll() is not None]:
            running.remove(ended)
            finish(ended)
    return time.monotonic() - began


def environment(home: Path) -> dict[str, str]:
    """A home of its own, whatever the caller's is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SVTA_", "DAGSTER_"))}
    here = str(Path(__file__).resolve().parent)
    own = {"SVTA_HOME": str(home), "SVTA_VIDEO_GENERATOR": GENERATOR, "PYTHONPATH": here}
    return {**kept, **own, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def start(home: Path, keys: list[str], workers: int, *options: str) -> "subprocess.Popen[str]":
    program = "import backfill; backfill.main()"  # by name, so that workers can import what makes them
    command = [sys.executable, "-c", program, "--workers", str(workers), *options, "--run", *keys]
    return subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: "subprocess.Popen[str]") -> None:
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run failed:\n{output[-4000:]}")


def one_run(keys: list[str], workers: int, real: bool) -> None:
    """Do the job `regenerate` over some categories with the fake generator's pool."""
    from svta_cli.runs import open_runner
    from svta_resources.video import resident
    from svta_resources.video.pool import open_pool

    times = (LOAD_S, CLIP_S) if real else (REAL_LOAD_S, REAL_CLIP_S)
    factory = FakeFactory(os.environ["SVTA_HOME"], *times, real)
    with open_pool("processes", factory, workers) as pool:
        resident.resident_pool = lambda profile, generator, media_url: pool
        with open_runner() as runner:
            config = {"categories": keys, "mode": "missing", "confirm": True}
            runner.run("regenerate", config={"ops": {"regenerate_categories": {"config": config}}})


def fill(home: Path, clips: int) -> list[str]:
    """Give a fresh home the descriptions of the first 20 categories; returns the categories."""
    import dagster as dg

    from svta_assets.categories import load_categories
    from svta_assets.workspace import prepare_workspace
    from svta_resources.profiles import PROFILES, Home

    found = Home(PROFILES["demo"], home, str(home))
    work = prepare_workspace(found)
    with dg.DagsterInstance.from_config(str(found.prepare_dagster())):
        pass  # its tables exist before the first run, as they do on every instance but a new one
    keys = [category.key for category in load_categories()[:CATEGORIES]]
    for key in keys:
        rows = [
            {"pair_id": f"{key}-{n:04}", "category": key, "caption": f"{key} {n}", "origin": "source"}
            for n in range(clips)
        ]
        work.catalog.publish("descriptions", key, rows)
    return keys


def check(home: Path, keys: list[str], clips: int) -> list[float]:
    """Refuse a run that left a clip out; returns the last clock of every worker."""
    from svta_assets.workspace import open_workspace
    from svta_resources.profiles import PROFILES, Home

    rows = open_workspace(Home(PROFILES["demo"], home, str(home))).catalog.read("clips")
    if rows.height != len(keys) * clips:
        raise SystemExit(f"{rows.height} clips instead of {len(keys) * clips}")
    clocks: dict[int, float] = {}
    for text in rows["provenance"]:
        said = json.loads(text) if isinstance(text, str) else text
        clocks[said["worker"]] = max(said["clock"], clocks.get(said["worker"], 0.0))
    return list(clocks.values())


if __name__ == "__main__":
    main()
