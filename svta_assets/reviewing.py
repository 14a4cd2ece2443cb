"""What reviews of clips and of labels share: which rows are looked at, and figures about what was said."""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import polars as pl

from svta_resources.errors import SvtaError

SEED = 42
UNDO = "undo"  # the verdict of a row that takes back what its reviewer said
Z95 = 1.959963984540054  # two-sided 95% of the normal distribution


def words_of(log: pl.DataFrame, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, dict[str, Any]]]:
    """What stands of a log of verdicts: thing -> reviewer -> that reviewer's row, the newest word last.

    An undo takes back what its reviewer said of the thing; of somebody who said nothing of it, the newest word of all.

    Args:
        log: rows with `verdict`, `by` and `at`. key: the columns that name the thing.
    """
    found: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in log.sort("at", maintain_order=True).iter_rows(named=True):
        said = found.setdefault(tuple(row[name] for name in key), {})
        earlier = said.pop(row["by"], None)
        if row["verdict"] != UNDO:
            said[row["by"]] = row
        elif earlier is None and said:
            said.popitem()
    return {thing: said for thing, said in found.items() if said}


def newest_words(log: pl.DataFrame, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The row that counts for each thing: the newest that stands, whoever said it."""
    return {thing: next(reversed(said.values())) for thing, said in words_of(log, key).items()}


def draw_sample(rows: pl.DataFrame, share: float, seed: int = SEED) -> pl.DataFrame:
    """Draw `share` of the rows, in proportion to the categories' sizes and at least one of each, by category.

    Seats are given by largest remainder; within a category rows are taken in the order of a hash of seed and pair_id.
    The order of the rows does not matter, and a set that has grown keeps nearly all that was drawn before.

    Args:
        rows: with the columns `category` and `pair_id`.
    Raises:
        SvtaError: a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise SvtaError(f"a sample of {share:g} cannot be drawn: give a share above 0 and at most 1 (1% is 0.01)")
    seats = _seats(dict(rows["category"].value_counts().sort("category").iter_rows()), share)
    ranked = rows.with_columns(
        _rank=pl.col("pair_id").map_elements(lambda pair: _hash(seed, pair), return_dtype=pl.String)
    ).sort("category", "_rank")
    place = pl.col("_rank").rank("ordinal").over("category")
    seat = pl.col("category").replace_strict(seats, return_dtype=pl.Int64, default=0)
    return ranked.filter(place <= seat).drop("_rank")


def _hash(seed: int, pair: str) -> str:
    return hashlib.sha256(f"{seed}/{pair}".encode()).hexdigest()


def _seats(sizes: dict[str, int], share: float) -> dict[str, int]:
    """Rows to look at in each category: largest remainder, then at least one each."""
    exact = {key: size * share for key, size in sizes.items()}
    seats = {key: math.floor(quota) for key, quota in exact.items()}
    left = math.ceil(round(sum(exact.values()), 9)) - sum(seats.values())
    for key in sorted(exact, key=lambda key: (seats[key] - exact[key], key))[:left]:
        seats[key] += 1
    return {key: max(1, seat) for key, seat in seats.items()}


def wilson_interval(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927); good for small samples and shares near 1."""
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def cohens_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Agreement of two reviewers beyond chance, -1..1 (Cohen, Educ. Psychol. Meas. 20, 1960).

    Args:
        first, second: what each said of the same things, in the same order.

    None where chance alone would make them agree: both always said one and the same thing, or nothing.
    """
    total = len(first)
    pairs = list(zip(first, second, strict=True))
    counts, others = Counter(first), Counter(second)
    by_chance = sum(counts[word] * others[word] for word in counts)  # times total squared, so that it is exact
    if by_chance == total * total:
        return None
    agreed = sum(one == other for one, other in pairs) * total
    return (agreed - by_chance) / (total * total - by_chance)
