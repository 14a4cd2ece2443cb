"""Things people hold, use, and that stand around."""

import math
from dataclasses import dataclass

from svta_resources.video.procedural.pen import RGB, Pen, Point, shade, turn

_METAL: RGB = (188, 194, 202)
_WOOD: RGB = (150, 96, 48)
_DARK: RGB = (24, 24, 28)
_BRUSH: RGB = (214, 176, 70)


@dataclass(frozen=True)
class Held:
    """Something in a hand at `at`, pointing `degrees` on the screen (0: right, 90: down)."""

    kind: str
    at: Point
    degrees: float
    size: float
    depth: float = 150.0
    colour: RGB | None = None

    def draw(self, pen: Pen) -> None:
        """Draw the thing."""
        _HELD[self.kind](self, pen)

    def out(self, ahead: float, aside: float = 0.0) -> Point:
        """Step from the hand: ahead along its direction, aside clockwise from it (in sizes)."""
        angle = math.radians(self.degrees)
        cosine, sine = math.cos(angle), math.sin(angle)
        return (
            self.at[0] + (ahead * cosine - aside * sine) * self.size,
            self.at[1] + (ahead * sine + aside * cosine) * self.size,
        )


def _gun(thing: Held, pen: Pen) -> None:
    below = (
        0.12 if math.cos(math.radians(thing.degrees)) >= 0 else -0.12
    )  # the grip hangs down, whichever way it points
    pen.line([thing.out(-0.02, below), thing.out(0.0, 0.0), thing.out(0.26, 0.0)], 0.07 * thing.size, _DARK)


def _knife(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(0.0), thing.out(0.06)], 0.06 * thing.size, _DARK)
    pen.poly([thing.out(0.06, -0.035), thing.out(0.3, 0.0), thing.out(0.06, 0.035)], (232, 238, 246))


def _bat(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(-0.04), thing.out(0.2)], 0.045 * thing.size, _WOOD)
    pen.line([thing.out(0.2), thing.out(0.46)], 0.08 * thing.size, _WOOD)


def _crowbar(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(-0.1), thing.out(0.3), thing.out(0.34, 0.08)], 0.05 * thing.size, (70, 78, 96))


def _bottle(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(0.02), thing.out(0.13)], 0.1 * thing.size, (36, 120, 60))
    pen.line([thing.out(0.13), thing.out(0.23)], 0.045 * thing.size, (36, 120, 60))


def _can(thing: Held, pen: Pen) -> None:
    corners = [thing.out(a, b) for a, b in ((0.0, -0.11), (0.26, -0.11), (0.26, 0.11), (0.0, 0.11))]
    pen.poly(corners, thing.colour or (214, 30, 30))
    pen.line([thing.out(0.26, -0.08), thing.out(0.34, -0.16)], 0.04 * thing.size, _DARK)


def _torch(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(-0.05), thing.out(0.22)], 0.05 * thing.size, _WOOD)
    tip = thing.out(0.3)
    pen.circle(tip, 0.12 * thing.size, (255, 120, 16), glow=True)
    pen.circle(tip, 0.06 * thing.size, (255, 236, 120), glow=True)


def _flashlight(thing: Held, pen: Pen) -> None:
    pen.poly([thing.out(0.1), thing.out(1.3, -0.3), thing.out(1.3, 0.3)], (255, 246, 180), 0.35, glow=True)
    pen.line([thing.out(0.0), thing.out(0.12)], 0.06 * thing.size, _DARK)


def _bag(thing: Held, pen: Pen) -> None:
    x, y = thing.at
    size = thing.size
    colour = thing.colour or (150, 84, 40)
    pen.line(
        [(x - 0.06 * size, y + 0.1 * size), (x, y), (x + 0.06 * size, y + 0.1 * size)], 0.025 * size, shade(colour, 0.6)
    )
    pen.poly(
        [(x - 0.13 * size, y + 0.27 * size), (x - 0.1 * size, y + 0.09 * size), (x + 0.1 * size, y + 0.09 * size),
         (x + 0.13 * size, y + 0.27 * size)],
        colour,
    )  # fmt: skip


def _phone(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(-0.02), thing.out(0.1)], 0.07 * thing.size, _DARK)
    pen.line([thing.out(0.0), thing.out(0.08)], 0.04 * thing.size, (150, 220, 255), glow=True)


def _ball(thing: Held, pen: Pen) -> None:
    pen.circle(thing.at, 0.085 * thing.size, thing.colour or (250, 120, 20))
    pen.circle((thing.at[0] - 0.02 * thing.size, thing.at[1] - 0.03 * thing.size), 0.03 * thing.size, (255, 226, 190))


def _stick(thing: Held, pen: Pen) -> None:
    pen.line([thing.at, (thing.at[0] + 0.06 * thing.size, thing.at[1] + 0.42 * thing.size)], 0.045 * thing.size, _WOOD)


