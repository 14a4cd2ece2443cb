"""Vehicles from the side: their paint is the largest thing on them, because captions name it."""

from dataclasses import dataclass

from svta_resources.video.procedural.pen import RGB, Pen, Point, shade, turn

_GLASS: RGB = (176, 210, 226)
_TYRE: RGB = (26, 26, 28)
_RIM: RGB = (150, 152, 156)
_HEADLIGHT: RGB = (255, 244, 190)
_TAILLIGHT: RGB = (230, 30, 26)

# outline of the body and of the windows in shares of (length, height), the front at x=1, the ground at y=0
_CAR = ((0.0, 0.18), (0.0, 0.55), (0.12, 0.6), (0.26, 0.98), (0.66, 0.98), (0.8, 0.6), (0.98, 0.52), (1.0, 0.18))
_CAR_GLASS = (((0.2, 0.6), (0.29, 0.9), (0.44, 0.9), (0.44, 0.6)), ((0.48, 0.6), (0.48, 0.9), (0.63, 0.9), (0.74, 0.6)))
_VAN = ((0.0, 0.14), (0.0, 0.98), (0.78, 0.98), (0.93, 0.58), (1.0, 0.5), (1.0, 0.14))
_VAN_GLASS = (((0.66, 0.6), (0.66, 0.9), (0.77, 0.9), (0.89, 0.6)),)
_TRUCK = ((0.0, 0.14), (0.0, 1.0), (0.66, 1.0), (0.66, 0.72), (0.72, 0.82), (0.94, 0.82), (1.0, 0.5), (1.0, 0.14))
_TRUCK_GLASS = (((0.76, 0.52), (0.76, 0.76), (0.92, 0.76), (0.96, 0.52)),)
_BUS = ((0.0, 0.1), (0.0, 0.97), (0.02, 1.0), (0.97, 1.0), (1.0, 0.9), (1.0, 0.1))
_BUS_GLASS = tuple(
    ((0.05 + 0.16 * n, 0.5), (0.05 + 0.16 * n, 0.85), (0.18 + 0.16 * n, 0.85), (0.18 + 0.16 * n, 0.5)) for n in range(6)
)


@dataclass(frozen=True)
class _Shape:
    length: float  # stage units at size 1
    height: float
    outline: tuple[Point, ...]
    glass: tuple[tuple[Point, ...], ...]
    wheels: tuple[float, float]
    wheel_radius: float


_SHAPES = {
    "car": _Shape(66, 27, _CAR, _CAR_GLASS, (0.2, 0.8), 6.2),
    "taxi": _Shape(66, 27, _CAR, _CAR_GLASS, (0.2, 0.8), 6.2),
    "police-car": _Shape(66, 27, _CAR, _CAR_GLASS, (0.2, 0.8), 6.2),
    "van": _Shape(68, 38, _VAN, _VAN_GLASS, (0.2, 0.8), 6.4),
    "truck": _Shape(88, 46, _TRUCK, _TRUCK_GLASS, (0.18, 0.84), 7.4),
    "bus": _Shape(100, 46, _BUS, _BUS_GLASS, (0.18, 0.82), 7.2),
    "motorcycle": _Shape(40, 20, (), (), (0.16, 0.84), 7.0),
    "bicycle": _Shape(36, 20, (), (), (0.17, 0.83), 7.6),
}
KINDS = frozenset(_SHAPES)
TWO_WHEELED = frozenset({"motorcycle", "bicycle"})


