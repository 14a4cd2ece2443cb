"""Recall by category, worst first: where a model fails, at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

from svta_assets.figures.bars import NAME_LETTERS, NAME_WIDTH, ROW, rows_of
from svta_assets.figures.page import SMALL, NothingToDraw, Page, label
from svta_assets.figures.palette import BLUE, GRID, MUTED, PURPLE

WIDTH, MARGIN, TOP = 1080.0, 24.0, 110.0
_COLUMNS = 3
_TICKS = (0, 50, 100)
_RING = 3.6


@dataclass(frozen=True)
class CategoryRecall:
    """R@1 of a category's queries in percent, both directions; None where it has no query of that direction."""

    name: str
    queries: int
    t2v: float | None
    v2t: float | None


def recall_by_category(scores: Sequence[CategoryRecall], name: str, benchmark: str) -> str:
    """SVG of R@1 by category in the given order (worst first)."""
    if not scores:
        raise NothingToDraw(f"{name} has no ranks by category on {benchmark}: materialize eval_tables")
    rows = rows_of(len(scores), _COLUMNS)
    said = f"{len(scores)} categories. Lowest: " + ", ".join(
        f"{one.name} {_percent(one.t2v)} of {one.queries}" for one in scores[:5]
    )
    page = Page(WIDTH, TOP + rows * ROW + MARGIN, f"R@1 by category: {name} on {benchmark}", said)
    note = "Percent of a category's queries, worst first; in brackets how many queries."
    page.heading(MARGIN, 34, f"{name} on {benchmark}: R@1 by category", note)
    page.dot(MARGIN + 6, 74, BLUE)
    page.text(MARGIN + 16, 77, "text to video", SMALL)
    page.lines([_diamond(MARGIN + 106, 74)], PURPLE, 1.6)
    page.text(MARGIN + 116, 77, "video to text", SMALL)
    step = (WIDTH - 2 * MARGIN) / _COLUMNS
    for column in range(_COLUMNS):
        shown = scores[column * rows : (column + 1) * rows]
        if shown:
            _column(page, shown, MARGIN + column * step + NAME_WIDTH + 6, step - NAME_WIDTH - 70)
    return page.svg()


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}%"


def _column(page: Page, scores: Sequence[CategoryRecall], left: float, width: float) -> None:
    for tick in _TICKS:
        at = left + width * tick / 100
        page.lines([[(at, TOP), (at, TOP + len(scores) * ROW)]], GRID)
        page.text(at, TOP - 5, str(tick), SMALL, MUTED, "middle")
    scale, connected, diamonds = width / 100, [], []
    for row, one in enumerate(scores):
        middle = TOP + row * ROW + ROW / 2
        page.text(left - 10, middle + 3, label(one.name, NAME_LETTERS), SMALL, anchor="end")
        page.text(left + width + 10, middle + 3, f"({one.queries:,})", SMALL, MUTED)
        ends = [left + value * scale for value in (one.t2v, one.v2t) if value is not None]
        connected.append([(x, middle) for x in ends])
        diamonds += [] if one.v2t is None else [_diamond(left + one.v2t * scale, middle)]
    page.lines([run for run in connected if len(run) == 2], MUTED)
    page.lines(diamonds, PURPLE, 1.6)  # one path for all: a third of the bytes
    for row, one in enumerate(scores):
        if one.t2v is not None:
            page.dot(left + one.t2v * scale, TOP + row * ROW + ROW / 2, BLUE)


def _diamond(x: float, y: float) -> list[tuple[float, float]]:
    return [(x - _RING, y), (x, y - _RING), (x + _RING, y), (x, y + _RING), (x - _RING, y), (x, y - _RING)]
