"""From source to category: which texts became which final categories, through their larger groups."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from svta_assets.figures.page import SMALL, NothingToDraw, Page, label
from svta_assets.figures.palette import KIND_COLOURS, MUTED
from svta_assets.figures.ribbons import NODE, Node, ribbon, stack, stack_height

WIDTH, MARGIN, TOP = 1080.0, 24.0, 72.0
_SLOT, _WIDE_SLOT = 12.0, 30.0  # smallest slot of a category, and of a source or group, whose label has two lines
_X = (150.0, 470.0, 800.0)  # left edges of the three columns of nodes

Key = tuple[str, ...]


@dataclass(frozen=True)
class Stream:
    """Pairs of one source in one final category."""

    source: str
    kind: str
    group: str
    category: str
    pairs: int


@dataclass(frozen=True)
class _Columns:
    """Pairs of each source, (kind, group) and (kind, group, category), in the order in which they are drawn."""

    sources: dict[Key, int]
    groups: dict[Key, int]
    categories: dict[Key, int]


def flow(streams: Sequence[Stream], what: str) -> str:
    """SVG of source -> group -> final category, each ribbon as wide as its pairs. `what`: "release 0123..."."""
    if not streams:
        raise NothingToDraw("no pair has a final category yet: materialize clusters")
    columns = _columns(streams)
    total = sum(columns.sources.values())
    scale = max(260.0, 4.0 * len(columns.categories)) / total
    needed = [(columns.sources, _WIDE_SLOT), (columns.groups, _WIDE_SLOT), (columns.categories, _SLOT)]
    height = max(stack_height(list(values.values()), scale, slot) for values, slot in needed)
    said = "; ".join(f"{source[0]} {pairs:,} pairs" for source, pairs in columns.sources.items())
    page = Page(WIDTH, TOP + height + MARGIN, f"Sources and categories of {what}", said)
    title = f"Where the {total:,} pairs of {what} come from, and what they became"
    page.heading(MARGIN, 34, title, "Source, larger group, final category; a ribbon is as wide as its pairs.")
    places = [stack(_named(values), scale, TOP, slot, height) for values, slot in needed]
    _ribbons(page, streams, columns, places, scale)
    _labels(page, columns, places)
    return page.svg()


def _columns(streams: Sequence[Stream]) -> _Columns:
    """Normal above anomaly, categories beside their group, most pairs first."""
    groups = sorted(_totals(streams, _group).items(), key=lambda item: (item[0][0] != "normal", -item[1], item[0]))
    place = {group: number for number, (group, _) in enumerate(groups)}
    found = _totals(streams, _category).items()
    categories = sorted(found, key=lambda item: (place[item[0][:2]], -item[1], item[0]))
    return _Columns(_totals(streams, lambda one: (one.source,)), dict(groups), dict(categories))


def _group(one: Stream) -> Key:
    return one.kind, one.group


def _category(one: Stream) -> Key:
    return one.kind, one.group, one.category


def _totals(streams: Sequence[Stream], key: Callable[[Stream], Key]) -> dict[Key, int]:
    """Pairs by key, most first."""
    found: Counter[Key] = Counter()
    for one in streams:
        found[key(one)] += one.pairs
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _name(key: Key) -> str:
    return "\x1f".join(key)


def _named(values: Mapping[Key, int]) -> dict[str, float]:
    return {_name(key): pairs for key, pairs in values.items()}


def _ribbons(
    page: Page, streams: Sequence[Stream], columns: _Columns, places: list[dict[str, Node]], scale: float
) -> None:
    """Both sets of ribbons, in an order in which those of one node never cross."""
    order = {group: number for number, group in enumerate(columns.groups)}
    between = _totals(streams, lambda one: (one.source, *_group(one)))
    for key in sorted(between, key=lambda key: (places[0][key[0]].top, order[key[1:]])):
        ends = places[0][key[0]], places[1][_name(key[1:])]
        ribbon(page, *ends, (_X[0] + NODE, _X[1]), between[key] * scale, KIND_COLOURS[key[1]])
    for key, pairs in columns.categories.items():
        ends = places[1][_name(key[:2])], places[2][_name(key)]
        ribbon(page, *ends, (_X[1] + NODE, _X[2]), pairs * scale, KIND_COLOURS[key[0]])


def _labels(page: Page, columns: _Columns, places: list[dict[str, Node]]) -> None:
    for (source,), pairs in columns.sources.items():
        at = places[0][source]
        at.draw(page, _X[0], MUTED)
        page.text(_X[0] - 8, at.middle, label(source, 20), anchor="end", bold=True)
        page.text(_X[0] - 8, at.middle + 12, f"{pairs:,}", SMALL, MUTED, "end")
    for key, pairs in columns.groups.items():
        at = places[1][_name(key)]
        at.draw(page, _X[1], KIND_COLOURS[key[0]])
        page.text(_X[1] + NODE + 6, at.middle, label(key[1], 34), bold=True)
        page.text(_X[1] + NODE + 6, at.middle + 12, f"{key[0]}, {pairs:,}", SMALL)
    for key, pairs in columns.categories.items():
        at = places[2][_name(key)]
        at.draw(page, _X[2], KIND_COLOURS[key[0]])
        page.text(_X[2] + NODE + 6, at.middle + 3, f"{label(key[2], 32)}, {pairs:,}", SMALL)