def _umbrella(thing: Held, pen: Pen) -> None:
    x, y = thing.at
    size = thing.size
    pen.line([(x, y), (x, y - 0.5 * size)], 0.03 * size, _DARK)
    dome = [turn((x - 0.36 * size, y - 0.42 * size), step * 18, (x, y - 0.42 * size)) for step in range(11)]
    pen.poly(dome, thing.colour or (120, 60, 170))


def _hose(thing: Held, pen: Pen) -> None:
    pen.line([thing.out(-0.05), thing.out(0.18)], 0.08 * thing.size, (210, 30, 30))
    pen.poly([thing.out(0.2), thing.out(1.1, -0.12), thing.out(1.1, 0.12)], (226, 240, 255), 0.7)


def _box(thing: Held, pen: Pen) -> None:
    corners = ((-0.14, -0.12), (0.14, -0.12), (0.14, 0.12), (-0.14, 0.12))
    pen.poly(
        [(thing.at[0] + a * thing.size, thing.at[1] + b * thing.size) for a, b in corners],
        thing.colour or (196, 150, 92),
    )


def _broom(thing: Held, pen: Pen) -> None:
    x, y = thing.at
    foot = (x + 0.2 * thing.size, y + 0.42 * thing.size)
    pen.line([(x - 0.1 * thing.size, y - 0.21 * thing.size), foot], 0.035 * thing.size, _WOOD)
    pen.line([(foot[0] - 0.1 * thing.size, foot[1]), (foot[0] + 0.1 * thing.size, foot[1])], 0.07 * thing.size, _BRUSH)


def _chair_in_hand(thing: Held, pen: Pen) -> None:
    strokes = [[thing.out(-0.16, 0.0), thing.out(0.18, 0.0)], [thing.out(0.0, 0.0), thing.out(0.0, 0.2)],
               [thing.out(0.18, 0.0), thing.out(0.18, 0.2)], [thing.out(0.0, 0.0), thing.out(0.0, -0.24)]]  # fmt: skip
    pen.lines(strokes, 0.05 * thing.size, _WOOD)


def _barbell(thing: Held, pen: Pen) -> None:
    half = 0.5 * thing.size
    x, y = thing.at
    pen.line([(x - half, y), (x + half, y)], 0.04 * thing.size, _METAL)
    plates = [[(x + side, y - 0.15 * thing.size), (x + side, y + 0.15 * thing.size)] for side in (-half, half)]
    pen.lines(plates, 0.1 * thing.size, _DARK)


_HELD = {
    "broom": _broom,
    "chair": _chair_in_hand,
    "barbell": _barbell,
    "gun": _gun,
    "knife": _knife,
    "bat": _bat,
    "crowbar": _crowbar,
    "bottle": _bottle,
    "can": _can,
    "torch": _torch,
    "flashlight": _flashlight,
    "bag": _bag,
    "phone": _phone,
    "ball": _ball,
    "stick": _stick,
    "umbrella": _umbrella,
    "hose": _hose,
    "box": _box,
}


@dataclass(frozen=True)
class Placed:
    """Something that stands on the ground at `x`, about `size` high."""

    kind: str
    x: float
    ground: float
    size: float
    colour: RGB = _WOOD
    state: float = 0.0  # 0 whole .. 1 done (broken, open, painted)

    @property
    def depth(self) -> float:
        """Order of drawing: just behind people on the same ground."""
        return self.ground - 1

    def draw(self, pen: Pen) -> None:
        """Draw the thing."""
        _PLACED[self.kind](self, pen)

    def at(self, across: float, above: float) -> Point:
        """Map shares of the size to the stage."""
        return self.x + across * self.size, self.ground - above * self.size

    def corners(self, left: float, low: float, right: float, high: float) -> list[Point]:
        """Return a rectangle in shares of the size."""
        return [self.at(left, low), self.at(left, high), self.at(right, high), self.at(right, low)]


def _bench(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-1.0, 0.42, 1.0, 0.56), thing.colour)
    pen.polys([thing.corners(-0.9, 0, -0.78, 0.45), thing.corners(0.78, 0, 0.9, 0.45)], _DARK)
    pen.poly(thing.corners(-1.0, 0.78, 1.0, 0.95), shade(thing.colour, 0.85))


def _bed(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-1.15, 0.0, 1.15, 0.3), (104, 66, 40))
    pen.poly(thing.corners(-1.1, 0.3, 1.1, 0.5), (236, 236, 242))
    pen.poly(thing.corners(-1.2, 0.0, -1.1, 0.85), (88, 54, 32))
    pen.oval(*thing.at(-1.05, 0.72), *thing.at(-0.6, 0.46), (250, 250, 255))


