import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from svta_resources.video.pool import PoolError, open_pool
from tests.video import pool_jobs


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_every_job_is_done_once(kind: str) -> None:
    with open_pool(kind, pool_jobs.make_square, workers=2) as pool:
        results = {done.job: done.result[0] for done in pool.run(range(20))}
    assert results == {number: number * number for number in range(20)}


def test_workers_stay_resident_between_runs() -> None:
    with open_pool("processes", pool_jobs.make_square, workers=2) as pool:
        first = {done.result[1] for done in pool.run(range(8))}
        second = {done.result[1] for done in pool.run(range(8))}
    assert first == second
    assert os.getpid() not in first


def test_a_failing_job_is_reported_and_the_others_go_on() -> None:
    with open_pool("processes", pool_jobs.make_failing, workers=1) as pool:
        done = {item.job: item for item in pool.run([0, 1, 2])}
    assert "ZeroDivisionError" in (done[0].error or "")
    assert [done[1].result, done[2].result] == [10, 5]


def test_a_killed_workers_job_is_tried_elsewhere(tmp_path: Path) -> None:
    jobs = [(number, str(tmp_path / f"{number}") if number % 3 == 0 else "") for number in range(9)]
    with open_pool("processes", pool_jobs.make_fragile, workers=2) as pool:
        done = list(pool.run(jobs))
    assert sorted(item.result for item in done) == list(range(9))
    assert not [item.error for item in done if item.error]


def test_a_job_that_always_kills_its_worker_is_given_up_with_the_reason() -> None:
    with open_pool("processes", pool_jobs.make_deadly, workers=2) as pool:
        done = {item.job: item for item in pool.run([0, 1, 2])}
    assert "died 3 times" in (done[1].error or "")
    assert [done[0].result, done[2].result] == [0, 2]


def test_a_generator_that_cannot_be_opened_stops_the_run_with_its_message() -> None:
    with open_pool("processes", pool_jobs.make_broken, workers=1) as pool, pytest.raises(PoolError, match="weights"):
        list(pool.run([1]))


def test_a_killed_parent_leaves_no_worker_rendering(tmp_path: Path) -> None:
    marker = tmp_path / "worker"
    code = (
        "from svta_resources.video.pool import open_pool\n"
        "from tests.video import pool_jobs\n"
        f"list(open_pool('processes', pool_jobs.make_slow, workers=1).run([{str(marker)!r}]))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    worker = int(_wait_for(lambda: marker.exists() and marker.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not _alive(worker), limit_s=5)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[-1].split()[0]
    return state != "Z"


def _wait_for(condition, limit_s: float = 30):  # type: ignore[no-untyped-def]
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