@dataclass(frozen=True)
class Vehicle:
    """A vehicle on the stage: `x` is its middle, `tilt` in degrees turns it clockwise, `crumple` 0..1 dents it."""

    kind: str
    colour: RGB
    x: float
    ground: float
    size: float = 1.0
    facing: int = 1
    tilt: float = 0.0
    lift: float = 0.0
    crumple: float = 0.0
    rolled: float = 0.0  # distance driven, turns the wheels
    lights_on: bool = False
    siren: float | None = None  # time in seconds while the blue light is on

    @property
    def depth(self) -> float:
        """Order of drawing."""
        return self.ground - 0.5

    @property
    def length(self) -> float:
        """Length in stage units."""
        return _SHAPES[self.kind].length * self.size

    @property
    def height(self) -> float:
        """Height in stage units."""
        return _SHAPES[self.kind].height * self.size

    @property
    def front(self) -> float:
        """Where its front is across."""
        return self.x + self.facing * self.length / 2

    def at(self, along: float, above: float) -> Point:
        """Map a share of (length from the rear, height from the ground) to the stage."""
        if self.crumple and along > 0.6:
            along -= (along - 0.6) * 0.55 * self.crumple
            above += 0.12 * self.crumple * (along - 0.6) * (1 if above > 0.4 else 0)
        point = (self.x + self.facing * (along - 0.5) * self.length, self.ground - self.lift - above * self.height)
        return turn(point, self.tilt, (self.x, self.ground - self.lift - self.height / 2)) if self.tilt else point

    def draw(self, pen: Pen) -> None:
        """Draw lights, body, glass and wheels."""
        if not self.lift and not self.tilt:
            half = self.length / 2
            pen.rect(self.x - half, self.ground - 2, self.x + half, self.ground + 1.4, _TYRE, 0.35)
        if self.lights_on:
            self._draw_beam(pen)
        if self.kind in TWO_WHEELED:
            self._draw_frame(pen)
        else:
            self._draw_body(pen)
        self._draw_wheels(pen)

    def _draw_body(self, pen: Pen) -> None:
        shape = _SHAPES[self.kind]
        pen.poly([self.at(*point) for point in shape.outline], self.colour)
        pen.polys([[self.at(*point) for point in pane] for pane in shape.glass], _GLASS)
        pen.line([self.at(0.03, 0.32), self.at(0.97, 0.32)], 1.6 * self.size, shade(self.colour, 0.7))
        pen.circle(self.at(0.975, 0.4), 2.0 * self.size, _HEADLIGHT, glow=self.lights_on)
        pen.circle(self.at(0.02, 0.45), 1.8 * self.size, _TAILLIGHT, glow=self.lights_on)
        if self.kind == "taxi":
            pen.poly([self.at(x, y) for x, y in ((0.4, 0.99), (0.4, 1.14), (0.54, 1.14), (0.54, 0.99))], (30, 30, 30))
        if self.kind == "police-car":
            self._draw_siren(pen)

    def _draw_siren(self, pen: Pen) -> None:
        pen.poly([self.at(x, y) for x, y in ((0.02, 0.3), (0.02, 0.5), (0.98, 0.46), (0.98, 0.3))], (24, 52, 150))
        on = self.siren is not None and int(self.siren * 5) % 2 == 0
        pen.circle(self.at(0.42, 1.04), 3.2 * self.size, (40, 90, 255) if on else (60, 70, 140), glow=on)
        pen.circle(self.at(0.52, 1.04), 3.2 * self.size, (255, 40, 40) if not on else (140, 50, 50), glow=not on)
        if self.siren is not None:
            pen.circle(self.at(0.47, 1.04), 13 * self.size, (40, 90, 255) if on else (255, 40, 40), 0.22, glow=True)

    def _draw_frame(self, pen: Pen) -> None:
        """A motorcycle's tank and seat or a bicycle's tubes."""
        width = 5.0 if self.kind == "motorcycle" else 2.0
        rear, front = self.at(0.17, 0.36), self.at(0.83, 0.36)
        saddle, bar, crank = self.at(0.36, 0.86), self.at(0.72, 1.1), self.at(0.47, 0.36)
        pen.lines(
            [(rear, saddle, crank, rear), (crank, self.at(0.68, 0.8), saddle), (front, bar)],
            width * 0.62 * self.size,
            self.colour,
        )
        pen.line((saddle, self.at(0.68, 0.82)), width * self.size, self.colour)
        pen.line((bar, self.at(0.66, 1.14)), 1.8 * self.size, _TYRE)

    def _draw_wheels(self, pen: Pen) -> None:
        shape = _SHAPES[self.kind]
        radius = shape.wheel_radius * self.size
        hubs = [self.at(along, radius / self.height) for along in shape.wheels]
        angle = self.rolled / max(radius, 1) * 57.3 * self.facing
        thin = self.kind in TWO_WHEELED
        for hub in hubs:
            if thin:
                ring = [turn((hub[0] + radius - 1, hub[1]), step, hub) for step in range(0, 361, 24)]
                pen.line(ring, 2.2 * self.size, _TYRE)
            else:
                pen.circle(hub, radius, _TYRE)
                pen.circle(hub, radius * 0.5, _RIM)
            spoke = turn((hub[0] + radius * 0.7, hub[1]), angle, hub)
            pen.line((turn(spoke, 180, hub), spoke), 1.0 * self.size, (90, 92, 96))

    def _draw_beam(self, pen: Pen) -> None:
        start = self.at(1.0, 0.42)
        reach = 46 * self.size * self.facing
        pen.poly(
            [start, (start[0] + reach, start[1] - 5), (start[0] + reach, self.ground + 3)],
            (255, 240, 170),
            0.28,
            glow=True,
        )


def length_of(kind: str) -> float:
    """Return the length of a kind of vehicle in stage units at size 1."""
    return _SHAPES[kind].length
