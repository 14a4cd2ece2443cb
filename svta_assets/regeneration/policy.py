"""The policy of the nights, as plain functions: which categories are weakest, and which must wait.

No function here sees a figure of the test split: what they are given comes from `validation_ranks`, `clips` and the
release alone (`svta_assets.regeneration.facts`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from svta_assets.regeneration.settings import Weakness

_DAY_S = 86_400.0
UNMEASURED = "no validation R@1 of it yet"


@dataclass(frozen=True)
class Facts:
    """What is known of a generation category.

    Attributes:
        queries, hits: its validation captions under the models measured, and how many of them found their clip first.
        accepted, made: its clips by the quality gates.
        newest: when its newest clip was made, or a regeneration of it ended; None before the first.
        measured: when the oldest of the models measured was trained; None where none was.
        in_release: whether the release measured names the clips that stand now.
    """

    category: str
    queries: int = 0
    hits: float = 0.0
    accepted: int = 0
    made: int = 0
    newest: datetime | None = None
    measured: datetime | None = None
    in_release: bool = False

    @property
    def r1(self) -> float | None:
        """Validation R@1, 0..1."""
        return self.hits / self.queries if self.queries else None


@dataclass(frozen=True)
class Ranked:
    """A category with its weakness, 0..1 (1: weakest), and the three shares it is made of."""

    facts: Facts
    weakness: float
    r1: float
    yield_: float
    age: float

    @property
    def category(self) -> str:
        return self.facts.category

    def __str__(self) -> str:
        measured = "not measured" if self.facts.r1 is None else f"{self.facts.r1:.0%} of {self.facts.queries}"
        return f"weakness {self.weakness:.2f}: R@1 {measured}, yield {self.yield_:.0%}, age {self.age:.0%}"


def must_wait(facts: Facts) -> str | None:
    """Why a category gets no new takes by weakness tonight; None where it may."""
    if facts.measured is None or not facts.queries:
        return UNMEASURED
    if facts.newest is not None and facts.measured <= facts.newest:
        return "waits for an evaluation newer than its last regeneration"
    if not facts.in_release:
        return "waits for an evaluation of a release with the clips that stand now"
    return None


def rank(categories: Sequence[Facts], weights: Weakness, now: datetime) -> list[Ranked]:
    """Categories by weakness, the weakest first; equal ones by name.

    R@1 and yield of a category with few queries or clips are drawn towards the mean: `prior_queries` average ones are
    added to its own.
    """
    r1 = _mean((one.hits, one.queries) for one in categories)
    passed = _mean((one.accepted, one.made) for one in categories)
    ranked = [_ranked(one, weights, now, r1, passed) for one in categories]
    return sorted(ranked, key=lambda one: (-one.weakness, one.category))


def _ranked(facts: Facts, weights: Weakness, now: datetime, mean_r1: float, mean_yield: float) -> Ranked:
    prior = weights.prior_queries
    r1 = _drawn(facts.hits, facts.queries, mean_r1, prior)
    passed = _drawn(facts.accepted, facts.made, mean_yield, prior)
    days = (now - facts.newest).total_seconds() / _DAY_S if facts.newest else 0.0
    age = min(1.0, max(0.0, days / weights.age_days))
    total = weights.r1 + weights.yield_ + weights.age
    weakness = (weights.r1 * (1 - r1) + weights.yield_ * (1 - passed) + weights.age * age) / total
    return Ranked(facts, weakness, r1, passed, age)


def _drawn(hits: float, of: int, mean: float, prior: float) -> float:
    return (hits + prior * mean) / (of + prior) if of + prior else mean


def _mean(parts: Iterable[tuple[float, int]]) -> float:
    hits, of = 0.0, 0
    for hit, count in parts:
        hits, of = hits + hit, of + count
    return hits / of if of else 0.0
