"""Fire, smoke, blasts, splashes and marks: all follow from time and a phase, so a frame needs no history."""

import math
from dataclasses import dataclass

from svta_resources.video.procedural.pen import RGB, Pen, Point, mix, turn, wave

_FLAME_LAYERS: tuple[tuple[float, RGB], ...] = ((1.0, (232, 62, 14)), (0.72, (255, 146, 22)), (0.42, (255, 232, 110)))
_GOLDEN = 0.618034  # spreads phases evenly


def _spread(number: int, phase: float = 0.0) -> float:
    """Return the `number`-th of well-spread values in 0..1."""
    return (number * _GOLDEN + phase) % 1.0


@dataclass(frozen=True)
class Flame:
    """A fire `wide` and `high` on the ground at `x`."""

    x: float
    ground: float
    wide: float
    high: float
    time: float
    phase: float = 0.0

    @property
    def depth(self) -> float:
        """Order of drawing."""
        return self.ground + 0.2

    def draw(self, pen: Pen) -> None:
        """Draw a glow and three layers of tongues."""
        if self.high < 1:
            return
        for share, alpha in ((1.15, 0.08), (0.8, 0.14)):  # a soft glow
            pen.circle((self.x, self.ground - self.high * 0.35), self.wide * share, (255, 130, 20), alpha, glow=True)
        for share, colour in _FLAME_LAYERS:
            pen.polys([self._tongue(number, share) for number in range(5)], colour, glow=True)

    def _tongue(self, number: int, share: float) -> list[Point]:
        offset = (number - 2) / 2
        flicker = 0.72 + 0.28 * wave(self.time, 2.6 + 0.7 * number, _spread(number, self.phase))
        high = self.high * share * flicker * (1 - 0.4 * abs(offset))
        middle = self.x + offset * self.wide * 0.36 * share
        tip = middle + wave(self.time, 1.9, _spread(number, self.phase + 0.3)) * self.wide * 0.13
        half = self.wide * 0.24 * share
        base = self.ground
        return [
            (middle - half, base),
            (middle - half * 1.15, base - high * 0.35),
            (tip - half * 0.35, base - high * 0.75),
            (tip, base - high),
            (tip + half * 0.5, base - high * 0.7),
            (middle + half * 1.15, base - high * 0.33),
            (middle + half, base),
        ]


@dataclass(frozen=True)
class Smoke:
    """A column of smoke that rises from (x, ground); `dark` 0 (white) .. 1 (black)."""

    x: float
    ground: float
    wide: float
    high: float
    time: float
    phase: float = 0.0
    dark: float = 0.5
    puffs: int = 10
    drift: float = 0.25

    @property
    def depth(self) -> float:
        """Order of drawing."""
        return self.ground + 0.3

    def draw(self, pen: Pen) -> None:
        """Draw puffs that rise, grow and thin out."""
        colour = mix((226, 226, 228), (46, 44, 46), self.dark)
        for number in range(self.puffs):
            age = (_spread(number, self.phase) + self.time * 0.4) % 1.0
            radius = self.wide * (0.22 + 0.42 * age)
            x = self.x + self.high * self.drift * age * age + wave(self.time, 0.6, _spread(number)) * self.wide * 0.22
            puff = (x, self.ground - self.high * age)
            pen.circle(puff, radius, mix(colour, (236, 236, 238), 0.25 * (number % 3)), 0.85 * (1 - age * 0.75))


@dataclass(frozen=True)
class Blast:
    """An explosion: flash, ball of fire, shock ring and debris; `age` in seconds since it went off."""

    x: float
    ground: float
    size: float
    age: float
    phase: float = 0.0

    depth = 200.0

    def draw(self, pen: Pen) -> None:
        """Draw what is left of it at its age."""
        if self.age < 0:
            return
        centre = (self.x, self.ground - self.size * 0.42)
        grow = 1 - math.exp(-6 * self.age)
        fade = max(0.0, 1 - self.age / 1.5)
        if fade > 0:
            self._draw_ball(pen, centre, self.size * (0.35 + 0.65 * grow), fade)
        self._draw_debris(pen, centre)
        if self.age < 0.14:
            pen.circle(centre, self.size * 1.5, (255, 252, 226), 0.85, glow=True)

    def _draw_ball(self, pen: Pen, centre: Point, radius: float, fade: float) -> None:
        spikes = []
        for step in range(22):
            reach = radius * (1.05 if step % 2 else 0.72 + 0.12 * wave(self.age, 3, _spread(step)))
            spikes.append(turn((centre[0] + reach, centre[1]), step * 360 / 22 + self.phase * 90, centre))
        pen.poly(spikes, (236, 74, 16), 0.35 + 0.65 * fade, glow=True)
        pen.circle(centre, radius * 0.66, (255, 158, 26), 0.3 + 0.7 * fade, glow=True)
        pen.circle(centre, radius * 0.38 * fade, (255, 242, 160), fade, glow=True)

    def _draw_debris(self, pen: Pen, centre: Point) -> None:
        pieces = []
        for number in range(14):
            angle = 20 + 140 * _spread(number, self.phase)
            speed = self.size * (1.2 + 1.6 * _spread(number * 3 + 1))
            x = centre[0] - math.cos(math.radians(angle)) * speed * self.age
            y = centre[1] - math.sin(math.radians(angle)) * speed * self.age + 70 * self.age * self.age
            pieces.append((x, min(y, self.ground + 2)))
        pen.dots(pieces, 3.4, (44, 36, 32))


