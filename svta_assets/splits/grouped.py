"""Grouped splits: pairs of one source video, and pairs with near-duplicate captions, are in one split.

A pair that has a split keeps it for ever. So a new pair goes where those it belongs to already are; one that belongs
to pairs of two splits, or a pair whose caption changed and now belongs to another split's, is *left out*: it is not
released, and the reason is a row in `rejects`. Pairs that left the dataset still hold their video and caption in place,
so that they may come back.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from svta_assets.splits.assign import SPLIT_SEED, SPLITS, targets
from svta_assets.splits.near import near_groups, word_set

Node = tuple[str, ...]


@dataclass(frozen=True)
class Grouped:
    """Rows of `splits`, and the pairs left out: pair_id -> why."""

    rows: pl.DataFrame
    left_out: dict[str, str]


def assign_grouped(pairs: pl.DataFrame, existing: pl.DataFrame, now: str, seed: int = SPLIT_SEED) -> Grouped:
    """Give new pairs a split that never straddles; existing rows stay as they are.

    Args:
        pairs: columns pair_id, final_category, source_video (may be null), caption: the pairs of the next release.
        existing: rows of `splits` made this way.
    """
    known = {row["pair_id"]: row for row in existing.iter_rows(named=True)}
    rows = {row["pair_id"]: row for row in pairs.iter_rows(named=True)}
    links = _Links([*pairs["caption"], *existing["caption"].drop_nulls()])
    anchors = _anchors(known, rows, links)
    around = {pair: links.nodes(row["source_video"], row["caption"]) for pair, row in rows.items()}
    left_out = {}
    for pair, row in rows.items():
        if pair in known and _place_of(known[pair]) == _place_of(row):
            continue  # as when it got its split
        near = set().union(*(anchors[node] for node in around[pair]))
        if len(near | ({known[pair]["split"]} if pair in known else set())) > 1:
            left_out[pair] = "its video or caption belongs to pairs of several splits"
    fresh = [pair for pair in rows if pair not in known and pair not in left_out]
    taken, conflicts = _place({pair: around[pair] for pair in fresh}, anchors, links)
    left_out |= dict.fromkeys(conflicts, "it connects pairs of several splits")
    splits = _fill(taken, rows, known, left_out, seed)
    new = [
        {key: rows[pair][key] for key in ("pair_id", "final_category", "source_video", "caption")}
        | {"split": split, "assigned_at": now, "strategy": "grouped"}
        for pair, split in splits.items()
    ]
    return Grouped(pl.concat([existing, pl.DataFrame(new, schema=existing.schema)]).sort("pair_id"), left_out)


def _place_of(row: dict[str, str]) -> tuple[str | None, str | None]:
    return row["source_video"], row["caption"]


def _anchors(
    known: dict[str, dict[str, str]], rows: dict[str, dict[str, str]], links: "_Links"
) -> dict[Node, set[str]]:
    """Splits that hold each node: by what a pair with a split was when it got it, and by what it is now."""
    anchors: dict[Node, set[str]] = defaultdict(set)
    for pair, row in known.items():
        for video, caption in {_place_of(row), _place_of(rows.get(pair, row))}:
            for node in links.neighbourhood(video, caption):
                anchors[node].add(row["split"])
    return anchors


class _Links:
    """What connects pairs: nodes for videos and word sets, and which word sets are near one another."""

    def __init__(self, captions: Iterable[str]) -> None:
        self._near: dict[Node, set[Node]] = defaultdict(set)
        for one, other in near_groups(captions):
            first, second = self._caption(one), self._caption(other)
            if first != second:
                self._near[first].add(second)
                self._near[second].add(first)

    def nodes(self, video: str | None, caption: str | None) -> list[Node]:
        """The nodes a pair is on."""
        found = [("video", video)] if video else []
        return [*found, *([self._caption(caption)] if caption else [])]

    def neighbourhood(self, video: str | None, caption: str | None) -> list[Node]:
        """The nodes that a pair speaks for: its own, and the word sets near its caption."""
        own = self.nodes(video, caption)
        return own + [near for node in own for near in sorted(self.near(node))]

    def near(self, node: Node) -> set[Node]:
        """Word sets near this one, without itself."""
        return self._near.get(node, set())

    @staticmethod
    def _caption(caption: str) -> Node:
        return ("words", *sorted(word_set(caption)))


def _place(
    around: dict[str, list[Node]], anchors: dict[Node, set[str]], links: _Links
) -> tuple[list[tuple[list[str], str | None]], set[str]]:
    """Components of new pairs with the split that holds them (None: free), and the pairs that connect two splits.

    Of a component between several splits the part attached to the split with most pairs stays; pairs attached to
    the others are left out.
    """
    conflicts: set[str] = set()
    attached = {
        pair: next(iter(set().union(*(anchors[node] for node in nodes))), None) for pair, nodes in around.items()
    }
    for component in _components(around, links):
        votes = Counter(split for pair in component if (split := attached[pair]))
        if len(votes) > 1:
            stays = max(votes, key=lambda split: (votes[split], -SPLITS.index(split)))
            conflicts |= {pair for pair in component if attached[pair] not in (None, stays)}
    placed: list[tuple[list[str], str | None]] = []
    for component in _components({pair: nodes for pair, nodes in around.items() if pair not in conflicts}, links):
        placed.append((component, next((split for pair in component if (split := attached[pair])), None)))
    return placed, conflicts


def _components(around: dict[str, list[Node]], links: _Links) -> list[list[str]]:
    """Connected pairs, by a union-find over their nodes; only word sets that some pair has connect."""
    parent: dict[Node, Node] = {}

    def root(node: Node) -> Node:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    present = {node for nodes in around.values() for node in nodes}
    for nodes in around.values():
        for node in nodes:
            for other in (nodes[0], *(near for near in links.near(node) if near in present)):
                parent[root(other)] = root(node)
    found: dict[Node, list[str]] = defaultdict(list)
    for pair in sorted(around):
        nodes = around[pair] or [("pair", pair)]  # neither video nor words: alone
        found[root(nodes[0])].append(pair)
    return list(found.values())


def _fill(
    components: list[tuple[list[str], str | None]],
    rows: dict[str, dict[str, str]],
    known: dict[str, dict[str, str]],
    left_out: dict[str, str],
    seed: int,
) -> dict[str, str]:
    """A split for each component: the one that holds it, else where its categories lack most; largest first."""
    released = [pair for pair in rows if pair not in left_out]
    goal = {name: targets(count) for name, count in Counter(rows[pair]["final_category"] for pair in released).items()}
    have: Counter[tuple[str, str]] = Counter(
        (rows[pair]["final_category"], known[pair]["split"]) for pair in released if pair in known
    )
    splits: dict[str, str] = {}

    def give(component: list[str], split: str) -> None:
        for pair in component:
            splits[pair] = split
            have[(rows[pair]["final_category"], split)] += 1

    for component, held in components:
        if held:
            give(component, held)
    free = [component for component, held in components if not held]
    for component in sorted(free, key=lambda one: (-len(one), _draw(seed, one[0]))):
        sizes = Counter(rows[pair]["final_category"] for pair in component)

        def lack(split: str, sizes: Counter[str] = sizes) -> float:
            return sum(
                count * (goal[name][split] - have[(name, split)]) / max(goal[name][split], 1)
                for name, count in sizes.items()
            )

        give(component, max(SPLITS, key=lack))
    return splits


def _draw(seed: int, pair: str) -> str:
    return hashlib.sha256(f"{seed}/{pair}".encode()).hexdigest()
