"""Figure 3 of the SVTA paper: normal and anomaly, the normal categories, the anomaly categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from svta_assets.figures.bars import ROW, Bar, bar_columns, rows_of
from svta_assets.figures.page import SMALL, TEXT, NothingToDraw, Page
from svta_assets.figures.palette import INK, KIND_COLOURS, MUTED

PAPER_TEXTS = {"normal": 16_145, "anomaly": 25_170}  # SVTA paper, dataset statistics
PAPER_CATEGORIES = {"normal": 30, "anomaly": 68}
WIDTH, MARGIN = 1080.0, 24.0
_COLUMNS = {"normal": 1, "anomaly": 2}


@dataclass(frozen=True)
class CategoryCount:
    """Pairs of a final category."""

    name: str
    kind: str
    pairs: int


def figure3(counts: Sequence[CategoryCount], what: str) -> str:
    """SVG of the pairs of every final category. `what` they are pairs of: "release 0123..."."""
    if not counts:
        raise NothingToDraw("there are no final categories yet: materialize clusters")
    kinds = {kind: sorted((one for one in counts if one.kind == kind), key=_order) for kind in KIND_COLOURS}
    totals = {kind: sum(one.pairs for one in found) for kind, found in kinds.items()}
    rows = max(rows_of(len(found), _COLUMNS[kind]) for kind, found in kinds.items())
    said = ", ".join(f"{totals[kind]:,} pairs in {len(kinds[kind])} {kind} categories" for kind in kinds)
    page = Page(WIDTH, 196 + rows * ROW + MARGIN, f"Categories of {what}", said)
    page.heading(MARGIN, 34, "Normal and anomaly", f"Pairs of {what}; below, the paper's texts.")
    _share(page, 60, 18, totals)
    _share(page, 99, 8, PAPER_TEXTS, "paper: ")
    left = MARGIN
    for kind, found in kinds.items():
        width = (WIDTH - 2 * MARGIN) / 3 * _COLUMNS[kind]
        note = f"{len(found)}; the paper has {PAPER_CATEGORIES[kind]}. Most pairs first."
        page.heading(left, 148, f"{kind.capitalize()} categories", note)
        bars = [Bar(one.name, ((one.pairs, KIND_COLOURS[kind]),), f"{one.pairs:,}") for one in found]
        bar_columns(page, bars, left, 176, width - 10, _COLUMNS[kind])
        left += width
    return page.svg()


def _order(one: CategoryCount) -> tuple[int, str]:
    return -one.pairs, one.name


def _share(page: Page, top: float, height: float, totals: Mapping[str, int], before: str = "") -> None:
    """One bar of the whole width, cut by kind, with words below it."""
    everything, at, whole = max(sum(totals.values()), 1), MARGIN, WIDTH - 2 * MARGIN
    for kind, pairs in totals.items():
        width = whole * pairs / everything
        page.rect(at, top, width - 1, height, KIND_COLOURS[kind])
        x, anchor = (WIDTH - MARGIN, "end") if kind == "anomaly" else (at, "start")
        words = f"{before}{kind} {pairs:,} ({pairs / everything:.1%})"
        size, colour = (SMALL, MUTED) if before else (TEXT, INK)
        page.text(x, top + height + size + 3, words, size, colour, anchor, bold=not before)
        at += width
