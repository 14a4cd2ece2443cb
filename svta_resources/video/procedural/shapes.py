"""Plain shapes as items: what a motion program needs once is put together on the spot."""

from collections.abc import Sequence
from dataclasses import dataclass

from svta_resources.video.procedural.pen import RGB, Pen, Point

Corners = Sequence[Point]


@dataclass(frozen=True)
class Shape:
    """Polygons, then strokes of one width, each list in one colour.

    Attributes:
        depth: order of drawing. fills: polygons with their colour. strokes: polylines with width and colour.
    """

    depth: float
    fills: tuple[tuple[Corners, RGB], ...] = ()
    strokes: tuple[tuple[Corners, float, RGB], ...] = ()

    def draw(self, pen: Pen) -> None:
        """Draw fills, then strokes."""
        for corners, colour in self.fills:
            pen.poly(corners, colour)
        for points, width, colour in self.strokes:
            pen.line(points, width, colour)


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Return the corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