def _table(thing: Placed, pen: Pen) -> None:
    pen.polys([thing.corners(-0.7, 0, -0.6, 0.7), thing.corners(0.6, 0, 0.7, 0.7)], shade(thing.colour, 0.7))
    pen.poly(thing.corners(-0.85, 0.68, 0.85, 0.8), thing.colour)


def _counter(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-1.1, 0.0, 1.1, 0.95), shade(thing.colour, 0.8))
    pen.poly(thing.corners(-1.18, 0.92, 1.18, 1.06), thing.colour)
    pen.poly(thing.corners(-0.1, 1.06, 0.34, 1.36), (64, 66, 74))


def _shelf(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-0.5, 0.0, 0.5, 1.6), (196, 176, 146))
    goods: tuple[RGB, ...] = ((226, 60, 60), (60, 120, 220), (246, 200, 40), (60, 170, 90))
    for row in range(4):
        low = 0.08 + row * 0.38
        taken = thing.state > 0 and row == 2
        boxes = [
            thing.corners(-0.42 + n * 0.22, low, -0.26 + n * 0.22, low + 0.24)
            for n in range(4)
            if not (taken and n == 3)
        ]
        pen.polys(boxes, goods[row])
        pen.line([thing.at(-0.5, low - 0.03), thing.at(0.5, low - 0.03)], 1.0, (110, 84, 56))


def _window(thing: Placed, pen: Pen) -> None:
    """A wall's window or glass door; broken from state 0.5 on."""
    pen.poly(thing.corners(-0.55, 0.0, 0.55, 1.3), (92, 70, 52))
    pen.poly(thing.corners(-0.46, 0.08, 0.46, 1.22), (150, 200, 226))
    if thing.state >= 0.5:
        hole = []
        for step in range(14):
            reach = 0.42 if step % 2 else 0.2
            angle = math.radians(step * 360 / 14)
            hole.append(thing.at(math.cos(angle) * reach, 0.66 + math.sin(angle) * reach * 1.15))
        pen.poly(hole, (16, 18, 26))


def _door(thing: Placed, pen: Pen) -> None:
    """A house door with its frame, opening as state goes to 1."""
    pen.poly(thing.corners(-0.5, 0.0, 0.5, 1.75), (236, 226, 206))
    pen.poly(thing.corners(-0.4, 0.0, 0.4, 1.65), (14, 14, 18))
    right = 0.4 - 0.5 * min(1.0, thing.state)
    pen.poly(thing.corners(-0.4, 0.0, right, 1.65), (116, 60, 30))
    pen.circle(thing.at(right - 0.1, 0.8), 1.6, (240, 210, 90))


def _bin(thing: Placed, pen: Pen) -> None:
    pen.poly([thing.at(-0.3, 0), thing.at(-0.38, 0.8), thing.at(0.38, 0.8), thing.at(0.3, 0)], (60, 84, 72))


def _heap(thing: Placed, pen: Pen) -> None:
    pen.poly(
        [thing.at(-0.9, 0), thing.at(-0.5, 0.4), thing.at(0.1, 0.55), thing.at(0.6, 0.32), thing.at(0.95, 0)],
        (70, 52, 40),
    )
    pen.polys([thing.corners(-0.6, 0, -0.15, 0.34), thing.corners(0.0, 0, 0.5, 0.4)], (146, 104, 60))


def _pole(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-0.05, 0, 0.05, 2.6), (80, 84, 90))
    pen.circle(thing.at(0, 2.6), 0.16 * thing.size, (255, 240, 180), glow=True)


def _traffic_light(thing: Placed, pen: Pen) -> None:
    pen.poly(thing.corners(-0.04, 0, 0.04, 1.6), (60, 62, 66))
    pen.poly(thing.corners(-0.16, 1.4, 0.16, 2.1), (30, 32, 34))
    red = thing.state < 0.5
    pen.circle(thing.at(0, 1.93), 0.13 * thing.size, (255, 36, 30) if red else (70, 24, 24), glow=red)
    pen.circle(thing.at(0, 1.58), 0.13 * thing.size, (24, 70, 34) if red else (40, 240, 90), glow=not red)


def _stone(thing: Placed, pen: Pen) -> None:
    pen.oval(*thing.at(-0.3, 0.3), *thing.at(0.3, -0.05), (92, 88, 84))


def _puddle(thing: Placed, pen: Pen) -> None:
    pen.oval(*thing.at(-1.0, 0.16), *thing.at(1.0, -0.16), (150, 200, 236), 0.9)


