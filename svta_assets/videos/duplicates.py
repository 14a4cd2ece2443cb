"""Near-duplicates: clips whose pictures repeat another clip's although neither recipe nor caption is the same.

The distance of two clips is the greatest difference between their fingerprints' cells, 0..255 (see
`svta_resources.video.fingerprint`). Of two near clips the later one is rejected, by take and then pair_id: a new take
never costs an older clip its place, and the order in which clips were made does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_resources.catalog import Catalog, ProjectionFile
from svta_resources.video.fingerprint import BYTES, unpack

if TYPE_CHECKING:
    import numpy as np

WIDEST = 24.0  # farther neighbours are not looked for: different clips of one place begin at about 22
_BLOCK = 256  # clips compared at a time: bounds memory to a few MB per 10,000 others
_SIEVE = (34, 45, 98, 109, 72, 4, 139, 11, 178, 189, 242, 253)  # cells of the first picture, then of the second
_WHOLE = 4  # cells held against every other clip; the rest only where these are near
_REMEMBERED = 256  # categories whose fingerprints stay in memory, 0.5 MB per 1,000 clips
_FACTS = ("clip_id", "pair_id", "take", "recipe_sha", "caption", "same_pixels_as")


@dataclass(frozen=True)
class Prints:
    """Fingerprints of clips: `facts` (one dict a clip, columns `_FACTS`) and `values` (N, 416) uint8 side by side."""

    facts: list[dict[str, Any]]
    values: "np.ndarray"

    @cached_property
    def sieve(self) -> "np.ndarray":
        """A few luma cells (N, 12) int16, far from one another: two clips that differ in one of them are not near."""
        import numpy as np

        return np.ascontiguousarray(self.values[:, list(_SIEVE)].astype(np.int16))


_read: dict[tuple[str, str], Prints] = {}


def prints_of(rows: Iterable[Mapping[str, Any]]) -> Prints:
    """Fingerprints of the clips that have one."""
    import numpy as np

    found = [(row, value) for row in rows if (value := unpack(row.get("fingerprint"))) is not None]
    facts = [{name: row.get(name) for name in _FACTS} for row, _ in found]
    return Prints(facts, np.stack([value for _, value in found]) if found else np.empty((0, BYTES), np.uint8))


def near_pairs(some: Prints, others: Prints, limit: float = WIDEST) -> list[tuple[int, int, float]]:
    """Index pairs (of `some`, of `others`) whose distance is below `limit`, with the distance.

    Exact: pairs are sieved by a few cells first, which never hides a near one. 41,315 clips among themselves take
    under a minute on one core and a few hundred MB; docs/quality.md has the figure.
    """
    import numpy as np

    pairs: list[tuple[int, int, int]] = []
    for start in range(0, len(some.facts), _BLOCK):
        few = some.sieve[start : start + _BLOCK]
        maybe = np.ones((len(few), len(others.facts)), dtype=bool)
        for cell in range(_WHOLE):
            maybe &= np.abs(few[:, cell, None] - others.sieve[None, :, cell]) < limit
        left, right = np.nonzero(maybe)
        for cell in range(_WHOLE, len(_SIEVE)):
            keep = np.abs(few[left, cell] - others.sieve[right, cell]) < limit
            left, right = left[keep], right[keep]
        distance = np.abs(some.values[left + start].astype(np.int16) - others.values[right]).max(axis=1, initial=0)
        hit = distance < limit
        pairs += zip((left[hit] + start).tolist(), right[hit].tolist(), distance[hit].tolist(), strict=True)
    return [(i, j, float(distance)) for i, j, distance in pairs]


def order(row: Mapping[str, Any]) -> tuple[int, str]:
    """Which of two near clips stays: the one of the lower take, then of the lower pair_id."""
    return row["take"], row["pair_id"]


def repeats(later: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    """Whether it would be a fault of `later` to look like `earlier`.

    Takes of one pair stand in for each other, equal captions may be drawn alike, and declared copies are meant to be.
    """
    same = any(later[name] == earlier[name] for name in ("pair_id", "recipe_sha", "caption"))
    declared = later["same_pixels_as"] == earlier["clip_id"] or earlier["same_pixels_as"] == later["clip_id"]
    return order(earlier) < order(later) and not same and not declared


Near = dict[str, list[tuple[float, str]]]
"""clip_id -> earlier clips that it repeats, nearest first, each with its distance."""


def near_among(rows: list[dict[str, Any]]) -> Near:
    """Neighbours within the clips of one category."""
    prints = prints_of(rows)
    return _neighbours(prints, prints)


def near_elsewhere(catalog: Catalog, category: str, rows: list[dict[str, Any]]) -> Near:
    """Neighbours among the accepted clips of every other category, as their `clips` rows say now."""
    prints = prints_of(rows)
    found: Near = {}
    for item in catalog.files("clips") if prints.facts else []:
        if item.partition != category:
            for clip, neighbours in _neighbours(prints, _accepted(catalog, item)).items():
                found[clip] = sorted([*found.get(clip, []), *neighbours])
    return found


def _neighbours(some: Prints, others: Prints) -> Near:
    found: Near = {}
    for i, j, distance in near_pairs(some, others):
        if repeats(some.facts[i], others.facts[j]):
            found.setdefault(some.facts[i]["clip_id"], []).append((distance, others.facts[j]["clip_id"]))
    return {clip: sorted(neighbours) for clip, neighbours in found.items()}


def _accepted(catalog: Catalog, item: ProjectionFile) -> Prints:
    """Accepted clips of a category, from its `clips` file; such a file never changes, so it is read once."""
    key = (catalog.store.url, item.key)
    if key not in _read:
        rows = catalog.read_file(item).filter((pl.col("status") == "accepted") & pl.col("fingerprint").is_not_null())
        for old in list(_read)[: max(0, len(_read) - _REMEMBERED)]:
            del _read[old]
        _read[key] = prints_of(rows.select(*_FACTS, "fingerprint").iter_rows(named=True))
    return _read[key]
