"""Articulated people: a pose is a set of angles, a body puts a dressed figure in that pose on the stage."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from svta_resources.video.procedural.palette import Look
from svta_resources.video.procedural.pen import RGB, Pen, Point, shade

# lengths as shares of a standing figure's height
TORSO, THIGH, SHIN, UPPER_ARM, FOREARM = 0.29, 0.23, 0.23, 0.16, 0.15
HEAD_RADIUS, NECK = 0.095, 0.105
LEG_WIDTH, ARM_WIDTH, TORSO_WIDTH = 0.105, 0.085, 0.19


@dataclass(frozen=True)
class Pose:
    """Angles in degrees, relative to the body: 0 hangs straight down, positive is forward (the way the figure faces).

    Arms and legs are (upper, lower) with the lower one's bend added to the upper: elbows bend forward, knees backward.
    `lean` tilts torso and head, `roll` turns the whole body about the hip (90: flat on the face, -90: on the back),
    `lift` raises the lowest point above the ground (in heights). `near` limbs are drawn in front.
    """

    lean: float = 0.0
    head: float = 0.0
    near_arm: tuple[float, float] = (5.0, 10.0)
    far_arm: tuple[float, float] = (-5.0, 10.0)
    near_leg: tuple[float, float] = (4.0, 2.0)
    far_leg: tuple[float, float] = (-4.0, 2.0)
    roll: float = 0.0
    lift: float = 0.0


def blend(first: Pose, second: Pose, share: float) -> Pose:
    """Return the pose between two poses; `share` of the second."""

    def between(a: float, b: float) -> float:
        return a + (b - a) * share

    def pair(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
        return between(a[0], b[0]), between(a[1], b[1])

    return Pose(
        lean=between(first.lean, second.lean),
        head=between(first.head, second.head),
        near_arm=pair(first.near_arm, second.near_arm),
        far_arm=pair(first.far_arm, second.far_arm),
        near_leg=pair(first.near_leg, second.near_leg),
        far_leg=pair(first.far_leg, second.far_leg),
        roll=between(first.roll, second.roll),
        lift=between(first.lift, second.lift),
    )


@dataclass(frozen=True)
class Joints:
    """Where the parts of a body are, in stage units."""

    hip: Point
    neck: Point
    head: Point
    near_arm: tuple[Point, Point, Point]
    far_arm: tuple[Point, Point, Point]
    near_leg: tuple[Point, Point, Point]
    far_leg: tuple[Point, Point, Point]


@dataclass(frozen=True)
class Body:
    """A figure on the stage.

    Attributes:
        x, ground: where its hip is across, and the height of the ground it stands on (stage units).
        height: standing height in stage units. facing: 1 right, -1 left.
        width: 1 seen from the side or front; smaller narrows it (turning about itself), negative mirrors.
        face: "side", "front" or "back".
    """

    look: Look
    pose: Pose
    x: float
    ground: float
    height: float
    facing: int = 1
    width: float = 1.0
    face: str = "side"
    wounded: str | None = None

    @property
    def depth(self) -> float:
        """Order of drawing: what stands lower in the picture is nearer."""
        return self.ground

    @cached_property
    def joints(self) -> Joints:
        """Where everything is."""
        frame = _Frame(self)
        hip = (0.0, 0.0)
        neck = _polar(hip, 180 - self.pose.lean, TORSO)
        joints = Joints(
            hip=hip,
            neck=neck,
            head=_polar(neck, 180 - self.pose.lean - self.pose.head, NECK),
            near_arm=_limb(neck, self.pose.near_arm, UPPER_ARM, FOREARM, 1),
            far_arm=_limb(neck, self.pose.far_arm, UPPER_ARM, FOREARM, 1),
            near_leg=_limb(hip, self.pose.near_leg, THIGH, SHIN, -1),
            far_leg=_limb(hip, self.pose.far_leg, THIGH, SHIN, -1),
        )
        return frame.place(joints)

    @property
    def hand(self) -> Point:
        """The near hand."""
        return self.joints.near_arm[2]

    @property
    def forearm(self) -> float:
        """Direction of the near forearm in degrees on the screen (0: right, 90: down)."""
        _, elbow, hand = self.joints.near_arm
        return math.degrees(math.atan2(hand[1] - elbow[1], hand[0] - elbow[0]))

    def moved(self, **changes: object) -> "Body":
        """Return a copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def draw(self, pen: Pen) -> None:
        """Draw back to front: far limbs, torso, head, near limbs."""
        look, joints, unit = self.look, self.joints, self.height
        pen.line(joints.far_arm, ARM_WIDTH * unit, shade(look.top, 0.72))
        pen.line(joints.far_leg, LEG_WIDTH * unit, shade(look.bottom, 0.72))
        pen.line(joints.near_leg, LEG_WIDTH * unit, look.bottom)
        self._draw_trunk(pen)
        self._draw_head(pen)
        pen.line(joints.near_arm, ARM_WIDTH * unit, shade(look.top, 0.88))
        pen.dots((joints.near_arm[2], joints.far_arm[2]), 0.075 * unit, look.skin)
        if self.wounded:
            self._draw_wound(pen)

    def _draw_trunk(self, pen: Pen) -> None:
        joints, unit, look = self.joints, self.height, self.look
        low, high = _toward(joints.neck, joints.hip, 0.92), _toward(joints.neck, joints.hip, 0.25)
        if look.bag:
            back = _toward(low, high, 0.75)
            pen.circle((back[0] - self.facing * 0.11 * unit * self.width, back[1]), 0.1 * unit, look.bag)
        pen.line((high, low), TORSO_WIDTH * unit, look.top)
        if look.long:
            flare = 0.6 if look.long == "dress" else 0.42
            knees = (_toward(joints.hip, joints.near_leg[1], 1.0), _toward(joints.hip, joints.far_leg[1], 1.0))
            pen.poly(_skirt(joints.hip, joints.neck, knees, TORSO_WIDTH * unit, flare), look.top)

    def _draw_head(self, pen: Pen) -> None:
        joints, look = self.joints, self.look
        radius = HEAD_RADIUS * self.height
        head, up = joints.head, _unit(joints.neck, joints.head)
        side = (-up[1] * self.facing, up[0] * self.facing)  # forward, seen from the head
        forward = side if self.face == "side" else (0.0, 0.0)

        def at(ahead: float, above: float) -> Point:
            return (
                head[0] + (forward[0] * ahead + up[0] * above) * radius,
                head[1] + (forward[1] * ahead + up[1] * above) * radius,
            )

        if look.long_hair:
            pen.circle(at(-0.45, -0.35), radius * 0.95, look.hair)
        pen.circle(at(-0.12, 0.2), radius * 1.08, look.hair)
        if self.face != "back":
            pen.circle(at(0.18, -0.12), radius * 0.9, look.mask or look.skin)
            across = (-up[1], up[0])
            shift = 0.55 if self.face == "side" else 0.0
            eyes = [at(shift, 0.05)]
            if self.face == "front":
                eyes = [(eyes[0][0] + across[0] * radius * s, eyes[0][1] + across[1] * radius * s) for s in (-0.4, 0.4)]
            pen.dots(eyes, radius * 0.3, (255, 255, 255) if look.mask else (25, 20, 20))
        if look.hat:
            brim = [at(-0.95, 0.5), at(-0.8, 1.25), at(0.5, 1.3), at(0.85, 0.55), at(1.5, 0.45), at(1.4, 0.3)]
            if self.face != "side":
                brim = _cap_from_front(head, up, radius)
            pen.poly(brim, look.hat)

    def _draw_wound(self, pen: Pen) -> None:
        joints, red = self.joints, (200, 15, 25)
        spots: dict[str, Point] = {
            "leg": _toward(joints.near_leg[0], joints.near_leg[1], 0.8),
            "arm": joints.near_arm[1],
            "side": _toward(joints.hip, joints.neck, 0.45),
            "head": _toward(joints.neck, joints.head, 1.5),
        }
        spot = spots[self.wounded or "leg"]
        pen.circle(spot, 0.075 * self.height, (245, 245, 240))
        pen.circle(spot, 0.045 * self.height, red)