@dataclass(frozen=True)
class Burst:
    """A star where something hits something; lives a third of a second."""

    at: Point
    size: float
    age: float
    colour: RGB = (255, 236, 90)

    depth = 190.0

    def draw(self, pen: Pen) -> None:
        """Draw it while it lives."""
        if not 0 <= self.age < 0.34:
            return
        star = []
        for step in range(16):
            reach = self.size * (1.0 if step % 2 else 0.42) * (0.7 + self.age)
            star.append(turn((self.at[0] + reach, self.at[1]), step * 22.5 + 8, self.at))
        pen.poly(star, self.colour, glow=True)


@dataclass(frozen=True)
class Spray:
    """Bits that fly up from a point and fall (glass, water, dust); `age` in seconds."""

    at: Point
    size: float
    age: float
    colour: RGB
    count: int = 16
    phase: float = 0.0

    depth = 180.0

    def draw(self, pen: Pen) -> None:
        """Draw it for one second."""
        if not 0 <= self.age < 1.0:
            return
        bits = []
        for number in range(self.count):
            angle = math.radians(15 + 150 * _spread(number, self.phase))
            speed = self.size * (1.4 + 2.0 * _spread(number * 5 + 2))
            x = self.at[0] + math.cos(angle) * speed * self.age
            y = self.at[1] - math.sin(angle) * speed * self.age + 85 * self.age * self.age
            bits.append((x, y))
        pen.dots(bits, 2.6, self.colour, 1 - self.age * 0.6)


@dataclass(frozen=True)
class Trail:
    """A straight streak (a bullet's path, a thrown thing's way)."""

    start: Point
    end: Point
    colour: RGB
    width: float = 1.2

    depth = 185.0

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        pen.line((self.start, self.end), self.width, self.colour, glow=True)


@dataclass(frozen=True)
class Marks:
    """Small signs around somebody: "z" of a sleeper, "note" of a dancer, "arc" of somebody who turns,
    "shake" beside somebody who trembles."""

    kind: str
    at: Point
    size: float
    time: float

    depth = 195.0

    def draw(self, pen: Pen) -> None:
        """Draw three signs that rise one after another."""
        if self.kind == "arc":
            self._draw_arcs(pen)
            return
        if self.kind == "shake":
            self._draw_shake(pen)
            return
        for number in range(3):
            age = (self.time * 0.5 + number / 3) % 1.0
            x = self.at[0] + self.size * (0.5 + 1.6 * age) * (1 if self.kind == "z" or number % 2 else -1.2)
            y = self.at[1] - self.size * 2.4 * age
            self._draw_sign(pen, (x, y), self.size * (0.5 + 0.4 * age))

    def _draw_sign(self, pen: Pen, at: Point, size: float) -> None:
        x, y = at
        if self.kind == "z":
            corners = [(x, y - size), (x + size, y - size), (x, y), (x + size, y)]
            pen.line(corners, size * 0.24, (70, 110, 250), glow=True)
        else:
            pen.line(
                [(x, y), (x, y - size * 1.5), (x + size * 0.6, y - size * 1.2)], size * 0.22, (250, 60, 200), glow=True
            )
            pen.circle((x - size * 0.25, y), size * 0.36, (250, 60, 200), glow=True)

    def _draw_shake(self, pen: Pen) -> None:
        """Draw three short bows that jump outwards; a negative size opens them to the left."""
        out = self.size * (0.3 * (int(self.time * 10) % 2))
        bows = []
        for number in range(3):
            x, half = self.at[0] + out + number * 0.55 * self.size, abs(self.size) * (0.5 + 0.25 * number)
            bows.append([(x, self.at[1] - half), (x + 0.3 * self.size, self.at[1]), (x, self.at[1] + half)])
        pen.lines(bows, 1.3, (250, 250, 250), glow=True)

    def _draw_arcs(self, pen: Pen) -> None:
        arcs = []
        for start in (0.0, 180.0):
            first = start + self.time * 360
            arc = []
            for step in range(9):
                angle = math.radians(first + step * 14)
                arc.append((self.at[0] + math.cos(angle) * self.size, self.at[1] + math.sin(angle) * self.size * 0.28))
            arcs.append(arc)
        pen.lines(arcs, 2.0, (250, 190, 30), glow=True)


@dataclass(frozen=True)
class Stain:
    """What somebody who moves `way` leaves on the ground behind `x`: "drops" of blood or "scuffs" of dragged feet."""

    kind: str
    x: float
    ground: float
    way: int

    depth = 60.0

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        if self.kind == "drops":
            pen.dots(
                [(self.x - self.way * step, self.ground + step % 3) for step in range(16, 100, 17)], 5, (190, 16, 24)
            )
            return
        back = self.x - self.way * 90
        pen.lines([[(self.x, y), (back, y)] for y in (self.ground - 2, self.ground + 2)], 1.4, (70, 62, 58))


@dataclass(frozen=True)
class Weather:
    """Rain or snow over the whole picture."""

    kind: str
    width: float
    time: float
    phase: float = 0.0

    depth = 300.0

    def draw(self, pen: Pen) -> None:
        """Draw streaks or flakes that fall and wrap around."""
        if self.kind == "rain":
            streaks = []
            for number in range(46):
                x, y = self._fall(number, 230, -40)
                streaks.append([(x, y), (x - 1.8, y + 9)])
            pen.lines(streaks, 0.7, (196, 212, 236), 0.75)
        else:
            flakes = [self._fall(number, 34, 10 * wave(self.time, 0.4, _spread(number))) for number in range(54)]
            pen.dots(flakes, 2.3, (255, 255, 255), 0.95)

    def _fall(self, number: int, speed: float, drift: float) -> Point:
        x = (_spread(number, self.phase) * self.width * 1.2 + drift * self.time) % (self.width * 1.2) - self.width * 0.1
        y = (
            _spread(number * 7 + 3, self.phase) * 124 + speed * self.time * (0.8 + 0.4 * _spread(number * 3))
        ) % 124 - 8
        return x, y
