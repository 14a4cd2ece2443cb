"""What changed between two versions of the taxonomy: the categories that are no longer what they were."""

from collections import Counter
from collections.abc import Sequence

from svta_assets.clusters.diff import Difference, compare
from svta_assets.clusters.taxonomy import FinalCategory
from svta_assets.figures.page import SMALL, NothingToDraw, Page, label
from svta_assets.figures.palette import KIND_COLOURS, MUTED
from svta_assets.figures.ribbons import NODE, Node, ribbon, stack, stack_height

WIDTH, MARGIN, TOP = 1080.0, 24.0, 100.0
MOST_RIBBONS = 90  # beyond it the smallest are counted instead of drawn: a refit moves a thousand names
NEW, GONE = "(new label names)", "(label names that are gone)"
_SLOT = 15.0
_X = (340.0, 660.0)

Flows = Counter[tuple[str, str]]
"""(old category, new category) -> label names that went from the one to the other."""


def taxonomy_diff(before: Sequence[FinalCategory], after: Sequence[FinalCategory], names: tuple[str, str]) -> str:
    """SVG of the categories that differ between two versions. `names`: what the versions are called.

    A ribbon is as wide as the distinct label names that went from one category to another.
    """
    names = label(names[0], 24), label(names[1], 24)
    difference = compare(list(before), list(after))
    if difference.is_empty:
        raise NothingToDraw(f"the versions {names[0]} and {names[1]} do not differ")
    happened, said = _happened(difference), _in_words(difference)
    changed = _changed(_flows(before, after), happened)
    as_before = len({one.slug for one in after} - {new for _, new in changed})
    flows: Flows = Counter(dict(sorted(changed.items(), key=lambda item: (-item[1], item[0]))[:MOST_RIBBONS]))
    kinds = {one.slug: one.kind for one in (*before, *after)}
    sides = [_sizes(flows, end) for end in (0, 1)]
    scale = max(120.0, 6.0 * max(map(len, sides))) / sum(flows.values())
    height = max(stack_height(list(side.values()), scale, _SLOT) for side in sides)
    page = Page(WIDTH, TOP + height + MARGIN, f"Taxonomy {names[0]} to {names[1]}", said)
    cut = f" The largest {MOST_RIBBONS} of {len(changed)} ribbons are drawn." if len(changed) > MOST_RIBBONS else ""
    page.heading(MARGIN, 34, f"Taxonomy {names[0]} to {names[1]}", f"{said}; {as_before} categories as before.{cut}")
    page.text(_X[0] + NODE, TOP - 12, f"{names[0]} (before)", colour=MUTED, anchor="end")
    page.text(_X[1], TOP - 12, f"{names[1]} (after)", colour=MUTED)
    old, new = (stack(side, scale, TOP, _SLOT, height) for side in sides)
    for (source, target), count in sorted(flows.items(), key=lambda item: (old[item[0][0]].top, new[item[0][1]].top)):
        colour = KIND_COLOURS.get(kinds.get(target, kinds.get(source, "")), MUTED)
        ribbon(page, old[source], new[target], (_X[0] + NODE, _X[1]), count * scale, colour)
    _labels(page, old, happened[0], kinds, (_X[0], _X[0] - 8, "end"))
    _labels(page, new, happened[1], kinds, (_X[1], _X[1] + NODE + 8, "start"))
    return page.svg()


def _flows(before: Sequence[FinalCategory], after: Sequence[FinalCategory]) -> Flows:
    old, new = _members(before), _members(after)
    return Counter((old.get(name, NEW), new.get(name, GONE)) for name in old.keys() | new.keys())


def _members(categories: Sequence[FinalCategory]) -> dict[tuple[str, str], str]:
    return {(one.labelled_kind, name): one.slug for one in categories for name in one.names}


def _changed(flows: Flows, happened: tuple[dict[str, str], dict[str, str]]) -> Flows:
    """What is drawn: all that touches a category that got, lost or became something.

    A category that lost a name is drawn with those that it kept, too: how much of it moved must be seen.
    """
    moved = [pair for pair in flows if pair[0] != pair[1] or pair[0] in happened[0] or pair[1] in happened[1]]
    sources, targets = {pair[0] for pair in moved}, {pair[1] for pair in moved}
    return Counter({pair: n for pair, n in flows.items() if pair[0] in sources - {NEW} or pair[1] in targets - {GONE}})


def _happened(difference: Difference) -> tuple[dict[str, str], dict[str, str]]:
    """What is said of old categories and of new ones."""
    old = dict.fromkeys((old for old, _ in difference.merged), "merged") | dict.fromkeys(difference.disappeared, "gone")
    new = {slug: f"group: {group}" for slug, _, group in difference.regrouped}
    new |= {slug: "renamed" for _, slug in difference.renamed}
    new |= {slug: f"now {kind}" for slug, _, kind in difference.changed_kind}
    new |= {slug: "split off" for _, slug in difference.split} | dict.fromkeys(difference.appeared, "new")
    return old, new


def _in_words(difference: Difference) -> str:
    counts = {
        "merged": len(difference.merged),
        "split off": len(difference.split),
        "renamed": len(difference.renamed),
        "of another kind": len(difference.changed_kind),
        "of another group": len(difference.regrouped),
        "new": len(difference.appeared),
        "gone": len(difference.disappeared),
        "label names moved": len(difference.moved),
        "label names added": len(difference.added),
        "label names removed": len(difference.removed),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _sizes(flows: Flows, end: int) -> dict[str, float]:
    """Label names of each category on one side, by slug; names that come or go stand last."""
    totals: Counter[str] = Counter()
    for pair, count in flows.items():
        totals[pair[end]] += count
    return {slug: float(totals[slug]) for slug in sorted(totals, key=lambda slug: (slug in (NEW, GONE), slug))}


def _labels(
    page: Page, nodes: dict[str, Node], happened: dict[str, str], kinds: dict[str, str], where: tuple[float, float, str]
) -> None:
    left, x, anchor = where
    for slug, at in nodes.items():
        at.draw(page, left, KIND_COLOURS.get(kinds.get(slug, ""), MUTED))
        more = f": {happened[slug]}" if slug in happened else ""
        page.text(x, at.middle + 3, label(slug, 40) + more, SMALL, anchor=anchor)
