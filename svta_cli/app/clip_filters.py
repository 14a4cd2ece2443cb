"""The gallery's filters: read from an address, checked, and turned into one statement with bound values.

Columns and conditions are fixed text; what a request gives is only ever a parameter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

PAGE_SIZE = 60
MAX_TEXT = 200

# What may be asked for by equality: filter -> column
EQUAL = {
    "category": "c.category",
    "final": "a.final_category",
    "source": "d.source",
    "generator": "c.generator",
    "model": "d.model",
    "split": "s.split",
}
_WAITS = "c.status = 'accepted' and not c.current and c.take > coalesce(n.take, -1)"
STATUSES = {  # status -> (text, condition)
    "current": ("stands for its pair", "c.current"),
    "accepted": ("accepted", "c.status = 'accepted'"),
    "rejected": ("rejected by a gate or a person", "c.status = 'rejected'"),
    "candidate": ("new take, not decided on", _WAITS),
    "any": ("every take", "true"),
}
SCORES = ("similarity", "movement", "motion", "brightness", "contrast", "flicker", "nearest_distance")
ORDERS = {"low": "asc", "high": "desc"}

# n: the highest take of a pair that stands or was decided on; a later accepted one is a candidate.
_FROM = """
from clips as c
left join descriptions as d using (pair_id)
left join assignments as a using (pair_id)
left join splits as s using (pair_id)
left join (
    select pair_id, max(take) as take
    from (
        select pair_id, take from clips where current
        union all
        select pair_id, last_take from promotions
    )
    group by pair_id
) as n using (pair_id)
"""


@dataclass(frozen=True)
class Filters:
    """What the gallery shows. Empty means any."""

    category: str = ""
    final: str = ""
    source: str = ""
    generator: str = ""
    model: str = ""
    split: str = ""
    status: str = "current"
    words: str = ""
    score: str = ""
    low: float | None = None
    high: float | None = None
    order: str = "low"
    page: int = 1

    @property
    def address(self) -> str:
        """The gallery with these filters."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        standing = {field.name: field.default for field in fields(self)}
        return "/gallery?" + urlencode({name: value for name, value in values.items() if value != standing[name]})

    def on(self, page: int) -> str:
        """Address of another page of the same."""
        return replace(self, page=page).address


def filters_from(query: Mapping[str, str]) -> Filters:
    """Read the address's filters. Raises 400 naming the one that cannot be used."""
    texts = {name: query.get(name, "")[:MAX_TEXT] for name in (*EQUAL, "words")}
    filters = Filters(
        **texts,
        status=_one_of("status", query.get("status") or "current", STATUSES),
        score=_one_of("score", query.get("score", ""), ("", *SCORES)),
        low=_number("low", query.get("low", "")),
        high=_number("high", query.get("high", "")),
        order=_one_of("order", query.get("order") or "low", ORDERS),
        page=_page(query.get("page") or "1"),
    )
    return filters if filters.score else replace(filters, low=None, high=None, order="low")


def count_statement(filters: Filters) -> tuple[str, list[Any]]:
    """How many clips there are."""
    where, values = _where(filters)
    return f"select count(*) as clips {_FROM} where {where}", values


def page_statement(filters: Filters) -> tuple[str, list[Any]]:
    """The clips of one page."""
    where, values = _where(filters)
    score = f"c.{filters.score}" if filters.score else "null"
    order = f"{score} {ORDERS[filters.order]}, c.clip_id" if filters.score else "c.category, c.clip_id"
    select = f"select c.clip_id, c.pair_id, c.caption, c.category, c.status, c.current, {score} as score"
    values += [PAGE_SIZE, (filters.page - 1) * PAGE_SIZE]
    return f"{select} {_FROM} where {where} order by {order} limit ? offset ?", values


def choices_statement() -> str:
    """Every value that the filters can take, with the clips that stand: columns filter, value, clips."""
    columns = ", ".join(f"{column} as {name}" for name, column in EQUAL.items())
    parts = [f"select '{name}' as filter, {name} as value from shown where {name} is not null" for name in EQUAL]
    return (
        f"with shown as materialized (select {columns} {_FROM} where c.current) "
        f"select filter, value, count(*) as clips from ({' union all '.join(parts)}) "
        "group by all order by filter, value"
    )


def _where(filters: Filters) -> tuple[str, list[Any]]:
    conditions, values = [STATUSES[filters.status][1]], list[Any]()
    for name, column in EQUAL.items():
        if given := getattr(filters, name):
            conditions.append(f"{column} = ?")
            values.append(given)
    if filters.words:
        conditions.append("contains(lower(c.caption), lower(?))")
        values.append(filters.words)
    if filters.score:
        conditions.append(f"c.{filters.score} is not null")
    for limit, sign in ((filters.low, ">="), (filters.high, "<=")):
        if limit is not None:
            conditions.append(f"c.{filters.score} {sign} ?")
            values.append(limit)
    return " and ".join(f"({condition})" for condition in conditions), values


def _one_of(name: str, given: str, known: Any) -> str:
    if given not in known:
        raise HTTPException(400, f"{name} cannot be {given[:40]!r}; known: {', '.join(filter(None, known))}")
    return given


def _number(name: str, given: str) -> float | None:
    if not given.strip():
        return None
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise HTTPException(400, f"{name} is {given[:40]!r}, which is no number")
    return number


def _page(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 6 or not int(given):
        raise HTTPException(400, f"page is {given[:40]!r}: pages are numbered from 1")
    return int(given)
