"""Showing that long work goes on: one live line on a terminal, a line now and then in a log file."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG_EVERY_S = 30.0
_LEFT = re.compile(r"(\d+) s left")  # how assets end a progress message, see svta_assets.videos.produce.Eta


def seconds_left(message: str) -> float | None:
    """The seconds that a progress message of an asset promises; None where it promises nothing."""
    found = _LEFT.search(message)
    return float(found[1]) if found else None


@contextmanager
def live_line(what: str) -> Iterator[Callable[[str], None]]:
    """Show `what` and whatever is said until the block ends."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield now_and_then(console.print)
        return
    with console.status(f"{what} ...") as status:
        yield lambda message: status.update(f"{what}: {message}")


def now_and_then(say: Callable[[str], None], every_s: float = LOG_EVERY_S) -> Callable[[str], None]:
    """Pass on a message when the last one is long enough ago: a log file should move, not fill."""
    last = time.monotonic()

    def hear(message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            say(message)

    return hear


class Steps:
    """A progress bar over steps of different lengths, with an ETA that ticks and learns.

    Args:
        kinds: the kind of every step in order; steps of a kind are expected to take equally long.
        guesses: kind -> seconds, until a step of the kind has been seen.
    """

    def __init__(self, kinds: list[str], guesses: dict[str, float]) -> None:
        self._kinds, self._guesses = kinds, guesses
        self._spent: dict[str, list[float]] = {}
        self._index, self._began, self._until = 0, time.monotonic(), 0.0

    def start(self) -> None:
        """Begin the next step."""
        self._began = time.monotonic()
        self._until = self._began + self._expected(self._kinds[self._index])

    def hear(self, message: str) -> None:
        """Believe what the running step says about itself."""
        if (left := seconds_left(message)) is not None:
            self._until = time.monotonic() + left

    def finish(self) -> float:
        """End the running step; return its seconds."""
        seconds = time.monotonic() - self._began
        self._spent.setdefault(self._kinds[self._index], []).append(seconds)
        self._index += 1
        self._until = 0.0
        return seconds

    def eta_s(self) -> float:
        """Seconds until the last step will be done."""
        running = self._index < len(self._kinds) and self._until > 0
        later = self._kinds[self._index + running :]
        now = max(self._until - time.monotonic(), 0.0) if running else 0.0
        return now + sum(self._expected(kind) for kind in later)

    def _expected(self, kind: str) -> float:
        times = self._spent.get(kind)
        return sum(times) / len(times) if times else self._guesses[kind]
