"""Grouped splits never straddle a video or near-duplicate captions, and never move a pair."""

import random
from collections import Counter
from itertools import combinations
from unittest.mock import Mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.schemas import SPLITS
from svta_assets.splits import near
from svta_assets.splits.grouped import Grouped, assign_grouped
from svta_assets.splits.near import NEAR, near_groups, near_sets, same_words, word_set

NOW = "2026-01-01T00:00:00+00:00"
WORDS = ("man", "dog", "car", "runs", "falls", "red", "street", "slowly")
COLUMNS = ["pair_id", "final_category", "source_video", "caption"]
Row = tuple[str, str, str | None, str]

# Few words and few videos, so that captions are often near and pairs often connected.
_captions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join)
_facts = st.tuples(
    st.sampled_from(["fire", "fall"]), st.one_of(st.none(), st.sampled_from(["v1", "v2", "v3", "v4"])), _captions
)


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _splits(found: Grouped) -> dict[str, str]:
    return dict(found.rows.select("pair_id", "split").iter_rows())


def _near(one: str, other: str) -> bool:
    first, second = word_set(one), word_set(other)
    return len(first & second) >= NEAR * len(first | second)


def _check(rows: list[Row], found: Grouped) -> None:
    """Every pair is released or left out with a reason; released ones never straddle."""
    splits = _splits(found)
    released = [row for row in rows if row[0] not in found.left_out]
    assert all(row[0] in splits for row in released)
    for one, other in combinations(released, 2):
        if (one[2] and one[2] == other[2]) or _near(one[3], other[3]):
            assert splits[one[0]] == splits[other[0]], (one, other)


@given(
    st.lists(_facts, min_size=1, max_size=14),
    st.lists(_facts, max_size=8),
    st.lists(st.tuples(st.integers(0, 20), _facts), max_size=4),
    st.sets(st.integers(0, 20), max_size=6),
)
@settings(deadline=None, max_examples=200)
def test_no_change_moves_a_pair_or_lets_a_group_straddle(first, later, changed, gone) -> None:  # type: ignore[no-untyped-def]
    """Pairs are added, removed, moved to another category and video, given another caption, and brought back."""
    rows: list[Row] = [(f"p{n:02d}", *facts) for n, facts in enumerate(first)]
    one = assign_grouped(_frame(rows), SPLITS.empty(), NOW)
    _check(rows, one)
    assert one.left_out == {}, "a first draw leaves nothing out"

    everything = rows + [(f"q{n:02d}", *facts) for n, facts in enumerate(later)]
    edited = list(everything)
    for place, facts in changed:
        if place < len(edited):
            edited[place] = (edited[place][0], *facts)
    edited = [row for place, row in enumerate(edited) if place not in gone]
    two = assign_grouped(_frame(edited), one.rows, NOW)
    _check(edited, two)
    three = assign_grouped(_frame(everything), two.rows, NOW)
    _check(everything, three)
    for before, after in ((one, two), (two, three)):
        kept = _splits(after)
        assert {pair: kept[pair] for pair in _splits(before)} == _splits(before)


