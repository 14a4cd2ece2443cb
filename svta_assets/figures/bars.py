"""Horizontal bars with names and values, in as many columns as keep a long list readable."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from svta_assets.figures.page import SMALL, Page, label
from svta_assets.figures.palette import GRID, MUTED

ROW, BAR = 14.0, 9.0  # pixels from row to row, and of the bar in it
NAME_LETTERS = 27
NAME_WIDTH = 150.0  # of that many letters at the small size
_VALUE_WIDTH = 46.0
_THINNEST = 0.75  # a bar for something that is there is never invisible


@dataclass(frozen=True)
class Bar:
    """A named bar: its parts from left to right as (value, colour), and what stands behind it."""

    name: str
    parts: tuple[tuple[float, str], ...]
    said: str

    @property
    def value(self) -> float:
        """The sum of its parts."""
        return sum(value for value, _ in self.parts)


def rows_of(count: int, columns: int) -> int:
    """Rows of the longest column when `count` items are laid out in `columns`."""
    return math.ceil(count / columns)


def bar_columns(page: Page, bars: Sequence[Bar], left: float, top: float, width: float, columns: int) -> None:
    """Draw bars column by column; the longest fills what names and values leave of a column's width."""
    rows, step = rows_of(len(bars), columns), width / columns
    scale = (step - NAME_WIDTH - _VALUE_WIDTH - 12) / max((bar.value for bar in bars), default=1)
    for place, bar in enumerate(bars):
        column, row = divmod(place, rows)
        _bar(page, bar, left + column * step, top + row * ROW, scale)
    for column in range(columns if bars else 0):
        x, count = left + column * step + NAME_WIDTH + 5.5, min(rows, len(bars) - column * rows)
        if count > 0:
            page.lines([[(x, top), (x, top + count * ROW)]], GRID)


def _bar(page: Page, bar: Bar, left: float, top: float, scale: float) -> None:
    start, middle = left + NAME_WIDTH + 6, top + ROW / 2
    page.text(start - 6, middle + 3, label(bar.name, NAME_LETTERS), SMALL, anchor="end")
    at = start
    for value, colour in bar.parts:
        if value:
            page.rect(at, middle - BAR / 2, max(value * scale, _THINNEST), BAR, colour)
        at += value * scale
    page.text(at + 4, middle + 3, bar.said, SMALL, MUTED)


def legend(page: Page, left: float, top: float, entries: Sequence[tuple[str, str]], step: float = 90.0) -> None:
    """Coloured squares with words, side by side: (words, colour)."""
    for place, (words, colour) in enumerate(entries):
        page.rect(left + place * step, top, 10, 10, colour)
        page.text(left + place * step + 15, top + 9, words, SMALL)
