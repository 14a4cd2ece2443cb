"""Splits are sticky and 7:1:2 within every final category, whoever comes, goes or moves (SVTA paper, splits)."""

import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.schemas import SPLITS
from svta_assets.splits.assign import assign, small_categories, targets

NOW = "2026-01-01T00:00:00+00:00"
_SIZES = st.dictionaries(st.sampled_from(["fire", "fall", "walk"]), st.integers(1, 45), min_size=1)


def _pairs(sizes: dict[str, int], prefix: str = "p") -> pl.DataFrame:
    rows = [(f"{prefix}-{category}-{n}", category) for category, count in sizes.items() for n in range(count)]
    return pl.DataFrame(rows, schema=["pair_id", "final_category"], orient="row")


def _splits(rows: pl.DataFrame) -> dict[str, str]:
    return dict(rows.select("pair_id", "split").iter_rows())


def _counts(pairs: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Counter]:
    splits = _splits(rows)
    counted: dict[str, Counter] = {}
    for pair, category in pairs.iter_rows():
        counted.setdefault(category, Counter())[splits[pair]] += 1
    return counted


@given(_SIZES)
@settings(deadline=None, max_examples=50)
def test_every_category_is_split_seven_one_two(sizes: dict[str, int]) -> None:
    pairs = _pairs(sizes)
    for category, counted in _counts(pairs, assign(pairs, SPLITS.empty(), NOW)).items():
        n = sizes[category]
        if n >= 10:
            assert (counted["train"], counted["val"]) == (n * 7 // 10, n // 10)
        assert counted.total() == n
        assert dict(counted) == {name: count for name, count in targets(n).items() if count}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (9, (6, 1, 2)), (10, (7, 1, 2)), (40, (28, 4, 8))],
)
def test_small_categories_can_be_trained_on_and_tested(pairs: int, expected: tuple[int, int, int]) -> None:
    assert tuple(targets(pairs).values()) == expected


@given(_SIZES, st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_the_order_of_pairs_does_not_matter(sizes: dict[str, int], seed: int) -> None:
    pairs = _pairs(sizes)
    order = list(range(pairs.height))
    random.Random(seed).shuffle(order)
    assert assign(pairs, SPLITS.empty(), NOW).equals(assign(pairs[order], SPLITS.empty(), NOW))


@given(_SIZES, _SIZES, st.data())
@settings(deadline=None, max_examples=40)
def test_a_pair_keeps_its_split_whoever_comes_goes_or_moves(
    sizes: dict[str, int], more: dict[str, int], data: st.DataObject
) -> None:
    pairs = _pairs(sizes)
    rows = assign(pairs, SPLITS.empty(), NOW)
    before = _splits(rows)
    ids = pairs["pair_id"].to_list()
    gone = data.draw(st.sets(st.sampled_from(ids)))
    moved = data.draw(st.sets(st.sampled_from(ids)))
    changed = pl.concat([pairs, _pairs(more, "q")]).filter(~pl.col("pair_id").is_in(list(gone)))
    changed = changed.with_columns(
        pl.when(pl.col("pair_id").is_in(list(moved)))
        .then(pl.lit("other"))
        .otherwise("final_category")
        .alias("final_category")
    )
    later = assign(changed, rows, NOW)
    after = _splits(later)
    assert {pair: after[pair] for pair in before} == before
    assert set(changed["pair_id"]) <= set(after)
    again = assign(pairs, later, NOW)
    assert _splits(again) == after, "a pair that comes back has the split it had"


@given(st.integers(10, 60), st.integers(10, 60))
@settings(deadline=None, max_examples=30)
def test_new_pairs_fill_towards_the_ratio(first: int, added: int) -> None:
    old = _pairs({"fire": first})
    pairs = pl.concat([old, _pairs({"fire": added}, "q")])
    counted = _counts(pairs, assign(pairs, assign(old, SPLITS.empty(), NOW), NOW))["fire"]
    assert dict(counted) == targets(first + added)


def test_another_seed_draws_anew() -> None:
    pairs = _pairs({"fire": 40})
    one, other = assign(pairs, SPLITS.empty(), NOW, seed=1), assign(pairs, SPLITS.empty(), NOW, seed=2)
    assert _splits(one) != _splits(other)


def test_categories_too_small_for_the_ratio_are_named() -> None:
    assert small_categories(_pairs({"fire": 9, "fall": 10, "walk": 1})) == ["fire", "walk"]
