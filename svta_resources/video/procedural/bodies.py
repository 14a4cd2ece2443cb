"""Articulated people: a pose is a set of angles, a body puts a dressed figure in that pose on the stage."""

import math
from dataclasses import dataclass
from functools import cached_property

from svta_resources.video.procedural.palette import Look
from svta_resources.video.procedural.pen import RGB, Pen, Point, shade, turn

# lengths as shares of a standing figure's height
TORSO, THIGH, SHIN, UPPER_ARM, FOREARM = 0.29, 0.23, 0.23, 0.16, 0.15
HEAD_RADIUS, NECK = 0.095, 0.105
LEG_WIDTH, ARM_WIDTH, TORSO_WIDTH = 0.11, 0.09, 0.23  # broad: clothes must be seen


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
    """Where the parts of a body are, in stage units; arms start at the neck, legs at the hip."""

    hip: Point
    neck: Point
    head: Point
    near_elbow: Point
    near_hand: Point
    far_elbow: Point
    far_hand: Point
    near_knee: Point
    near_foot: Point
    far_knee: Point
    far_foot: Point


_BLOOD: RGB = (200, 15, 25)
_SHADOW: RGB = (24, 24, 32)
# how far flesh reaches around a joint, as a share of the height
_PADDING = {"head": HEAD_RADIUS, "neck": TORSO_WIDTH / 2, "hip": TORSO_WIDTH / 2}


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
    shadow: bool = True  # False on a seat or saddle

    @property
    def depth(self) -> float:
        """Order of drawing: what stands lower in the picture is nearer."""
        return self.ground

    @cached_property
    def joints(self) -> Joints:
        """Where everything is: angles to points, rolled, turned and sized, the lowest point on the ground."""
        points = {name: turn(point, self.pose.roll) for name, point in _local_points(self.pose).items()}
        lowest = max(point[1] + _PADDING.get(name, LEG_WIDTH / 2) for name, point in points.items())
        across, down = self.facing * self.width * self.height, self.height
        return Joints(
            **{
                name: (self.x + x * across, self.ground + (y - lowest - self.pose.lift) * down)
                for name, (x, y) in points.items()
            }
        )

    @property
    def hand(self) -> Point:
        """The near hand."""
        return self.joints.near_hand

    @property
    def forearm(self) -> float:
        """Direction of the near forearm in degrees on the screen (0: right, 90: down)."""
        elbow, hand = self.joints.near_elbow, self.joints.near_hand
        return math.degrees(math.atan2(hand[1] - elbow[1], hand[0] - elbow[0]))

    def draw(self, pen: Pen) -> None:
        """Draw back to front: far limbs, torso, head, near limbs."""
        look, joints, unit = self.look, self.joints, self.height
        near_leg = (joints.hip, joints.near_knee, joints.near_foot)
        far_leg = (joints.hip, joints.far_knee, joints.far_foot)
        near_arm = (joints.neck, joints.near_elbow, joints.near_hand)
        far_arm = (joints.neck, joints.far_elbow, joints.far_hand)
        if self.shadow:
            self._draw_shadow(pen)
        pen.line(far_arm, ARM_WIDTH * unit, shade(look.top, 0.72))
        pen.line(far_leg, LEG_WIDTH * unit, shade(look.bottom, 0.72))
        pen.line(near_leg, LEG_WIDTH * unit, look.bottom)
        self._draw_trunk(pen)
        self._draw_head(pen)
        pen.line(near_arm, ARM_WIDTH * unit, shade(look.top, 0.88))
        pen.dots((joints.near_hand, joints.far_hand), 0.075 * unit, look.skin)
        if self.wounded:
            self._draw_wound(pen)

    def _draw_shadow(self, pen: Pen) -> None:
        """Darken the ground under the body, less the higher it flies."""
        joints = self.joints
        points = [joints.hip[0], joints.head[0], joints.near_foot[0], joints.far_foot[0]]
        alpha = 0.3 / (1 + 4 * self.pose.lift)
        margin = 0.06 * self.height
        pen.oval(min(points) - margin, self.ground - 2.2, max(points) + margin, self.ground + 2.2, _SHADOW, alpha)

    def _draw_trunk(self, pen: Pen) -> None:
        joints, unit, look = self.joints, self.height, self.look
        low, high = _toward(joints.neck, joints.hip, 0.92), _toward(joints.neck, joints.hip, 0.25)
        if look.bag:
            back = _toward(low, high, 0.75)
            pen.circle((back[0] - self.facing * 0.11 * unit * self.width, back[1]), 0.1 * unit, look.bag)
        pen.line((high, low), TORSO_WIDTH * unit, look.top)
        if look.long:
            flare = 0.6 if look.long == "dress" else 0.42
            knees = (joints.near_knee, joints.far_knee)
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
        joints = self.joints
        spots: dict[str, Point] = {
            "leg": _toward(joints.hip, joints.near_knee, 1.1),
            "arm": joints.near_elbow,
            "side": _toward(joints.hip, joints.neck, 0.45),
            "head": _toward(joints.neck, joints.head, 1.5),
        }
        spot = spots[self.wounded or "leg"]
        pen.circle(spot, 0.075 * self.height, (245, 245, 240))
        pen.circle(spot, 0.045 * self.height, _BLOOD)


def _local_points(pose: Pose) -> dict[str, Point]:
    """Lay out the joints around the hip, facing right, in heights (y downwards)."""
    hip = (0.0, 0.0)
    neck = _polar(hip, 180 - pose.lean, TORSO)
    points = {"hip": hip, "neck": neck, "head": _polar(neck, 180 - pose.lean - pose.head, NECK)}
    for side, arm, leg in (("near", pose.near_arm, pose.near_leg), ("far", pose.far_arm, pose.far_leg)):
        points[f"{side}_elbow"] = elbow = _polar(neck, arm[0], UPPER_ARM)
        points[f"{side}_hand"] = _polar(elbow, arm[0] + arm[1], FOREARM)
        points[f"{side}_knee"] = knee = _polar(hip, leg[0], THIGH)
        points[f"{side}_foot"] = _polar(knee, leg[0] - leg[1], SHIN)
    return points


def _polar(start: Point, degrees: float, length: float) -> Point:
    """Step from a point: 0 degrees down, 90 forward, 180 up."""
    angle = math.radians(degrees)
    return start[0] + math.sin(angle) * length, start[1] + math.cos(angle) * length


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