class _Frame:
    """Places a body's joints on the stage: roll, facing, size, then feet (or whatever is lowest) on the ground."""

    def __init__(self, body: Body) -> None:
        self._body = body
        roll = math.radians(body.pose.roll)
        self._cosine, self._sine = math.cos(roll), math.sin(roll)

    def place(self, joints: Joints) -> Joints:
        rolled = {name: self._map(getattr(joints, name), self._roll) for name in Joints.__dataclass_fields__}
        padding = {"head": HEAD_RADIUS, "neck": TORSO_WIDTH / 2, "hip": TORSO_WIDTH / 2}
        lowest = max(
            point[1] + padding.get(name, LEG_WIDTH / 2)
            for name, value in rolled.items()
            for point in _points(value)
        )
        return Joints(**{name: self._map(value, lambda p: self._stage(p, lowest)) for name, value in rolled.items()})

    def _map(self, value: object, change: "object") -> object:
        return change(value) if _is_point(value) else tuple(change(point) for point in value)  # type: ignore

    def _roll(self, point: Point) -> Point:
        x, y = point
        return x * self._cosine - y * self._sine, x * self._sine + y * self._cosine

    def _stage(self, point: Point, lowest: float) -> Point:
        body = self._body
        across = point[0] * body.facing * body.width * body.height
        return body.x + across, body.ground + (point[1] - lowest - body.pose.lift) * body.height


