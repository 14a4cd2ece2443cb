"""What differs between two taxonomy versions, found from their members alone.

Categories of both versions are matched one to one by the label names they share, most first. An old category without
a match whose names went into another is merged; a new one without a match whose names came from another was split off.
"""

from collections import Counter
from dataclasses import dataclass, field

from svta_assets.clusters.taxonomy import FinalCategory

Name = tuple[str, str]  # labelled kind, label name
SHOWN = 12


@dataclass
class Difference:
    """Changes from one version to the next; categories are slugs."""

    merged: list[tuple[str, str]] = field(default_factory=list)  # old, what it went into
    split: list[tuple[str, str]] = field(default_factory=list)  # where it came from, new
    renamed: list[tuple[str, str]] = field(default_factory=list)
    regrouped: list[tuple[str, str, str]] = field(default_factory=list)  # category, old group, new group
    changed_kind: list[tuple[str, str, str]] = field(default_factory=list)
    moved: list[tuple[str, str, str]] = field(default_factory=list)  # label name, old, new
    appeared: list[str] = field(default_factory=list)  # categories of names that were not there before
    disappeared: list[str] = field(default_factory=list)
    added: list[tuple[str, str]] = field(default_factory=list)  # label name, category
    removed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def needs_approval(self) -> bool:
        """Whether more happened than label names joining or leaving categories that stay as they were."""
        return any((self.merged, self.split, self.renamed, self.regrouped, self.changed_kind, self.moved)) or bool(
            self.appeared or self.disappeared
        )

    @property
    def is_empty(self) -> bool:
        """No difference at all."""
        return not (self.needs_approval or self.added or self.removed)

    def markdown(self) -> str:
        """The changes for people to read, the longest lists cut with a word on how many there are."""
        parts = [
            _section("Merged", [f"`{old}` into `{new}`" for old, new in self.merged]),
            _section("Split", [f"`{new}` off `{old}`" for old, new in self.split]),
            _section("Renamed", [f"`{old}` to `{new}`" for old, new in self.renamed]),
            _section("Other kind", [f"`{slug}`: {old} to {new}" for slug, old, new in self.changed_kind]),
            _section("Other group", [f"`{slug}`: {old} to {new}" for slug, old, new in self.regrouped]),
            _section("Moved label names", [f"{name}: `{old}` to `{new}`" for name, old, new in self.moved]),
            _section("New categories", [f"`{slug}`" for slug in self.appeared]),
            _section("Categories that are gone", [f"`{slug}`" for slug in self.disappeared]),
            _section("New label names", [f"{name}: `{slug}`" for name, slug in self.added]),
            _section("Label names that are gone", [f"{name}: `{slug}`" for name, slug in self.removed]),
        ]
        return "\n\n".join(part for part in parts if part) or "No difference."


def compare(before: list[FinalCategory], after: list[FinalCategory]) -> Difference:
    """Changes that lead from one list of categories to another."""
    old, new = _members(before), _members(after)
    flows = Counter((old[name], new[name]) for name in old.keys() & new.keys())
    heir = _match(before, after, flows)
    found = Difference()
    _matched(before, after, heir, found)
    merged = _gone(before, heir, flows, found)
    came = _new(after, heir, flows, found)
    for name in sorted(old.keys() & new.keys()):
        source, target = old[name], new[name]
        if heir.get(source) != target and merged.get(source) != target and came.get(target) != source:
            found.moved.append((name[1], source, target))
    found.added = [(name[1], new[name]) for name in sorted(new.keys() - old.keys())]
    found.removed = [(name[1], old[name]) for name in sorted(old.keys() - new.keys())]
    return found


def _members(categories: list[FinalCategory]) -> dict[Name, str]:
    return {(one.labelled_kind, name): one.slug for one in categories for name in one.names}


def _match(before: list[FinalCategory], after: list[FinalCategory], flows: Counter[tuple[str, str]]) -> dict[str, str]:
    """Old slug -> new slug of the category it became; equal slugs win ties."""
    order = sorted(flows, key=lambda pair: (-flows[pair], pair[0] != pair[1], pair))
    heir: dict[str, str] = {}
    slugs = {one.slug for one in before} & {one.slug for one in after}
    for source, target in [*((slug, slug) for slug in sorted(slugs) if flows[(slug, slug)]), *order]:
        if source not in heir and target not in heir.values():
            heir[source] = target
    return heir


def _matched(before: list[FinalCategory], after: list[FinalCategory], heir: dict[str, str], found: Difference) -> None:
    by_slug = {one.slug: one for one in after}
    for one in before:
        if one.slug not in heir:
            continue
        now = by_slug[heir[one.slug]]
        if now.kind != one.kind:
            found.changed_kind.append((now.slug, one.kind, now.kind))
        elif now.group != one.group:
            found.regrouped.append((now.slug, one.group, now.group))
        if (now.name, now.slug) != (one.name, one.slug) and now.kind == one.kind:
            found.renamed.append((one.slug, now.slug))


def _gone(
    before: list[FinalCategory], heir: dict[str, str], flows: Counter[tuple[str, str]], found: Difference
) -> dict[str, str]:
    """Old categories without an heir -> the category most of their names went into."""
    merged = {}
    for one in before:
        if one.slug in heir:
            continue
        into = [target for source, target in flows if source == one.slug]
        if into:
            merged[one.slug] = max(into, key=lambda target: (flows[(one.slug, target)], target))
            found.merged.append((one.slug, merged[one.slug]))
        else:
            found.disappeared.append(one.slug)
    return merged


def _new(
    after: list[FinalCategory], heir: dict[str, str], flows: Counter[tuple[str, str]], found: Difference
) -> dict[str, str]:
    """New categories without a forebear -> the category most of their names came from."""
    came = {}
    for one in after:
        if one.slug in heir.values():
            continue
        sources = [source for source, target in flows if target == one.slug]
        if sources:
            came[one.slug] = max(sources, key=lambda source: (flows[(source, one.slug)], source))
            found.split.append((came[one.slug], one.slug))
        else:
            found.appeared.append(one.slug)
    return came


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    shown = [f"- {line}" for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"- and {len(lines) - SHOWN} more")
    return "\n".join([f"**{title}** ({len(lines)})", "", *shown])
