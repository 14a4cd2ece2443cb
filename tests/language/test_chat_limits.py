"""Rates and pauses, on a clock that the tests turn."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_resources.chat_errors import ChatError
from svta_resources.chat_limits import RateLimits, TokenBucket
from svta_resources.chat_retry import Backoff, retry_after_s
from svta_resources.llm_settings import Prices, Traffic, Usage, prices_from, settings_from, traffic_from


class FakeClock:
    """Seconds that pass only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def admitted(limits: RateLimits, clock: FakeClock, tokens: list[float]) -> list[float]:
    """When each request was let through, one asking after another."""

    async def all_of_them() -> list[float]:
        times = []
        for amount in tokens:
            await limits.admit(amount, clock.sleep)
            times.append(clock.now)
        return times

    return asyncio.run(all_of_them())


@given(
    per_minute=st.floats(1, 100_000),
    amounts=st.lists(st.floats(0.1, 5000), min_size=1, max_size=40),
    gaps=st.lists(st.floats(0, 5), min_size=40, max_size=40),
)
def test_no_window_sees_more_than_the_rate_allows(per_minute, amounts, gaps):
    clock = FakeClock()
    bucket = TokenBucket(per_minute, clock)
    used: list[tuple[float, float]] = []
    for amount, gap in zip(amounts, gaps, strict=False):
        clock.now += gap
        used.append((clock.now + bucket.reserve(amount), amount))
    for begin, first in used:
        for end, _ in used:
            within = sum(amount for at, amount in used if begin <= at <= end)
            allowed = bucket.rate * (end - begin) + bucket.capacity + max(first, *amounts)
            assert end < begin or within <= allowed * (1 + 1e-6) + 1e-3


def test_requests_are_spread_over_the_minute():
    clock = FakeClock()
    times = admitted(RateLimits(requests_per_minute=120, clock=clock), clock, [1.0] * 122)
    assert times[119] - times[0] == pytest.approx(59, abs=1), "2 a second, after a burst of 2"
    assert max(b - a for a, b in pairwise(times[2:])) == pytest.approx(0.5)


def test_tokens_limit_as_well_and_the_tighter_limit_counts():
    clock = FakeClock()
    limits = RateLimits(requests_per_minute=6000, tokens_per_minute=6000, clock=clock)
    times = admitted(limits, clock, [300.0] * 11)
    assert times[10] - times[0] == pytest.approx(30, abs=3.1), "100 tokens a second, 300 a request"


def test_what_was_really_used_replaces_the_estimate():
    clock = FakeClock()
    limits = RateLimits(tokens_per_minute=6000, clock=clock)
    admitted(limits, clock, [100.0])
    limits.settle(100.0, 1100.0)  # 1000 more than thought: ten seconds
    before = clock.now
    assert admitted(limits, clock, [100.0])[0] - before == pytest.approx(11)
    cheap = RateLimits(tokens_per_minute=6000, clock=clock)
    admitted(cheap, clock, [1000.0])
    cheap.settle(1000.0, 0.0)
    before = clock.now
    assert admitted(cheap, clock, [50.0])[0] == before


def test_a_pause_the_server_asks_for_holds_everybody():
    clock = FakeClock()
    limits = RateLimits(clock=clock)
    limits.hold(30)
    limits.hold(10)  # an earlier end never shortens it
    assert admitted(limits, clock, [1.0, 1.0]) == [1030.0, 1030.0]


def test_pauses_grow_up_to_a_limit_and_are_never_the_same():
    low, high = (Backoff(first_s=0.5, most_s=30, chance=lambda share=share: share) for share in (0.0, 1.0))
    assert [low.pause(attempt) for attempt in range(4)] == [0.25, 0.5, 1.0, 2.0]
    assert [high.pause(attempt) for attempt in (0, 3, 10)] == [0.5, 4.0, 30.0]


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=42), usegmt=True)}, 42.0),
        ({"retry-after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, 0.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:10 -0000"}, 10.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after_s(headers, NOW) == seconds


def test_settings_of_traffic_and_prices_come_from_the_environment():
    assert traffic_from({}) == Traffic() and Traffic().concurrency == 64 and prices_from({}) == Prices()
    environ = {"SVTA_LLM_CONCURRENCY": "8", "SVTA_LLM_RPM": "500", "SVTA_LLM_TPM": "1e5", "SVTA_LLM_TIMEOUT_S": "30"}
    assert traffic_from(environ) == Traffic(8, 500.0, 100_000.0, 30.0)
    assert settings_from({"SVTA_LLM_MAX_TOKENS": "8192"}).max_tokens == 8192
    prices = prices_from({"SVTA_LLM_PRICE_IN": "0.5", "SVTA_LLM_PRICE_OUT": "2"})
    assert prices.of(Usage(1_000_000, 500_000)) == pytest.approx(1.5) and Prices().of(Usage(1, 1)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("SVTA_LLM_CONCURRENCY", "0"), ("SVTA_LLM_RPM", "-1"), ("SVTA_LLM_TPM", "many"), ("SVTA_LLM_TIMEOUT_S", "inf")],
)
def test_a_setting_that_is_no_number_is_named(name, value):
    with pytest.raises(ChatError, match=name):
        traffic_from({name: value})


def test_one_price_without_the_other_is_named():
    with pytest.raises(ChatError, match="SVTA_LLM_PRICE_OUT"):
        prices_from({"SVTA_LLM_PRICE_IN": "1"})
