"""Figure 4 of the SVTA paper: how often words occur in the captions, and how long the captions are."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from svta_assets.figures.bars import ROW, Bar, bar_columns, legend
from svta_assets.figures.page import Axes, NothingToDraw, Page
from svta_assets.figures.palette import INK, KIND_COLOURS, MUTED
from svta_assets.figures.words import word_counts

WORDS = 40
WIDTH, MARGIN, TOP = 1080.0, 24.0, 96.0
_UNKNOWN = "not known"
_COLOURS = {**KIND_COLOURS, _UNKNOWN: MUTED}
_WORDS_WIDTH = 640.0
_MOST_BINS = 40


def figure4(captions: Sequence[str], kinds: Sequence[str | None], what: str) -> str:
    """SVG of word frequencies and caption lengths.

    kinds: normal, anomaly or None for each caption. `what` the captions are of: "release 0123...".
    """
    if not captions:
        raise NothingToDraw("there are no captions yet: materialize raw_texts")
    known = [kind or _UNKNOWN for kind in kinds]
    present = [kind for kind in _COLOURS if kind in known]
    counts = word_counts(captions, known, WORDS)
    lengths = [len(caption.split()) for caption in captions]
    mean, median = statistics.fmean(lengths), statistics.median(lengths)
    said = (
        f"{len(captions):,} captions of {mean:.1f} words on average (median {median:g}, {min(lengths)} to "
        f"{max(lengths)}). Most frequent words: {', '.join(list(counts)[:10])}"
    )
    page = Page(WIDTH, TOP + WORDS / 2 * ROW + MARGIN, f"Captions of {what}", said)
    page.heading(MARGIN, 34, "Word frequencies", f"In {len(captions):,} captions of {what}; stop words left out.")
    legend(page, MARGIN, 62, [(kind, _COLOURS[kind]) for kind in present])
    bars = [
        Bar(word, tuple((found.get(kind, 0), _COLOURS[kind]) for kind in present), f"{sum(found.values()):,}")
        for word, found in counts.items()
    ]
    bar_columns(page, bars, MARGIN - 40, TOP, _WORDS_WIDTH, 2)
    left = MARGIN + _WORDS_WIDTH + 20
    page.heading(left, 34, "Caption lengths", f"Words a caption: mean {mean:.1f}, median {median:g}.")
    _lengths(page, left + 34, lengths, known, present)
    return page.svg()


def _lengths(page: Page, left: float, lengths: list[int], kinds: list[str], present: list[str]) -> None:
    """A histogram by kind; captions far longer than nearly all are counted in words instead of stretching the axis."""
    limit = max(20, math.ceil(1.25 * sorted(lengths)[int(0.99 * (len(lengths) - 1))]))
    step = max(1, math.ceil(limit / _MOST_BINS))
    found = Counter((length // step, kind) for length, kind in zip(lengths, kinds, strict=True) if length <= limit)
    highest = max(sum(found[(place, kind)] for kind in present) for place in range(limit // step + 1))
    place = left, TOP, WIDTH - left - MARGIN, WORDS / 2 * ROW - 30
    axes = Axes(page, place, (0, (limit // step + 1) * step), (0, highest * 1.05), "words")
    for number in range(limit // step + 1):
        below = 0
        for kind in present:
            count = found[(number, kind)]
            (x, y), (right, bottom) = axes.point(number * step, below + count), axes.point((number + 1) * step, below)
            if count:
                page.rect(x + 0.5, y, right - x - 1, bottom - y, _COLOURS[kind])
            below += count
    median = axes.point(statistics.median(lengths) + 0.5 * (step == 1), 0)[0]
    page.lines([[(median, TOP), (median, TOP + place[3])]], INK, dashes="4 2")
    page.text(median, TOP - 5, "median", anchor="middle")
    if longer := sum(length > limit for length in lengths):
        page.text(
            WIDTH - MARGIN, TOP + 12, f"{longer:,} longer, up to {max(lengths):,} words", colour=MUTED, anchor="end"
        )