def _is_point(value: object) -> bool:
    return isinstance(value, tuple) and isinstance(value[0], float)


def _points(value: object) -> tuple[Point, ...]:
    return (value,) if _is_point(value) else value  # type: ignore[return-value]


def _polar(start: Point, degrees: float, length: float) -> Point:
    """Step from a point: 0 degrees down, 90 forward, 180 up."""
    angle = math.radians(degrees)
    return start[0] + math.sin(angle) * length, start[1] + math.cos(angle) * length


def _limb(start: Point, angles: tuple[float, float], upper: float, lower: float, bend: int) -> tuple[Point, Point, Point]:
    joint = _polar(start, angles[0], upper)
    return start, joint, _polar(joint, angles[0] + bend * angles[1], lower)


def _toward(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _unit(start: Point, end: Point) -> Point:
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down) or 1.0
    return across / length, down / length


def _skirt(hip: Point, neck: Point, knees: tuple[Point, Point], width: float, flare: float) -> list[Point]:
    """Outline what hangs from the waist to the knees, wherever the legs are."""
    down = _unit(neck, hip)
    across = (-down[1], down[0])
    waist = _toward(neck, hip, 0.7)
    offsets = sorted(((knee[0] - hip[0]) * across[0] + (knee[1] - hip[1]) * across[1], knee) for knee in knees)
    (_, first), (_, last) = offsets

    def out(point: Point, by: float) -> Point:
        return point[0] + across[0] * by, point[1] + across[1] * by

    return [out(waist, -width / 2), out(first, -width * flare), out(last, width * flare), out(waist, width / 2)]


def _cap_from_front(head: Point, up: Point, radius: float) -> list[Point]:
    across = (-up[1], up[0])
    corners = ((-1.15, 0.45), (-0.9, 1.25), (0.9, 1.25), (1.15, 0.45))
    return [
        (head[0] + (across[0] * a + up[0] * b) * radius, head[1] + (across[1] * a + up[1] * b) * radius)
        for a, b in corners
    ]


__all__ = ["RGB", "Body", "Joints", "Pose", "blend"]
