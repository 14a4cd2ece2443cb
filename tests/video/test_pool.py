"""The pool: every job answered once, dead workers replaced, nothing left behind."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import video_pool_jobs as jobs_of

from svta_resources.video.pool import MAX_RETRIES, Pool, PoolError, open_pool

HERE = Path(__file__).parent


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between opening and reading
        return False


def wait_until_dead(pids: list[int], seconds: float) -> list[int]:
    """Wait for processes to end; return those still alive after `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def both(pool: Pool, part: slice) -> set[Any]:
    """What two workers answer, each of them: jobs go on until there are two answers, for the second may be late."""
    seen: set[Any] = set()

    def until_both() -> Iterator[int]:
        for number in itertools.count():
            if len(seen) == 2:
                return
            yield number

    for one in pool.run(until_both()):
        seen.add(one.result[part])
    return seen


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_every_job_is_answered_once(kind: str) -> None:
    with open_pool(kind, jobs_of.squares, workers=2) as pool:
        done = list(pool.run(range(50)))
    assert {one.job: one.result[1] for one in done} == {job: job * job for job in range(50)}
    assert len(done) == 50
    assert all(one.error is None for one in done)


def test_workers_are_resident_and_all_work() -> None:
    with open_pool("processes", jobs_of.squares, workers=2) as pool:
        first, second = both(pool, slice(0, 1)), both(pool, slice(0, 1))
    assert first == second
    assert (os.getpid(),) not in first


def test_workers_import_little() -> None:
    with open_pool("processes", jobs_of.modules) as pool:
        imported = next(pool.run([0])).result
    assert not {"dagster", "torch", "numpy", "polars", "duckdb"} & set(imported)


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_an_exception_is_the_jobs_error_and_the_others_go_on(kind: str) -> None:
    with open_pool(kind, jobs_of.failing, workers=2) as pool:
        errors = {one.job: one.error for one in pool.run(range(6))}
    assert [job for job, error in sorted(errors.items()) if error] == [1, 3, 5]
    assert "ValueError: job 3 is odd" in errors[3]


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    with open_pool("processes", jobs_of.unsendable) as pool:
        assert "cannot be sent back" in next(pool.run([1])).error


def test_jobs_are_taken_only_as_workers_become_free(tmp_path: Path) -> None:
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with open_pool("processes", jobs_of.Slow(tmp_path), workers=2) as pool:
        running = pool.run(source())
        next(running)
        assert taken <= 6
        running.close()
        assert len(list(pool.run([1, 2, 3]))) == 3  # an abandoned run leaves a pool that still works


def test_a_job_that_kills_its_worker_is_given_up_and_the_others_finish(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.Slow(tmp_path, deadly=(5,)), workers=2) as pool:
        done = {one.job: one for one in pool.run(range(12))}
    assert sorted(done) == list(range(12))
    assert "died 3 times" in done[5].error
    assert len(list(tmp_path.glob("5-*"))) == 1 + MAX_RETRIES
    assert [job for job, one in done.items() if one.error] == [5]


def test_a_job_whose_worker_dies_once_succeeds_at_the_second_try(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.Slow(tmp_path, deadly=(3,), deaths=1), workers=2) as pool:
        done = list(pool.run(range(8)))
    assert sorted(one.result for one in done) == list(range(8))


def test_workers_killed_from_outside_lose_no_job(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.Slow(tmp_path, seconds=0.02), workers=2) as pool:
        done = []
        for number, one in enumerate(pool.run(range(40))):
            done.append(one)
            if number % 12 == 5:
                os.kill(pool.pids[0], signal.SIGKILL)
    assert sorted(one.result for one in done) == list(range(40))


def test_closing_ends_the_workers(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.Slow(tmp_path, seconds=30), workers=2) as pool:
        pids = pool.pids
    assert wait_until_dead(pids, 2) == []


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent(tmp_path: Path, blow: signal.Signals) -> None:
    script = (
        "from pathlib import Path; import video_pool_jobs as j; from svta_resources.video.pool import open_pool\n"
        f"with open_pool('processes', j.Slow(Path({str(tmp_path)!r}), seconds=60), workers=2) as pool:\n"
        "    print(*pool.pids, flush=True)\n"
        "    list(pool.run(range(4)))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    deadline = time.monotonic() + 20
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(tmp_path.iterdir())) == 2, "both workers were rendering"
    parent.send_signal(blow)
    assert wait_until_dead([*pids, parent.pid], 3) == []
    parent.communicate()


def test_a_worker_that_cannot_be_built_ends_the_run_with_its_reason() -> None:
    with open_pool("processes", jobs_of.broken) as pool, pytest.raises(PoolError, match="no weights here"):
        list(pool.run([1]))
    with open_pool("processes", jobs_of.dying) as pool, pytest.raises(PoolError, match="died before they were ready"):
        list(pool.run([1]))


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(PoolError, match="'inline' or 'processes'"):
        open_pool("cluster", jobs_of.squares)
    with pytest.raises(PoolError, match="at least one worker"):
        open_pool("processes", jobs_of.squares, workers=0)
    with pytest.raises(PoolError, match="top of a module"):
        open_pool("processes", lambda: int)
    with pytest.raises(PoolError, match="closed"):
        next(open_pool("processes", jobs_of.squares).run([1]))


def test_a_worker_sees_its_own_device_only() -> None:
    with open_pool("processes", jobs_of.thread_setting, workers=["cuda:1", "cuda:0"]) as pool:
        seen = both(pool, slice(0, 2))
    assert seen == {("cuda", "0"), ("cuda", "1")}
    with open_pool("processes", jobs_of.thread_setting) as pool:
        assert next(pool.run([0])).result == ("cpu", "", "1")


def test_a_lost_device_retires_the_process_and_not_the_run(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.TwoStages(tmp_path, lost=(3,), times=1)) as pool:
        before = pool.pids
        done = {one.job: one for one in pool.run(range(8))}
        assert pool.pids != before
    assert {job: one.result[0] for job, one in done.items()} == {job: job for job in range(8)}
    assert done[2].result[1] == before[0], "what was begun before is finished by the old process"
    assert done[3].result[1] != before[0]


def test_a_job_that_loses_the_device_every_time_is_given_up_with_the_reason(tmp_path: Path) -> None:
    with open_pool("processes", jobs_of.TwoStages(tmp_path, lost=(3,))) as pool:
        done = {one.job: one for one in pool.run(range(8))}
    assert [job for job, one in done.items() if one.error] == [3]
    assert "illegal memory access" in done[3].error
    assert len(list(tmp_path.glob("3-*"))) == 1 + MAX_RETRIES


def test_a_job_that_kills_its_worker_while_it_is_finished_takes_no_other_job_with_it(tmp_path: Path) -> None:
    """Its neighbour has begun by then and must not be blamed."""
    with open_pool("processes", jobs_of.TwoStages(tmp_path, deadly_end=4)) as pool:
        done = {one.job: one for one in pool.run(range(9))}
    assert sorted(done) == list(range(9))
    assert [job for job, one in done.items() if one.error] == [4]
    assert "died 3 times" in done[4].error


def test_inline_a_lost_device_ends_the_run(tmp_path: Path) -> None:
    with open_pool("inline", jobs_of.TwoStages(tmp_path, lost=(2,))) as pool:
        running = pool.run(range(4))
        assert [next(running).job, next(running).job] == [0, 1]
        with pytest.raises(PoolError, match="illegal memory access.*Start the run again"):
            next(running)


def test_workers_hold_what_they_are_given(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with open_pool("processes", jobs_of.squares, held=[writer]) as pool:
        os.close(writer)
        next(pool.run([1]))
        os.set_blocking(reader, False)
        with pytest.raises(BlockingIOError):  # somebody still holds the other end
            os.read(reader, 1)
    assert os.read(reader, 1) == b""
    os.close(reader)