def _ladder(thing: Placed, pen: Pen) -> None:
    rungs = [[thing.at(-0.16, 0.2 + 0.28 * n), thing.at(0.16, 0.2 + 0.28 * n)] for n in range(8)]
    pen.lines(
        [[thing.at(-0.18, 0), thing.at(-0.18, 2.5)], [thing.at(0.18, 0), thing.at(0.18, 2.5)], *rungs],
        1.8,
        (220, 190, 60),
    )


def _trampoline(thing: Placed, pen: Pen) -> None:
    dip = thing.state * 0.2
    pen.lines([[thing.at(-0.9, 0), thing.at(-0.9, 0.4)], [thing.at(0.9, 0), thing.at(0.9, 0.4)]], 2.0, (60, 64, 70))
    pen.line([thing.at(-1, 0.42), thing.at(0, 0.42 - dip), thing.at(1, 0.42)], 3.2, (30, 60, 190))


def _graffiti(thing: Placed, pen: Pen) -> None:
    """A wall piece; the painting grows with state."""
    pen.poly(thing.corners(-0.9, 0.0, 0.9, 1.5), (206, 196, 180))
    strokes: tuple[tuple[RGB, tuple[Point, ...]], ...] = (
        ((236, 30, 120), ((-0.7, 0.4), (-0.6, 1.2), (-0.3, 0.5), (-0.2, 1.2))),
        ((30, 190, 240), ((0.0, 0.4), (0.1, 1.25), (0.4, 1.2), (0.1, 0.8), (0.5, 0.45))),
        ((120, 220, 30), ((-0.75, 0.3), (0.2, 0.22), (0.75, 0.35))),
    )
    for number, (colour, points) in enumerate(strokes):
        shown = max(0, min(len(points), round(thing.state * 14) - 4 * number))
        if shown > 1:
            pen.line([thing.at(*point) for point in points[:shown]], 0.1 * thing.size, colour)


def _chair(thing: Placed, pen: Pen) -> None:
    pen.polys(
        [thing.corners(-0.3, 0, -0.2, 1.0), thing.corners(0.24, 0, 0.34, 0.45), thing.corners(-0.3, 0.42, 0.36, 0.54)],
        thing.colour,
    )


def _trolley(thing: Placed, pen: Pen) -> None:
    pen.poly([thing.at(-0.42, 0.75), thing.at(0.46, 0.68), thing.at(0.34, 0.28), thing.at(-0.3, 0.28)], _METAL)
    pen.line([thing.at(-0.42, 0.75), thing.at(-0.56, 0.86)], 2.0, (200, 40, 40))
    pen.dots([thing.at(-0.24, 0.08), thing.at(0.3, 0.08)], 4.6, _DARK)


def _dog(thing: Placed, pen: Pen) -> None:
    """An animal facing right for a positive size, left for a negative; state is the phase of its gait in turns."""
    size = abs(thing.size)
    way = 1 if thing.size > 0 else -1
    swing = math.sin(thing.state * 2 * math.pi) * 0.16

    def spot(across: float, above: float) -> Point:
        return thing.x + way * across * size, thing.ground - above * size

    legs = [
        [spot(hip, 0.45), spot(hip + side * swing, 0.0)]
        for hip, side in ((-0.42, 1), (-0.3, -1), (0.32, -1), (0.44, 1))
    ]
    pen.lines(legs, 0.13 * size, shade(thing.colour, 0.75))
    pen.line([spot(-0.4, 0.55), spot(0.4, 0.58)], 0.3 * size, thing.colour)
    if thing.kind == "horse":  # a long neck, a mane, a hanging tail
        pen.line([spot(-0.52, 0.6), spot(-0.62, 0.2)], 0.09 * size, shade(thing.colour, 0.5))
        pen.line([spot(0.4, 0.62), spot(0.6, 1.05), spot(0.82, 0.92)], 0.19 * size, thing.colour)
        pen.line([spot(0.38, 0.75), spot(0.54, 1.14)], 0.07 * size, shade(thing.colour, 0.5))
        return
    pen.line([spot(-0.52, 0.62), spot(-0.8, 0.92)], 0.09 * size, thing.colour)
    pen.line([spot(0.5, 0.75), spot(0.72, 0.82)], 0.24 * size, thing.colour)
    pen.line([spot(0.56, 0.96), spot(0.5, 0.8)], 0.1 * size, shade(thing.colour, 0.6))


_PLACED = {
    "bench": _bench,
    "bed": _bed,
    "table": _table,
    "counter": _counter,
    "shelf": _shelf,
    "window": _window,
    "door": _door,
    "bin": _bin,
    "heap": _heap,
    "pole": _pole,
    "traffic-light": _traffic_light,
    "stone": _stone,
    "puddle": _puddle,
    "ladder": _ladder,
    "trampoline": _trampoline,
    "graffiti": _graffiti,
    "chair": _chair,
    "trolley": _trolley,
    "dog": _dog,
    "cat": _dog,
    "horse": _dog,
}
