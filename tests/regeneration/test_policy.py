"""The policy as plain functions: what makes a category weak, and what it must wait for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.regeneration.policy import UNMEASURED, Facts, must_wait, rank
from svta_assets.regeneration.settings import Weakness, read_settings

NOW = datetime(2026, 11, 21, 1, tzinfo=UTC)
WEIGHTS = read_settings().weakness
AVERAGE = Facts("average", queries=40, hits=20, accepted=90, made=100, newest=NOW - timedelta(days=30))
MEASURED = replace(AVERAGE, measured=NOW - timedelta(days=1), in_release=True)


def _weights(**changed: float) -> Weakness:
    given = {"r1": 0, "yield": 0, "age": 0, "age_days": 100, "prior_queries": 0} | changed
    return Weakness.model_validate(given)


def _order(weights: Weakness, *facts: Facts) -> list[str]:
    return [one.category for one in rank(facts, weights, NOW)]


def test_each_share_alone_orders_by_what_it_measures() -> None:
    lost = replace(AVERAGE, category="lost", hits=2)
    torn = replace(AVERAGE, category="torn", accepted=20)
    old = replace(AVERAGE, category="old", newest=NOW - timedelta(days=90))
    assert _order(_weights(r1=1), AVERAGE, torn, lost)[0] == "lost"
    assert _order(_weights(**{"yield": 1}), AVERAGE, torn, lost)[0] == "torn"
    assert _order(_weights(age=1), AVERAGE, old, torn)[0] == "old"


def test_few_queries_are_taken_for_average() -> None:
    unlucky = replace(AVERAGE, category="unlucky", queries=1, hits=0)
    lost = replace(AVERAGE, category="lost", queries=40, hits=4)
    assert _order(_weights(r1=1), AVERAGE, unlucky, lost)[0] == "unlucky"
    assert _order(_weights(r1=1, prior_queries=10), AVERAGE, unlucky, lost)[0] == "lost"


counts = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted)
facts = st.builds(
    lambda key, found, passed, days: Facts(
        key, found[1], found[0], passed[0], passed[1], NOW - timedelta(days=days) if passed[1] else None
    ),
    st.sampled_from("abcdef"),
    counts,
    counts,
    st.floats(-5, 1000),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(facts, unique_by=lambda one: one.category))
def test_weakness_is_a_share_and_the_order_does_not_hang_on_the_input(found: list[Facts]) -> None:
    ranked = rank(found, WEIGHTS, NOW)
    assert all(0 <= one.weakness <= 1 for one in ranked)
    assert [one.weakness for one in ranked] == sorted((one.weakness for one in ranked), reverse=True)
    assert rank(found[::-1], WEIGHTS, NOW) == ranked


@settings(max_examples=50, deadline=None)
@given(st.lists(facts, min_size=1, unique_by=lambda one: one.category), st.integers(1, 50))
def test_finding_more_makes_no_category_weaker(found: list[Facts], more: int) -> None:
    first = found[0]
    better = replace(first, hits=min(first.queries, first.hits + more))
    others = [replace(AVERAGE, category="z"), *found[1:]]
    place = {one.category: number for number, one in enumerate(rank([first, *others], WEIGHTS, NOW))}
    now = {one.category: number for number, one in enumerate(rank([better, *others], WEIGHTS, NOW))}
    assert now[first.category] >= place[first.category]


def test_what_must_wait_says_for_what() -> None:
    assert must_wait(MEASURED) is None
    assert must_wait(replace(MEASURED, queries=0)) == UNMEASURED
    assert must_wait(AVERAGE) == UNMEASURED
    assert "newer than its last regeneration" in str(must_wait(replace(MEASURED, newest=NOW)))
    assert "newer than its last regeneration" in str(must_wait(replace(MEASURED, newest=MEASURED.measured)))
    assert "clips that stand now" in str(must_wait(replace(MEASURED, in_release=False)))
