"""Articulated people: a pose is a handful of angles, drawn as thick rounded strokes.

Lengths are in body heights, angles in radians; 0 hangs down, positive swings forward (the way the figure faces).
"""

import math
from dataclasses import dataclass
from typing import Any

from svta_resources.video.sketch.scene import Colour, Person

THIGH, SHIN, TORSO, UPPER_ARM, FOREARM, HEAD = 0.25, 0.25, 0.32, 0.17, 0.16, 0.085
Limb = tuple[float, float]  # angle of the first bone, bend of the second


@dataclass(frozen=True)
class Pose:
    """Where a figure is and how it holds itself. `x` in widths of the stage, `lift` in body heights above the ground,
    `roll` turns the whole body about its feet (pi/2 lies flat), `facing` is +1 (right) or -1."""

    x: float
    lift: float = 0.0
    roll: float = 0.0
    lean: float = 0.0
    arms: tuple[Limb, Limb] = ((0.15, 0.2), (-0.15, 0.2))
    legs: tuple[Limb, Limb] = ((0.08, 0.0), (-0.08, 0.0))
    facing: float = 1.0
    width: float = 1.0  # how wide the body shows: < 1 while it turns about its axis
    depth: float = 0.0  # 0 on the front line, 1 far


@dataclass(frozen=True)
class Joints:
    """Points of a pose in body heights, feet line at y = 0, y up."""

    hip: tuple[float, float]
    neck: tuple[float, float]
    head: tuple[float, float]
    arms: tuple[tuple[tuple[float, float], ...], ...]
    legs: tuple[tuple[tuple[float, float], ...], ...]


def joints(pose: Pose) -> Joints:
    """Forward kinematics; the lowest point of the standing body touches the ground."""
    legs = [_limb((0.0, 0.0), limb, THIGH, SHIN, -1.0) for limb in pose.legs]
    lowest = min(point[1] for leg in legs for point in leg)
    hip = (0.0, -lowest)
    neck = (hip[0] + math.sin(pose.lean) * TORSO, hip[1] + math.cos(pose.lean) * TORSO)
    head = (neck[0] + math.sin(pose.lean) * HEAD * 1.3, neck[1] + math.cos(pose.lean) * HEAD * 1.3)
    arms = tuple(_limb(neck, limb, UPPER_ARM, FOREARM, 1.0) for limb in pose.arms)
    legs_at_hip = tuple(tuple((x, y + hip[1]) for x, y in leg) for leg in legs)
    return Joints(hip, neck, head, arms, legs_at_hip)


def _limb(
    start: tuple[float, float], limb: Limb, first: float, second: float, bend: float
) -> tuple[tuple[float, float], ...]:
    angle, extra = limb
    middle = (start[0] + math.sin(angle) * first, start[1] - math.cos(angle) * first)
    other = angle + bend * extra
    return start, middle, (middle[0] + math.sin(other) * second, middle[1] - math.cos(other) * second)


class Painter:
    """Draws figures on a skia canvas. `unit` is a grown-up's height in pixels, `ground` the y of the feet."""

    def __init__(self, canvas: Any, width: float, unit: float, ground: float) -> None:
        self.canvas, self.width, self.unit, self.ground = canvas, width, unit, ground

    def place(self, pose: Pose) -> tuple[float, float, float]:
        """Pixel x, y of the feet and the height of a body there."""
        scale = self.unit * (1 - 0.35 * pose.depth)
        return pose.x * self.width, self.ground - 0.35 * self.unit * pose.depth - pose.lift * scale, scale

    def person(self, person: Person, pose: Pose) -> None:
        """Draw one person."""
        x, y, scale = self.place(pose)
        size = scale * person.size
        points = joints(pose)
        centre = TORSO + THIGH
        cos, sin = math.cos(pose.roll), math.sin(pose.roll)

        def at(point: tuple[float, float]) -> tuple[float, float]:
            px, py = point[0] * pose.facing * pose.width, point[1]
            turned = px * cos + py * sin * pose.facing, py * cos - px * sin * pose.facing
            shift = 0.09 * abs(sin) - centre * 0.0
            return x + turned[0] * size, y - (turned[1] + shift) * size

        self._strokes(person, points, at, size)

    def _strokes(self, person: Person, points: Joints, at: Any, size: float) -> None:
        far_leg, near_leg = points.legs[1], points.legs[0]
        far_arm, near_arm = points.arms[1], points.arms[0]
        self._line([at(p) for p in far_arm], _shade(person.clothing, 0.7), 0.07 * size)
        self._line([at(p) for p in far_leg], _shade(person.trousers, 0.75), 0.095 * size)
        self._line([at(p) for p in near_leg], person.trousers, 0.1 * size)
        self._line([at(points.hip), at(points.neck)], person.clothing, 0.19 * size)
        if person.long_hair:
            self._line([at(points.head), at(_mix(points.head, points.hip, 0.45))], person.hair, 0.1 * size)
        self._dot(at(points.head), person.hair, HEAD * 1.12 * size)
        self._dot(at((points.head[0] + 0.022, points.head[1] - 0.012)), person.skin, HEAD * 0.9 * size)
        self._line([at(p) for p in near_arm], _shade(person.clothing, 0.88), 0.075 * size)
        self._dot(at(near_arm[-1]), person.skin, 0.04 * size)
        self._dot(at(far_arm[-1]), person.skin, 0.035 * size)

    def hand(self, person: Person, pose: Pose) -> tuple[float, float]:
        """Pixel position of the near hand of an upright figure."""
        x, y, scale = self.place(pose)
        hand = joints(pose).arms[0][-1]
        return x + hand[0] * pose.facing * scale * person.size, y - hand[1] * scale * person.size

    def _line(self, points: list[tuple[float, float]], colour: Colour, thickness: float) -> None:
        import skia

        path = skia.PathBuilder() if hasattr(skia, "PathBuilder") else skia.Path()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        done = path.detach() if hasattr(path, "detach") else path
        self.canvas.drawPath(done, stroke(colour, thickness))

    def _dot(self, point: tuple[float, float], colour: Colour, radius: float) -> None:
        self.canvas.drawCircle(point[0], point[1], radius, fill(colour))


def fill(colour: Colour, alpha: float = 1.0) -> Any:
    """A filling paint; alpha 0..1."""
    import skia

    return skia.Paint(Color=skia.Color(*colour, round(255 * alpha)), AntiAlias=True)


def stroke(colour: Colour, thickness: float) -> Any:
    """A round-ended line paint."""
    import skia

    return skia.Paint(
        Color=skia.Color(*colour),
        AntiAlias=True,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=thickness,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def _shade(colour: Colour, factor: float) -> Colour:
    return int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor)


def _mix(first: tuple[float, float], second: tuple[float, float], share: float) -> tuple[float, float]:
    return first[0] + (second[0] - first[0]) * share, first[1] + (second[1] - first[1]) * share
