"""Two stages: the second of one job runs beside the first of the next, in order, and nothing is lost when a stage fails."""

import threading
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from svta_resources.video.overlap import Overlap

MEETING_S = 20


class _Clock:
    """Virtual seconds: of the thread that begins jobs, and of the one that finishes them."""

    def __init__(self) -> None:
        self.device = self.finisher = 0.0


class _VirtualExecutor(Executor):
    """One other thread in virtual time: work starts when it was handed over and the work before it is done."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> "Future[Any]":
        self._clock.finisher = max(self._clock.finisher, self._clock.device)
        function(*arguments, **named)
        return _Ready(self._clock, self._clock.finisher)


class _Ready(Future):  # type: ignore[type-arg]
    """Whoever waits for the result waits until it is there."""

    def __init__(self, clock: _Clock, at: float) -> None:
        super().__init__()
        self._clock, self._at = clock, at

    def result(self, timeout: float | None = None) -> None:
        self._clock.device = max(self._clock.device, self._at)


class _Timed:
    """`begin` takes `device` virtual seconds, `finish` the others."""

    def __init__(self, clock: _Clock, begin_s: float, finish_s: float) -> None:
        self._clock, self._begin_s, self._finish_s = clock, begin_s, finish_s

    def begin(self, job: int) -> int:
        self._clock.device += self._begin_s
        return job

    def finish(self, job: int, begun: int) -> int:
        assert begun == job
        self._clock.finisher += self._finish_s
        return job


@pytest.mark.parametrize(
    ("begin_s", "finish_s", "limit_s"),
    [(1.0, 0.5, 20.5), (1.0, 1.0, 21.0), (0.5, 1.0, 20.5), (1.0, 0.0, 20.0)],
)
def test_twenty_clips_take_the_time_of_the_slower_stage(begin_s: float, finish_s: float, limit_s: float) -> None:
    """A second of denoising and half a second of encoding: 20.5 s, not 30."""
    clock, done = _Clock(), []
    overlap = Overlap(
        _Timed(clock, begin_s, finish_s), lambda job, result, error: done.append(job), _VirtualExecutor(clock)
    )
    for job in range(20):
        overlap.take(job)
    overlap.drain()
    assert done == list(range(20))
    assert max(clock.device, clock.finisher) == limit_s


class _Meeting:
    """The end of a job and the beginning of the next wait for each other: done one after the other they never meet."""

    def __init__(self) -> None:
        self.barriers = [threading.Barrier(2, timeout=MEETING_S) for _ in range(4)]

    def begin(self, job: int) -> int:
        if job > 0:
            self.barriers[job - 1].wait()
        return job

    def finish(self, job: int, begun: int) -> int:
        if job < len(self.barriers):
            self.barriers[job].wait()
        return begun


def test_a_job_is_finished_while_the_next_one_begins() -> None:
    answers: list[tuple[int, Any, Any]] = []
    overlap = Overlap(_Meeting(), lambda job, result, error: answers.append((job, result, error)))
    for job in range(5):
        overlap.take(job)
    overlap.drain()
    assert answers == [(job, job, None) for job in range(5)]


class _Failing:
    """Job 1 fails at its begin, job 3 at its end, job 5 takes the device with it."""

    def begin(self, job: int) -> int:
        if job == 1:
            raise ValueError("no such caption")
        if job == 5:
            error = RuntimeError("the device is gone")
            error.retires_process = True  # type: ignore[attr-defined]
            raise error
        return job

    def finish(self, job: int, begun: int) -> int:
        if job == 3:
            raise OSError("disk full")
        return begun


def test_failures_are_answered_in_order_and_a_lost_device_ends_the_process_after_them() -> None:
    answers: list[tuple[int, str]] = []
    overlap = Overlap(_Failing(), lambda job, result, error: answers.append((job, str(error or "fine"))))
    for job in range(5):
        overlap.take(job)
    with pytest.raises(RuntimeError, match="device is gone"):
        overlap.take(5)
    assert answers == [(0, "fine"), (1, "no such caption"), (2, "fine"), (3, "disk full"), (4, "fine")]
