"""Figure 5 of the SVTA paper: queries with the clips that a model ranks first, right and wrong ones marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from svta_assets.figures.page import SMALL, NothingToDraw, Page, label
from svta_assets.figures.palette import GREEN, MUTED, VERMILLION

MARGIN, TOP, GAP, CELL = 24.0, 66.0, 10.0, 152.0
ACROSS = 6  # five answers, and the right one where it is none of them
WIDTH = 2 * MARGIN + ACROSS * CELL + (ACROSS - 1) * GAP
_CAPTION, _BELOW = 34.0, 44.0  # pixels for a query's words, and for the words below a frame


@dataclass(frozen=True)
class Frame:
    """A still of a clip as WebP, and its height over its width."""

    webp: bytes
    shape: float


@dataclass(frozen=True)
class Answer:
    """A clip in the ranked list: its place, whether it is the right one, and a frame (None: it cannot be read)."""

    rank: float
    right: bool
    category: str
    frame: Frame | None


@dataclass(frozen=True)
class Ranked:
    """A query with its answers, best first; `rank` of the right one."""

    caption: str
    category: str
    rank: float
    answers: tuple[Answer, ...]


def figure5(examples: Sequence[Ranked], name: str, what: str) -> str:
    """SVG of ranked retrieval examples of a model. `what` was searched: "test split of release 0123..."."""
    if not examples:
        raise NothingToDraw(f"{name} has no ranked lists yet: materialize eval_tables")
    frames = [answer.frame for one in examples for answer in one.answers if answer.frame]
    tall = CELL * max((frame.shape for frame in frames), default=9 / 16)
    row = _CAPTION + tall + _BELOW
    said = "; ".join(f"“{label(one.caption, 80)}”: right clip at rank {one.rank:g}" for one in examples)
    page = Page(WIDTH, TOP + len(examples) * row, f"Ranked retrieval examples of {name}", said)
    page.heading(MARGIN, 34, f"{name}: what it finds", f"Text to video in the {what}; best first.")
    for number, one in enumerate(examples):
        _query(page, one, TOP + number * row, tall)
    return page.svg()


def _query(page: Page, one: Ranked, top: float, tall: float) -> None:
    found = "right clip first" if one.rank <= 1 else f"right clip at rank {one.rank:g}"
    page.text(MARGIN, top + 14, label(f"“{one.caption}”", 150), bold=True)
    page.text(MARGIN, top + 27, label(f"{one.category}; {found}", 160), SMALL, MUTED)
    for place, answer in enumerate(one.answers[:ACROSS]):
        _answer(page, answer, MARGIN + place * (CELL + GAP), top + _CAPTION, tall)


def _answer(page: Page, answer: Answer, left: float, top: float, tall: float) -> None:
    """A frame in a border: green and whole where it is right, vermillion and broken where it is wrong."""
    if answer.frame is None:
        page.text(left + CELL / 2, top + tall / 2, "no picture", SMALL, MUTED, "middle")
    else:
        page.image(left, top, CELL, CELL * answer.frame.shape, answer.frame.webp)
    if answer.right:
        page.border(left, top, CELL, tall, GREEN, 3)
    else:
        page.border(left, top, CELL, tall, VERMILLION, 2, "5 3")
    page.text(left, top + tall + 14, f"{answer.rank:g}. {'right' if answer.right else 'wrong'}", bold=True)
    page.text(left, top + tall + 26, label(answer.category, 28), SMALL, MUTED)
