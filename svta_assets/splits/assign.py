"""Sticky 7:1:2 splits: a pair that has a split keeps it; new pairs fill their category towards the ratio.

Target sizes follow the paper's ratio within every action category (SVTA paper, splits): floor(7n/10) train,
floor(n/10) validation, the rest test. A category with fewer than 10 pairs would get no validation pair that way; it
gets one of each as soon as it has three.
"""

import hashlib
from collections import Counter

import polars as pl

SPLIT_SEED = 42
SMALL = 10  # pairs; smaller categories cannot hold 7:1:2
SPLITS = ("train", "val", "test")


def targets(pairs: int) -> dict[str, int]:
    """How many pairs of a category each split should hold."""
    if pairs >= SMALL:
        train, val = pairs * 7 // 10, pairs // 10
    else:
        val = 1 if pairs >= 3 else 0
        test = 0 if pairs < 2 else max(1, round(pairs * 0.2))
        train = pairs - val - test
    return {"train": train, "val": val, "test": pairs - train - val}


def assign(pairs: pl.DataFrame, existing: pl.DataFrame, now: str, seed: int = SPLIT_SEED) -> pl.DataFrame:
    """Give new pairs a split; return rows of `splits`, the existing ones unchanged.

    Args:
        pairs: columns pair_id, final_category: the pairs of the next release.
        existing: rows of `splits`.
    """
    known = dict(existing.select("pair_id", "split").iter_rows())
    rows = []
    for (final_category,), group in pairs.sort("final_category").group_by("final_category", maintain_order=True):
        have = Counter(known[pair] for pair in group["pair_id"] if pair in known)
        goal = targets(group.height)
        for pair in sorted((pair for pair in group["pair_id"] if pair not in known), key=lambda p: _draw(seed, p)):
            split = max(SPLITS, key=lambda name: (goal[name] - have[name]) / max(goal[name], 1))
            have[split] += 1
            rows.append({"pair_id": pair, "split": split, "final_category": final_category})
            rows[-1] |= {"assigned_at": now, "strategy": "paper"}
    return pl.concat([existing, pl.DataFrame(rows, schema=existing.schema)]).sort("pair_id")


def small_categories(pairs: pl.DataFrame) -> list[str]:
    """Final categories with fewer than 10 pairs."""
    counts = pairs["final_category"].value_counts()
    return sorted(counts.filter(pl.col("count") < SMALL)["final_category"])


def _draw(seed: int, pair: str) -> str:
    """A pair's place in the draw depends on the seed and the pair alone, not on who else is there."""
    return hashlib.sha256(f"{seed}/{pair}".encode()).hexdigest()
