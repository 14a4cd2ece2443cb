"""Filters of a regeneration: which pairs of the named categories are meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

# Columns of `clips` that measure a clip; `similarity` is empty until `svta review similarity` has computed it.
SCORES = ("similarity", "motion", "movement", "brightness", "contrast", "flicker", "nearest_distance")
FLAGS, LIMITS, LIST = ("rejected", "stale"), ("below", "above"), "only"


class BadFilter(SvtaError):
    """A filter that cannot be read; the message names it and says how one looks."""


@dataclass(frozen=True)
class Filters:
    """Which pairs. The conditions add up: a pair is meant when one of them holds; `only` restricts to these.

    Attributes:
        rejected: pairs none of whose clips was accepted.
        stale: pairs whose current clip would be made differently today.
        below, above: score (see `SCORES`) -> limit, pairs whose current clip has a lower, or a higher one.
        only: pair_ids, or clip_ids for their pairs.
    """

    rejected: bool = False
    stale: bool = False
    below: Mapping[str, float] = field(default_factory=dict)
    above: Mapping[str, float] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    @property
    def conditions(self) -> bool:
        """Whether anything but `only` is asked."""
        return bool(self.rejected or self.stale or self.below or self.above)

    def as_dict(self) -> dict[str, Any]:
        """What is set, as plain values that `parse_filters` reads."""
        found = {
            "rejected": self.rejected,
            "stale": self.stale,
            "below": dict(self.below),
            "above": dict(self.above),
            "only": list(self.only),
        }
        return {name: value for name, value in found.items() if value}

    def __str__(self) -> str:
        said = [name for name in FLAGS if getattr(self, name)]
        said += [f"{score} {way} {limit:g}" for way in LIMITS for score, limit in getattr(self, way).items()]
        said += [f"{len(self.only)} ids"] if self.only else []
        return ", ".join(said) or "all pairs"


def parse_filters(values: Mapping[str, Any]) -> Filters:
    """Filters from plain values. Raises BadFilter naming the first that cannot be read."""
    if unknown := sorted(set(values) - {*FLAGS, *LIMITS, LIST}):
        raise BadFilter(f"there is no filter {unknown[0]!r}; there are {', '.join([*FLAGS, *LIMITS, LIST])}")
    for name in FLAGS:
        if not isinstance(values.get(name, False), bool):
            raise BadFilter(f"filter {name} is true or false, not {values[name]!r}")
    only = values.get(LIST, ())
    if isinstance(only, str) or not all(isinstance(one, str) for one in only):
        raise BadFilter(f"filter only is a list of pair ids, not {only!r}")
    return Filters(
        rejected=values.get("rejected", False),
        stale=values.get("stale", False),
        below=_limits("below", values.get("below", {})),
        above=_limits("above", values.get("above", {})),
        only=tuple(only),
    )


def _limits(name: str, given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise BadFilter(f"filter {name} gives a limit for a score, such as {{similarity: 0.2}}, not {given!r}")
    for score, limit in given.items():
        if score not in SCORES:
            raise BadFilter(f"filter {name}: there is no score {score!r}; there are {', '.join(SCORES)}")
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise BadFilter(f"filter {name}: the limit of {score} is a number, not {limit!r}")
    return {score: float(limit) for score, limit in given.items()}


def parse_limit(text: str) -> tuple[str, float]:
    """`similarity=0.2` -> its score and limit. Raises BadFilter."""
    score, _mark, limit = text.partition("=")
    try:
        number = float(limit)
    except ValueError:
        raise BadFilter(f"{text!r} is no limit: write SCORE=NUMBER, such as similarity=0.2") from None
    found = _limits("below", {score.strip(): number})
    return next(iter(found.items()))


def meeting(work: Workspace, category: str, filters: Filters) -> set[str]:
    """Pairs of a category for which one of the conditions holds. Raises BadFilter for a score that no clip has."""
    clips = work.catalog.read("clips", category)
    found: set[str] = set()
    if filters.rejected:
        standing = clips.filter("current")["pair_id"].to_list()
        found |= set(clips.filter(~pl.col("pair_id").is_in(standing))["pair_id"])
    if filters.stale:
        found |= _stale(work, category)
    current = clips.filter("current")
    for way, limits in (("below", filters.below), ("above", filters.above)):
        for score, limit in limits.items():
            _require_measured(current, score)
            column = pl.col(score)
            found |= set(current.filter(column < limit if way == "below" else column > limit)["pair_id"])
    return found


def _stale(work: Workspace, category: str) -> set[str]:
    from svta_assets.videos.plan import Mode
    from svta_assets.videos.produce import plan_category

    return set(plan_category(work, category, Mode.STALE).stale)


def _require_measured(current: pl.DataFrame, score: str) -> None:
    if current.height and current[score].null_count() == current.height:
        how = ": `svta review similarity` computes it" if score == "similarity" else ""
        raise BadFilter(f"no clip has the score {score} yet{how}")
