"""What places are painted with: sky, ground, walls and the larger things in the background."""

from collections.abc import Callable
from dataclasses import dataclass

from svta_resources.video.procedural.pen import RGB, Pen, shade

HORIZON = 62.0
BOTTOM = 130.0  # below the frame: a shaking camera may look lower
_SKY: dict[str, tuple[RGB, RGB]] = {
    "clear": ((126, 184, 240), (196, 224, 248)),
    "rain": ((128, 138, 150), (164, 172, 182)),
    "snow": ((196, 204, 216), (222, 228, 236)),
    "fog": ((200, 204, 208), (212, 214, 216)),
}
_SNOW: RGB = (238, 242, 248)
_WET = 0.8


@dataclass(frozen=True)
class Canvas:
    """A place being painted: `width` of the stage, its weather, and four numbers in 0..1 that vary it."""

    pen: Pen
    width: float
    weather: str
    dice: tuple[float, float, float, float]
    night: bool = False
    road: bool = False  # vehicles drive here

    @property
    def left(self) -> float:
        """Left edge, with the margin for a shaking camera."""
        return -12.0

    @property
    def right(self) -> float:
        """Right edge, with the margin."""
        return self.width + 12.0

    def sky(self) -> None:
        """Paint two bands of sky; stars and a moon at night."""
        high, low = _SKY[self.weather]
        self.pen.rect(self.left, -12, self.right, 34, high)
        self.pen.rect(self.left, 34, self.right, HORIZON + 2, low)
        if self.night and self.weather == "clear":
            stars = [((n * 37.3 + 11) % self.width, (n * 17.9) % 30) for n in range(16)]
            self.pen.dots(stars, 1.2, (250, 250, 235), glow=True)
            self.pen.circle((self.width * 0.85, 14), 6, (250, 246, 220), glow=True)

    def ground(self, colour: RGB, top: float = HORIZON, outdoors: bool = True) -> None:
        """Paint the ground; outdoors it is white in snow and darker in rain."""
        if outdoors and self.weather == "snow":
            colour = _SNOW
        if outdoors and self.weather == "rain":
            colour = shade(colour, _WET)
        self.pen.rect(self.left, top, self.right, BOTTOM, colour)

    def wall(self, colour: RGB, bottom: float = HORIZON + 8) -> None:
        """Paint the back wall of a room."""
        self.pen.rect(self.left, -12, self.right, bottom, colour)
        self.pen.rect(self.left, bottom - 2, self.right, bottom, shade(colour, 0.7))

    def tiles(self, colour: RGB, top: float = HORIZON + 8, step: float = 20) -> None:
        """Draw joints on a floor, closer together further back."""
        joints = [[(x, top), (x + (x - self.width / 2) * 0.8, BOTTOM)] for x in self._columns(step)]
        rows = [[(self.left, y), (self.right, y)] for y in (top + 8, top + 20, top + 38)]
        self.pen.lines([*joints, *rows], 0.8, colour)

    def _columns(self, step: float) -> list[float]:
        return [n * step for n in range(int(self.width / step) + 2)]

    def repeat(self, step: float, draw: Callable[[float], None], start: float = 0.0) -> None:
        """Draw something every `step` units across."""
        for x in self._columns(step):
            draw(x + start)

    def building(self, left: float, width: float, top: float, colour: RGB, base: float = HORIZON + 2) -> None:
        """Paint a house front with rows of windows, some lit at night."""
        self.pen.rect(left, top, left + width, base, colour)
        rows, columns = max(1, int((base - top - 8) / 13)), max(1, int(width / 13))
        for row in range(rows):
            for column in range(columns):
                x, y = left + 4 + column * 13, top + 5 + row * 13
                if self.night and (row * 7 + column * 5 + int(left)) % 3 == 0:
                    self.pen.poly([(x, y), (x + 6, y), (x + 6, y + 7), (x, y + 7)], (250, 214, 110), glow=True)
                else:
                    self.pen.rect(x, y, x + 6, y + 7, shade(colour, 0.6))

    def tree(self, x: float, base: float, size: float = 1.0, colour: RGB = (44, 116, 52)) -> None:
        """Paint a tree; white in snow."""
        crown = (222, 232, 238) if self.weather == "snow" else colour
        self.pen.rect(x - 2.5 * size, base - 22 * size, x + 2.5 * size, base, (96, 66, 40))
        self.pen.circle((x, base - 32 * size), 14 * size, crown)
        self.pen.circle((x - 9 * size, base - 24 * size), 9 * size, shade(crown, 0.9))
        self.pen.circle((x + 9 * size, base - 24 * size), 9 * size, shade(crown, 1.08))

    def lamp(self, x: float, base: float, high: float = 54) -> None:
        """Paint a street lamp that is lit at night."""
        self.pen.rect(x - 1, base - high, x + 1, base, (66, 70, 76))
        if self.night:
            self.pen.circle((x, base - high), 12, (255, 226, 140), 0.3, glow=True)
        self.pen.circle((x, base - high), 3.4, (255, 240, 190), glow=self.night)

    def dashes(self, y: float, colour: RGB = (244, 244, 240), step: float = 28, length: float = 15) -> None:
        """Paint a broken line along a road."""
        self.repeat(step, lambda x: self.pen.rect(x, y, x + length, y + 2.2, colour))
