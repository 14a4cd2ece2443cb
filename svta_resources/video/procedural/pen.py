"""Drawing on a frame in stage units, with the light of the scene already in every colour.

Stage units: the frame is 112 high whatever its pixels, x grows to the right, y grows downwards. Light is applied to
colours as they are drawn, not to finished frames: that costs nothing per pixel, and what glows (fire, lamps, muzzle
flashes) simply skips it.

Cost decides the vocabulary here: on one slow core an anti-aliased stroke or circle costs 30 to 50 microseconds, a
rectangle along the pixels 3, and drawing a full-frame image 350 (hence backgrounds are copied by numpy instead).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import skia

RGB = tuple[int, int, int]
Point = tuple[float, float]
STAGE_HEIGHT = 112.0


@dataclass(frozen=True)
class Light:
    """How a colour looks in the scene: colour * gain, then mixed with haze."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: RGB = (205, 210, 215)
    haze_share: float = 0.0

    def on(self, colour: RGB) -> RGB:
        """Return how `colour` looks in this light."""
        share = self.haze_share
        lit = (
            min(255, round(part * gain * (1 - share) + mist * share))
            for part, gain, mist in zip(colour, self.gain, self.haze, strict=True)
        )
        red, green, blue = lit
        return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; `share` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (factor < 1) or brighten a colour."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


class Pen:
    """Draws filled shapes and round strokes on an RGBA array (H, W, 4) uint8."""

    def __init__(self, pixels: "np.ndarray", light: Light, scale: float, left: float = 0.0, top: float = 0.0) -> None:
        """Draw on `pixels`: `scale` pixels a unit, the stage's origin at pixel (left, top)."""
        import skia

        self._skia = skia
        self._canvas = skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType)
        self._scale, self._left, self._top = scale, left, top
        self._place(0, 0)
        self.light = light
        self._paints: dict[tuple[object, ...], skia.Paint] = {}

    def _place(self, across: float, down: float) -> None:
        self._canvas.resetMatrix()
        self._canvas.translate(self._left + across, self._top + down)
        self._canvas.scale(self._scale, self._scale)

    def shift(self, across: int, down: int) -> None:
        """Move everything drawn from now on by whole pixels (a shaking camera)."""
        self._place(across, down)

    def rect(self, left: float, top: float, right: float, bottom: float, colour: RGB, alpha: float = 1.0) -> None:
        """Fill a rectangle."""
        self._canvas.drawRect(self._skia.Rect(left, top, right, bottom), self._fill(colour, alpha, False))

    def circle(self, centre: Point, radius: float, colour: RGB, alpha: float = 1.0, glow: bool = False) -> None:
        """Fill a circle."""
        if radius > 0:
            self._canvas.drawCircle(centre[0], centre[1], radius, self._fill(colour, alpha, glow))

    def oval(
        self, left: float, top: float, right: float, bottom: float, colour: RGB, alpha: float = 1.0, glow: bool = False
    ) -> None:
        """Fill an ellipse within a rectangle."""
        self._canvas.drawOval(self._skia.Rect(left, top, right, bottom), self._fill(colour, alpha, glow))

    def poly(self, points: Sequence[Point], colour: RGB, alpha: float = 1.0, glow: bool = False) -> None:
        """Fill a closed polygon."""
        self._canvas.drawPath(self._path([points], closed=True), self._fill(colour, alpha, glow))

    def polys(self, shapes: Sequence[Sequence[Point]], colour: RGB, alpha: float = 1.0, glow: bool = False) -> None:
        """Fill several closed polygons as one shape (one call for many tongues of a flame)."""
        self._canvas.drawPath(self._path(shapes, closed=True), self._fill(colour, alpha, glow))

    def line(self, points: Sequence[Point], width: float, colour: RGB, alpha: float = 1.0, glow: bool = False) -> None:
        """Stroke a polyline with round joints and ends."""
        self._canvas.drawPath(self._path([points], closed=False), self._stroke(width, colour, alpha, glow))

    def lines(
        self, many: Sequence[Sequence[Point]], width: float, colour: RGB, alpha: float = 1.0, glow: bool = False
    ) -> None:
        """Stroke several polylines at once."""
        self._canvas.drawPath(self._path(many, closed=False), self._stroke(width, colour, alpha, glow))

    def dots(self, points: Sequence[Point], width: float, colour: RGB, alpha: float = 1.0, glow: bool = False) -> None:
        """Draw round dots of one size at once."""
        self.lines([(point, (point[0] + 0.01, point[1])) for point in points], width, colour, alpha, glow)

    def _path(self, shapes: Sequence[Sequence[Point]], closed: bool) -> "skia.Path":
        path = self._skia.Path()
        for points in shapes:
            path.addPoly([self._skia.Point(x, y) for x, y in points], closed)
        return path

    def _fill(self, colour: RGB, alpha: float, glow: bool) -> "skia.Paint":
        key = (colour, round(alpha, 2), glow)
        if key not in self._paints:
            self._paints[key] = self._skia.Paint(AntiAlias=True, Color=self._colour(colour, alpha, glow))
        return self._paints[key]

    def _stroke(self, width: float, colour: RGB, alpha: float, glow: bool) -> "skia.Paint":
        key = (round(width, 2), colour, round(alpha, 2), glow)
        if key not in self._paints:
            paint = self._skia.Paint
            self._paints[key] = self._skia.Paint(
                AntiAlias=True,
                Color=self._colour(colour, alpha, glow),
                Style=paint.kStroke_Style,
                StrokeWidth=width,
                StrokeCap=paint.kRound_Cap,
                StrokeJoin=paint.kRound_Join,
            )
        return self._paints[key]

    def _colour(self, colour: RGB, alpha: float, glow: bool) -> int:
        red, green, blue = colour if glow else self.light.on(colour)
        return int(self._skia.ColorSetARGB(round(255 * min(1.0, max(0.0, alpha))), red, green, blue))


def turn(point: Point, degrees: float, about: Point = (0.0, 0.0)) -> Point:
    """Rotate a point clockwise on the screen."""
    angle = math.radians(degrees)
    across, down = point[0] - about[0], point[1] - about[1]
    cosine, sine = math.cos(angle), math.sin(angle)
    return about[0] + across * cosine - down * sine, about[1] + across * sine + down * cosine


def wave(time_s: float, hertz: float, phase: float = 0.0) -> float:
    """Return a sine in -1..1; `phase` in turns."""
    return math.sin(2 * math.pi * (hertz * time_s + phase))


def ease(value: float, start: float = 0.0, end: float = 1.0) -> float:
    """Rise smoothly from 0 at `start` to 1 at `end`."""
    share = min(1.0, max(0.0, (value - start) / (end - start)))
    return share * share * (3 - 2 * share)
