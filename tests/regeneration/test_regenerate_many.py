"""Three scattered categories in one run: the model loaded once, each on record the moment it is done, kill -9 or not."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from svta_assets.workspace import prepare_workspace
from tests.toy_home import DrillHome

KEYS = ("crawling", "fire", "normal-03")  # neighbours of none of the others in categories.yaml
PAIRS = {"crawling": 4, "fire": 40, "normal-03": 3}
OP = "regenerate_categories"


@pytest.fixture
def described(tmp_path: Path) -> DrillHome:
    """A home with captions of the three; one worker, so that a second model would be a second process."""
    home = DrillHome(tmp_path / "home", settings={"SVTA_WORKERS": "1"}).prepare()
    work = prepare_workspace(home.work.home)
    for key, count in PAIRS.items():
        rows = [
            {"pair_id": f"{key}-p{n}", "category": key, "caption": f"A man in coat {n} runs.", "origin": "source"}
            for n in range(count)
        ]
        work.catalog.publish("descriptions", key, rows)
    return home


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = [int(word) for word in children.read_text().split()]
        except OSError:  # it has just ended
            continue
        for child in found:
            yield child
            yield from _descendants(child)


def _workers(pid: int) -> set[int]:
    """Processes below `pid` that hold a video generator."""
    found = set()
    for child in _descendants(pid):
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"svta_resources.video.worker" in line:
            found.add(child)
    return found


def _made(home: DrillHome, key: str) -> dict[str, tuple[int, int]]:
    """Finished clips of a category: name -> inode and time of writing."""
    folder = home.path / "clips" / key
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.mp4")}


def _recorded(instance: dg.DagsterInstance) -> list[str]:
    """Categories with a materialization event, in the order of the events."""
    found = instance.fetch_materializations(dg.AssetKey("videos"), limit=100, ascending=True)
    return [str(record.partition_key) for record in found.records]


def test_a_run_that_is_killed_in_its_second_category_keeps_the_first(described: DrillHome) -> None:
    config = {OP: {"categories": list(KEYS), "mode": "missing"}}
    workers: set[int] = set()
    with dg.DagsterInstance.from_config(str(described.path / "dagster")) as instance:
        run = described.start_job("regenerate", config)
        ends = time.monotonic() + 120
        while len(_made(described, "fire")) < 5:
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < ends
            workers |= _workers(run.pid)
            time.sleep(0.02)
        run.kill()
        run.wait()
        assert _recorded(instance) == ["crawling"]
        assert len(workers) == 1, "one model for both categories"
        assert described.work.catalog.read("clips", "crawling")["current"].to_list() == [True] * PAIRS["crawling"]
        kept = {key: _made(described, key) for key in KEYS}
        assert 5 <= len(kept["fire"]) < PAIRS["fire"]
        assert kept["normal-03"] == {}
        for worker in workers:  # it notices that nobody listens any more; the next run must not wait for it
            while os.path.exists(f"/proc/{worker}"):
                assert time.monotonic() < ends
                time.sleep(0.02)
        kept["fire"] = _made(described, "fire")  # a clip under way may have been finished by the worker

        again = described.execute("regenerate", config)
        assert again.returncode == 0, again.stderr[-3000:]
        assert _recorded(instance) == ["crawling", *KEYS]
        assert instance.get_runs_count() == 2
    for key in KEYS:
        now = _made(described, key)
        assert len(now) == PAIRS[key]
        assert {name: now[name] for name in kept[key]} == kept[key], "a finished clip was written again"
    assert described.partials() == []