@given(st.lists(_facts, min_size=2, max_size=12), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_the_order_of_pairs_does_not_matter(facts, seed: int) -> None:  # type: ignore[no-untyped-def]
    rows: list[Row] = [(f"p{n:02d}", *one) for n, one in enumerate(facts)]
    shuffled = random.Random(seed).sample(rows, len(rows))
    first, second = (assign_grouped(_frame(listed), SPLITS.empty(), NOW) for listed in (rows, shuffled))
    assert first.rows.equals(second.rows)


def test_pairs_that_nothing_connects_are_split_seven_one_two() -> None:
    rows: list[Row] = [(f"p{n}", "fire", f"v{n}", f"caption{n}") for n in range(40)]
    found = assign_grouped(_frame(rows), SPLITS.empty(), NOW)
    assert Counter(_splits(found).values()) == {"train": 28, "val": 4, "test": 8}
    assert set(found.rows["strategy"]) == {"grouped"}


def test_a_pair_between_two_splits_is_left_out_and_comes_in_when_it_changes() -> None:
    rows: list[Row] = [(f"p{n}", "fire", f"v{n}", f"caption{n}") for n in range(40)]
    first = assign_grouped(_frame(rows), SPLITS.empty(), NOW)
    splits = _splits(first)
    train = next(row for row in rows if splits[row[0]] == "train")
    test = next(row for row in rows if splits[row[0]] == "test")
    between: Row = ("new", "fire", train[2], test[3])
    found = assign_grouped(_frame([*rows, between]), first.rows, NOW)
    assert found.left_out == {"new": "its video or caption belongs to pairs of several splits"}
    assert "new" not in _splits(found)
    freed = assign_grouped(_frame([*rows, ("new", "fire", train[2], "other words")]), found.rows, NOW)
    assert freed.left_out == {}
    assert _splits(freed)["new"] == "train"


def test_a_new_video_that_meets_two_splits_keeps_its_larger_part() -> None:
    rows: list[Row] = [(f"p{n}", "fire", f"v{n}", f"caption{n}") for n in range(40)]
    first = assign_grouped(_frame(rows), SPLITS.empty(), NOW)
    train = [row for row in rows if _splits(first)[row[0]] == "train"]
    test = next(row for row in rows if _splits(first)[row[0]] == "test")
    new: list[Row] = [
        ("n1", "fire", "new", train[0][3]), ("n2", "fire", "new", train[1][3]), ("n3", "fire", "new", test[3]),
        ("n4", "fire", "new", "something else"),
    ]  # fmt: skip
    found = assign_grouped(_frame(rows + new), first.rows, NOW)
    assert found.left_out == {"n3": "it connects pairs of several splits"}
    assert {_splits(found)[pair] for pair in ("n1", "n2", "n4")} == {"train"}


def _by_brute_force(sets: list[frozenset[str]]) -> list[tuple[int, int]]:
    return [
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(sets), 2)
        if len(one & other) >= NEAR * len(one | other)
    ]


@given(st.lists(st.frozensets(st.integers(0, 14).map(str), max_size=12), unique=True, max_size=25))
@settings(deadline=None, max_examples=100)
def test_near_sets_are_found_exactly(sets: list[frozenset[str]]) -> None:
    assert sorted(near_sets(sets)) == _by_brute_force(sets)


@given(st.integers(0, 10**6), st.integers(5, 45), st.sampled_from([1, 4]))
@settings(deadline=None, max_examples=40)
def test_near_sets_of_long_captions_are_found_exactly(seed: int, words: int, phrase: int) -> None:
    """Sets of any size around a few common ones, some words of which are rare and some in every set."""
    rng = random.Random(seed)
    vocabulary = [" ".join(f"{word}.{n}" for n in range(phrase)) for word in range(2 * words)]
    bases = [rng.sample(vocabulary, max(2, words // phrase)) for _ in range(3)]
    captions = {
        " ".join([*rng.sample(base := rng.choice(bases), rng.randint(len(base) * 2 // 3, len(base))),
                  *(f"own{rng.random()}" for _ in range(rng.choice((0, 0, 1, 3)))), *rng.sample(vocabulary, 1)])
        for _ in range(40)
    }  # fmt: skip
    sets = list({frozenset(caption.split()) for caption in sorted(captions)})
    assert sorted(near_sets(sets)) == _by_brute_force(sets)


def test_captions_from_a_small_vocabulary_are_not_all_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Mock(side_effect=near._jaccard)
    monkeypatch.setattr(near, "_jaccard", compared)
    rng = random.Random(0)
    phrases = [[f"{place}a{n} {place}b{n} {place}c{n}" for n in range(10)] for place in range(4)]
    captions = [f"{' '.join(map(rng.choice, phrases))} {number}" for number in range(600)]
    found = near_groups(captions)
    assert len(found) == len(_by_brute_force([word_set(caption) for caption in captions])) > 0
    assert compared.call_count < 2 * len(captions)


def test_what_counts_as_the_same_caption() -> None:
    assert same_words("A man, walking!") == same_words("a MAN walking") != same_words("walking a man")
    assert near_groups(["A man walks.", "The man walks", "Man walks, man walks"]) != []
    assert near_groups(["A man walks.", "A man walks to the shop"]) == []
    assert word_set("the") == {"the"}
