"""Batches made ahead of the training, in threads: reading files and copying bytes leave the interpreter free."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, islice
from typing import Generic, TypeVar

Wanted = TypeVar("Wanted")
Batch = TypeVar("Batch")


class BatchLoader(Generic[Wanted, Batch]):
    """Makes batches in the order they are wanted, `ahead` of them before they are asked for.

    `make` is given what is wanted and a slot, a small number whose batch is no longer in use: nobody holds a batch
    when the next one is asked for. waited_s: how long the training has waited for batches in all.
    """

    def __init__(self, make: Callable[[Wanted, int], Batch], ahead: int = 3, threads: int = 2) -> None:
        self._make, self._ahead, self._threads = make, ahead, threads
        self.waited_s = 0.0

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[Batch]:
        """Yield `make(item, slot)` of every item. Raises what `make` raises, at its place."""
        source = zip(wanted, cycle(range(self._ahead + 1)), strict=False)  # those ahead, and the one in use
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="batch")
        under_way: deque[Future[Batch]] = deque()
        try:
            under_way.extend(pool.submit(self._make, *item) for item in islice(source, self._ahead))
            while under_way:
                began = time.perf_counter()
                batch = under_way.popleft().result()
                self.waited_s += time.perf_counter() - began
                under_way.extend(pool.submit(self._make, *item) for item in islice(source, 1))
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
