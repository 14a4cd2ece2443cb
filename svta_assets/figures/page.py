"""A page to draw on, which becomes SVG: a unit is a CSS pixel, y grows downwards, text stays text.

Written here instead of with a plotting library because figures are drawn in every run and on every request: importing
one costs more than everything a stage does for a small category, and what it writes is twice the size. Equal drawings
give equal bytes.
"""

import base64
import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from svta_assets.figures.palette import CARD, GRID, INK, MUTED, class_of, dark_style

FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
SMALL, TEXT, HEADING = 9.0, 10.0, 12.0  # font sizes
LONGEST = 250  # letters of a text: the widest figure holds no more
SCOPE = "svta-figure"  # class of every figure
_NAMESPACE = "http://www.w3.org/2000/svg"

Point = tuple[float, float]


class NothingToDraw(Exception):
    """A figure's data are not there yet; the message says what makes them."""


class Page:
    """A card of `width` x `height` pixels. title and description: what a screen reader says of it."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height = width, height
        said = {"role": "img", "aria-label": label(f"{title}. {description}", 600)}
        size = {
            "width": _number(width),
            "height": _number(height),
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
        }
        font = {"font-family": FONTS, "font-size": _number(TEXT), "fill": INK}
        self._root = ElementTree.Element("svg", {"xmlns": _NAMESPACE, **size, "class": SCOPE, **said, **font})
        self._add("title").text = label(title, 200)
        self._add("style").text = dark_style(SCOPE)
        self.rect(0, 0, width, height, CARD, round_by=6)

    def svg(self) -> str:
        """The drawing; whatever texts hold is escaped."""
        return ElementTree.tostring(self._root, encoding="unicode") + "\n"

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = TEXT,
        colour: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """One line of text whose baseline is at `y`; anchor: start, middle or end is at `x`."""
        given: dict[str, Any] = {"x": x, "y": y}
        given |= {"font-size": size} if size != TEXT else {}
        given |= {"font-weight": "bold"} if bold else {}
        given |= {"text-anchor": anchor} if anchor != "start" else {}
        given |= _painted("fill", colour) if colour != INK else {}
        self._add("text", **given).text = label(words, LONGEST)

    def heading(self, x: float, y: float, words: str, note: str = "") -> None:
        """A panel's title with a smaller note below it."""
        self.text(x, y, label(words, 120), HEADING, bold=True)
        if note:
            self.text(x, y + 15, label(note, 200), colour=MUTED)

    def rect(self, x: float, y: float, width: float, height: float, fill: str, round_by: float = 0) -> None:
        """A filled rectangle."""
        given: dict[str, Any] = {"x": x, "y": y, "width": max(width, 0), "height": max(height, 0)}
        given |= {"rx": round_by} if round_by else {}
        self._add("rect", **given, **_painted("fill", fill))

    def border(
        self, x: float, y: float, width: float, height: float, colour: str, thick: float, dashes: str = ""
    ) -> None:
        """An empty rectangle."""
        given: dict[str, Any] = {"x": x, "y": y, "width": width, "height": height, "fill": "none"}
        given |= {"stroke-width": thick, **({"stroke-dasharray": dashes} if dashes else {})}
        self._add("rect", **given, **_painted("stroke", colour))

    def lines(self, runs: Iterable[Sequence[Point]], colour: str, thick: float = 1, dashes: str = "") -> None:
        """Lines through points, each run for itself."""
        drawn = " ".join("M" + " ".join(f"{_number(x)} {_number(y)}" for x, y in run) for run in runs)
        given: dict[str, Any] = {"d": drawn, "fill": "none", "stroke-width": thick}
        given |= {"stroke-dasharray": dashes} if dashes else {}
        self._add("path", **given, **_painted("stroke", colour))

    def area(self, path: str, fill: str, opacity: float = 1) -> None:
        """A filled area; `path` as in SVG's `d`."""
        self._add("path", d=path, **({"fill-opacity": opacity} if opacity < 1 else {}), **_painted("fill", fill))

    def dot(self, x: float, y: float, colour: str, radius: float = 2.6) -> None:
        """A filled circle."""
        self._add("circle", cx=x, cy=y, r=radius, **_painted("fill", colour))

    def image(self, x: float, y: float, width: float, height: float, webp: bytes) -> None:
        """A picture, embedded and stretched to its place."""
        data = f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
        self._add("image", x=x, y=y, width=width, height=height, preserveAspectRatio="none", href=data)

    def _add(self, tag: str, **attributes: Any) -> ElementTree.Element:
        given = {name: value if isinstance(value, str) else _number(value) for name, value in attributes.items()}
        return ElementTree.SubElement(self._root, tag, given)


class Axes:
    """A rectangle of a page with two linear scales, ticks and a name for what goes to the right."""

    def __init__(
        self, page: Page, place: tuple[float, float, float, float], xs: Point, ys: Point, name: str, whole: bool = True
    ) -> None:
        """`place`: left, top, width, height. `xs`, `ys`: lowest and highest value. `whole`: x counts things."""
        self.page, self.place = page, place
        self._x, self._y = xs, ys
        left, top, width, height = place
        for value in ticks(*ys):
            y = self.point(0, value)[1]
            page.lines([[(left, y), (left + width, y)]], GRID)
            page.text(left - 6, y + 3, f"{value:,.10g}", SMALL, MUTED, "end")
        for value in ticks(*xs, 8):
            if whole and value != round(value):
                continue
            x = self.point(value, 0)[0]
            page.lines([[(x, top + height), (x, top + height + 4)]], MUTED)
            page.text(x, top + height + 14, f"{value:,.10g}", SMALL, MUTED, "middle")
        page.lines([[(left, top + height), (left + width, top + height)]], MUTED)
        page.text(left + width / 2, top + height + 30, name, colour=MUTED, anchor="middle")

    def point(self, x: float, y: float) -> Point:
        """Where a pair of values is on the page."""
        left, top, width, height = self.place
        across, up = (x - self._x[0]) / _span(self._x), (y - self._y[0]) / _span(self._y)
        return left + across * width, top + height - up * height


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between `low` and `high`, at most about `most`: steps of 1, 2 or 5 times a power of ten."""
    rough = _span((low, high)) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def label(text: str, longest: int) -> str:
    """A text in one line of at most `longest` characters, without the characters that XML does not allow."""
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Cn", "Zl", "Zp") else sign for sign in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1].rstrip()}…"


def _span(ends: Point) -> float:
    return (ends[1] - ends[0]) or 1.0


def _painted(what: str, colour: str) -> dict[str, str]:
    """A colour as `fill` or `stroke`, with the class by which a dark card exchanges it."""
    name = class_of(colour, what)
    return {what: colour, **({"class": name} if name else {})}


def _number(value: float) -> str:
    return f"{round(value, 2):g}" if abs(value) < 1e5 else f"{value:.0f}"
