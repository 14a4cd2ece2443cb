"""How often a server may be asked: token buckets for requests and tokens a minute, and pauses that it asks for."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

BURST_S = 1.0  # a bucket holds what this many seconds allow, so that a minute never sees much more than its limit


class TokenBucket:
    """Spreads a limit per minute evenly: within any T seconds at most `rate * T + capacity + one reservation` pass.

    Reservations are a queue: each takes what it needs at once, into debt if need be, and waits until the debt is
    worked off. So a large one is never overtaken for ever by small ones.

    Args:
        per_minute: the limit, greater than 0. clock: seconds, monotonic.
    """

    def __init__(self, per_minute: float, clock: Clock = time.monotonic) -> None:
        self.rate = per_minute / 60.0
        self.capacity = max(1.0, self.rate * BURST_S)
        self._clock = clock
        self._level, self._at = self.capacity, clock()

    def reserve(self, amount: float) -> float:
        """Take `amount`; return the seconds to wait before using it."""
        self._refill()
        self._level -= amount
        return max(0.0, -self._level / self.rate)

    def correct(self, reserved: float, used: float) -> None:
        """Replace an estimate by what was really used."""
        self._refill()
        self._level = min(self.capacity, self._level + reserved - used)

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now


class RateLimits:
    """Admits requests to one server; every coroutine that asks it shares the object.

    Args:
        requests_per_minute, tokens_per_minute: None for no limit. clock: seconds, monotonic.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._clock = clock
        self._requests = TokenBucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = TokenBucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._held_until = clock()

    async def admit(self, tokens: float, sleep: Sleep = asyncio.sleep) -> None:
        """Wait until a request of about `tokens` tokens may be sent."""
        await self._while_held(sleep)
        waits = [bucket.reserve(amount) for bucket, amount in ((self._requests, 1.0), (self._tokens, tokens)) if bucket]
        if (wait := max(waits, default=0.0)) > 0:
            await sleep(wait)
            await self._while_held(sleep)

    def settle(self, estimated: float, used: float) -> None:
        """Tell what an admitted request really used, in tokens."""
        if self._tokens:
            self._tokens.correct(estimated, used)

    def hold(self, seconds: float) -> None:
        """Admit nothing for some seconds: the server asked for a pause, and means everybody with this key."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    async def _while_held(self, sleep: Sleep) -> None:
        while (left := self._held_until - self._clock()) > 0:
            await sleep(left)
