"""What a flow is drawn with: columns of nodes, and ribbons between them as wide as what flows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from svta_assets.figures.page import Page

NODE = 12.0  # width of a node in pixels
_OPACITY = 0.4


@dataclass
class Node:
    """A node: upper edge and height in pixels; `out` and `into` grow as ribbons are attached to it."""

    top: float
    height: float
    out: float = 0.0
    into: float = 0.0

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return self.top + self.height / 2

    def draw(self, page: Page, left: float, colour: str) -> None:
        """Draw it."""
        page.rect(left, self.top, NODE, self.height, colour)


def stack(values: Mapping[str, float], scale: float, top: float, slot: float, height: float) -> dict[str, Node]:
    """Nodes one below the other, each in a slot of at least `slot` pixels so that labels never meet.

    scale: pixels a unit. height: the column is spread over this many pixels where it needs less.
    """
    slots = {name: _slot(value, scale, slot) for name, value in values.items()}
    spare = max(0.0, height - sum(slots.values())) / max(len(slots), 1)
    nodes, at = {}, top + spare / 2
    for name, value in values.items():
        size = max(value * scale, 1.0)
        nodes[name] = Node(at + (slots[name] - size) / 2, size)
        at += slots[name] + spare
    return nodes


def stack_height(values: Sequence[float], scale: float, slot: float) -> float:
    """Pixels that `stack` needs."""
    return sum(_slot(value, scale, slot) for value in values)


def _slot(value: float, scale: float, least: float) -> float:
    return max(value * scale + 3, least)


def ribbon(page: Page, start: Node, end: Node, across: tuple[float, float], size: float, colour: str) -> None:
    """Draw what flows from one node to another, `size` pixels wide, below what already leaves and enters them.

    across: where it starts and ends, from left to right.
    """
    above, below = start.top + start.out, end.top + end.into
    start.out, end.into = start.out + size, end.into + size
    left, right = across
    bend = (left + right) / 2
    page.area(
        f"M{left:.1f} {above:.2f}C{bend:.1f} {above:.2f} {bend:.1f} {below:.2f} {right:.1f} {below:.2f}"
        f"v{size:.2f}C{bend:.1f} {below + size:.2f} {bend:.1f} {above + size:.2f} {left:.1f} {above + size:.2f}z",
        colour,
        _OPACITY,
    )
