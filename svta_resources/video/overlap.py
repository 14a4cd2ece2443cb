"""Two stages of a worker's jobs overlapping: while one clip is encoded and published, the device makes the next.

Imports the standard library only: workers start with it.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class TwoStageWork(Protocol):
    """Work whose first stage needs the device and whose second one does not."""

    def begin(self, job: Any) -> Any:
        """Do the device's part; what it returns is given to `finish`."""
        ...

    def finish(self, job: Any, begun: Any) -> Any:
        """Do the rest, in another thread, and return the job's result."""
        ...


Answer = Callable[[Any, Any, BaseException | None], None]  # job, result, error


class Overlap:
    """Runs `begin` in the caller's thread and `finish` in one other, so that jobs are answered in their order.

    At most one job waits to be finished: where finishing is the slower stage, it sets the pace; memory stays bounded.
    """

    def __init__(self, work: TwoStageWork, answer: Answer, executor: Executor | None = None) -> None:
        """`answer` is called in the thread that finishes, once a job."""
        self._work, self._answer = work, answer
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._last: Future[None] | None = None

    def take(self, job: Any) -> None:
        """Begin a job and leave the rest to the other thread.

        Raises:
            An exception of `begin` that has `retires_process`, after every earlier job was answered; others become the
            job's answer.
        """
        begun, failure = None, None
        try:
            begun = self._work.begin(job)
        except Exception as error:
            failure = error
        self.drain()
        if failure is not None and getattr(failure, "retires_process", False):
            raise failure
        self._last = self._executor.submit(self._finish, job, begun, failure)

    def drain(self) -> None:
        """Wait until every job taken so far is answered."""
        if self._last is not None:
            self._last.result()
            self._last = None

    def _finish(self, job: Any, begun: Any, failure: BaseException | None) -> None:
        if failure is not None:
            self._answer(job, None, failure)
            return
        try:
            result = self._work.finish(job, begun)
        except Exception as error:
            self._answer(job, None, error)
            return
        self._answer(job, result, None)
