"""What the four review queues share: what there is to judge, in which order, by whom it was judged, who agrees."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import polars as pl

from svta_assets.labels.review_report import Agreement
from svta_assets.reviewing import cohens_kappa
from svta_assets.workspace import Workspace

SHARED = 20  # the first of a queue are the same for everybody, so that agreement is known early
SAMPLE, ALL, SPLIT = "sample", "all", "split"
SCOPES = (SAMPLE, ALL, SPLIT)

Words = Mapping[str, Mapping[str, str]]
"""What stands: id -> reviewer -> verdict."""


@dataclass(frozen=True)
class Choice:
    """A verdict that a key gives.

    Attributes:
        reasons: common ones, given by a digit; where there are some the reviewer must give one or write another.
        fields: what may be corrected, name and title; answered before the verdict is recorded, and may stay empty.
    """

    key: str
    verdict: str
    title: str
    tone: str = ""
    reasons: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Said:
    """A verdict as it was posted. `more`: the queue's own fields, and what the reviewer saw (`seen_*`)."""

    id: str
    verdict: str
    reason: str
    more: Mapping[str, str] = field(default_factory=dict)


class Queue(ABC):
    """One kind of things to judge."""

    name: str
    title: str
    ask: str  # the question, for the reviewer
    then: str  # what the pipeline does with the answers
    choices: tuple[Choice, ...]
    whole = ""  # what `scope=all` shows beside the sample; empty where there is no difference

    @abstractmethod
    def subjects(self, work: Workspace, scope: str = SAMPLE) -> pl.DataFrame:
        """What is to be judged, in reading order: columns id and category, and what `card` needs."""

    @abstractmethod
    def words(self, work: Workspace, subjects: pl.DataFrame) -> Words:
        """What stands of the subjects as they are now."""

    @abstractmethod
    def card(self, work: Workspace, row: Mapping[str, Any]) -> dict[str, Any]:
        """A subject for the page: heading, text, facts, clips, seen. No markup: the page sets text only."""

    @abstractmethod
    def record(self, work: Workspace, said: Said, by: str) -> str:
        """Append a verdict; returns the category it touches. Raises SvtaError that says what is wrong."""

    def report(self, work: Workspace) -> list[str]:
        """Lines on how the review stands as the pipeline sees it."""
        return []

    def order(self, ids: Sequence[str], words: Words, by: str) -> list[str]:
        """What a reviewer has not judged, in the order in which it is shown."""
        return in_order(ids, words, by)

    def next_cards(
        self, work: Workspace, by: str, limit: int, scope: str = SAMPLE, category: str = "", without: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """The next subjects for a reviewer, but for those `without` that the page has already.

        The scope `split` gives what reviewers judge differently, whoever judged it.
        """
        subjects = self.subjects(work, scope)
        if category:
            subjects = subjects.filter(pl.col("category") == category)
        words = self.words(work, subjects)
        ids = progress(subjects, words).split if scope == SPLIT else self.order(subjects["id"].to_list(), words, by)
        seen = set(without)
        chosen = [one for one in ids if one not in seen][:limit]
        rows = {row["id"]: row for row in subjects.filter(pl.col("id").is_in(chosen)).iter_rows(named=True)}
        return [
            {"id": one, "category": rows[one]["category"], "count": len(ids), **self.card(work, rows[one])}
            for one in chosen
        ]


def in_order(ids: Sequence[str], words: Words, by: str, shared: int = SHARED) -> list[str]:
    """What a reviewer has not judged: the shared first ones, then what nobody judged, then what others did.

    Each reviewer begins at a place of their own, so that two who work at the same time meet late.
    """
    first = set(sorted(ids, key=_hash)[:shared])
    start = int(_hash(by), 16) % len(ids) if ids else 0
    turned = [*ids[start:], *ids[:start]]
    left = [one for one in turned if by not in words.get(one, {})]
    return sorted(left, key=lambda one: (one not in first, bool(words.get(one))))  # stable: keeps the turn


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Progress:
    """How a queue stands.

    Attributes:
        total, judged: subjects, and those that anybody judged. verdicts: subjects by their newest word's verdict, a
            disagreement counting for each. by_reviewer: name -> verdicts.
        split: ids that reviewers judge differently. categories: (category, subjects, judged), most left first.
    """

    total: int
    judged: int
    verdicts: dict[str, int]
    by_reviewer: dict[str, int]
    agreements: list[Agreement]
    split: list[str]
    categories: list[tuple[str, int, int]]


def progress(subjects: pl.DataFrame, words: Words) -> Progress:
    """Count what stands of the subjects."""
    ids = subjects["id"].to_list()
    said = {one: dict(words[one]) for one in ids if words.get(one)}
    by_category = Counter(subjects["category"].to_list())
    judged = Counter(subjects.filter(pl.col("id").is_in(list(said)))["category"].to_list())
    categories = [(key, count, judged[key]) for key, count in by_category.items()]
    return Progress(
        total=len(ids),
        judged=len(said),
        verdicts=dict(Counter(verdict for of in said.values() for verdict in set(of.values())).most_common()),
        by_reviewer=dict(Counter(by for of in said.values() for by in of).most_common()),
        agreements=agreements(said),
        split=[one for one, of in said.items() if len(set(of.values())) > 1],
        categories=sorted(categories, key=lambda one: (one[2] - one[1], one[0])),
    )


def agreements(words: Words) -> list[Agreement]:
    """Each two reviewers over what both judged."""
    of: dict[str, dict[str, str]] = {}
    for one, said in words.items():
        for by, verdict in said.items():
            of.setdefault(by, {})[one] = verdict
    found = []
    for first, second in combinations(sorted(of), 2):
        both = sorted(of[first].keys() & of[second].keys())
        if both:
            ours, theirs = ([of[by][one] for one in both] for by in (first, second))
            same = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(both)
            found.append(Agreement(first, second, len(both), same, cohens_kappa(ours, theirs)))
    return found
