"""Which failures pass by themselves, and how long to wait before the next attempt."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openai

LONGEST_ASKED_S = 600.0  # a server that asks for a longer pause has no capacity today; waiting would hide that
_PASSING = frozenset({408, 409, 425, 429})
SLOW_DOWN = frozenset({429, 503})  # these speak to every caller, not to one request


@dataclass(frozen=True)
class Backoff:
    """Growing pauses with jitter, so that callers that failed together do not come back together.

    Attributes:
        first_s, most_s: the pause before the first retry, and the longest one. chance: uniform in [0, 1).
    """

    first_s: float = 0.5
    most_s: float = 30.0
    chance: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (0, 1, ...): half fixed, half drawn."""
        longest = min(self.most_s, self.first_s * 2.0**attempt)
        return longest * (0.5 + 0.5 * self.chance())


def passes(error: "openai.OpenAIError") -> bool:
    """Say whether another attempt may succeed."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in _PASSING or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)  # timeouts are a kind of it


def asked_pause(error: "openai.OpenAIError") -> float | None:
    """The pause in seconds that the server asks for with an error, None when it asks for none."""
    import openai

    return retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read `retry-after-ms` or `Retry-After` (seconds or an HTTP date, RFC 9110 10.2.3); None when neither is readable.

    Args:
        headers: names in lower case, or a mapping that ignores case. now: with a time zone; default is the present.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        seconds = _seconds(text, unit, now or datetime.now(UTC))
        if seconds is not None:
            return max(0.0, seconds)
    return None


def _seconds(text: str, unit: float, now: datetime) -> float | None:
    try:
        seconds = float(text) / unit
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        # "-0000" gives a time without zone, which HTTP means as UTC
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return seconds if seconds < float("inf") else None  # nan is refused too
