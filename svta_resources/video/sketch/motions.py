"""Motion programs: a function of time (0..1 over the clip) and phase that gives a pose.

Cycles are counted per clip: a walk takes about three steps in the paper's 2.2 seconds.
"""

import math
from collections.abc import Callable
from dataclasses import replace

from svta_resources.video.sketch.figures import Pose
from svta_resources.video.sketch.scene import Colour, Person

Motion = Callable[[float], Pose]
TAU = 2 * math.pi


def gait(start: float, end: float, cycles: float, swing: float, bend: float, lean: float = 0.0) -> Motion:
    """Walking or running from `start` to `end`; swing and knee bend in radians."""

    def pose(t: float) -> Pose:
        phase = TAU * cycles * t
        left, right = math.sin(phase), math.sin(phase + math.pi)
        knees = bend * max(0.0, math.cos(phase)), bend * max(0.0, -math.cos(phase))
        return Pose(
            x=start + (end - start) * t,
            lift=0.02 * abs(math.cos(phase)) * swing,
            lean=lean,
            arms=((swing * right, 0.3 + bend * 0.6), (swing * left, 0.3 + bend * 0.6)),
            legs=((swing * left, knees[0]), (swing * right, knees[1])),
            facing=1.0 if end >= start else -1.0,
        )

    return pose


def walk(start: float, end: float) -> Motion:
    return gait(start, end, 2.5, 0.45, 0.5)


def run(start: float, end: float) -> Motion:
    return gait(start, end, 4.5, 0.85, 1.5, lean=0.28)


def shuffle(start: float, end: float) -> Motion:
    base = gait(start, end, 6.0, 0.12, 0.1, lean=0.22)
    return lambda t: replace(base(t), arms=((0.1, 0.1), (-0.05, 0.1)))


def limp(start: float, end: float, quick: bool = False) -> Motion:
    base = gait(start, end, 4.0 if quick else 2.5, 0.7 if quick else 0.4, 1.1 if quick else 0.5)

    def pose(t: float) -> Pose:
        step = base(t)
        dip = max(0.0, math.sin(TAU * (4.0 if quick else 2.5) * t))
        held = (-0.75, -1.35)  # a hand on the hurt thigh
        return replace(
            step, lean=0.15 + 0.4 * dip, arms=((0.35, held[1] * -0.5), step.arms[1]), legs=(step.legs[0], (0.05, 0.0))
        )

    return pose


def drunk(start: float, end: float) -> Motion:
    base = walk(start, end)

    def pose(t: float) -> Pose:
        sway = math.sin(TAU * 1.5 * t)
        step = base(t)
        return replace(
            step, x=step.x + 0.05 * sway, lean=0.5 * sway, roll=0.12 * sway, arms=((1.1 + 0.4 * sway, 0.4), (-1.0, 0.4))
        )

    return pose


def stumble(start: float, end: float) -> Motion:
    base = walk(start, end)

    def pose(t: float) -> Pose:
        trip = max(0.0, math.sin(TAU * 2 * t)) ** 2
        step = base(t)
        return replace(step, lean=0.15 + 0.8 * trip, arms=((0.4 + 1.6 * trip, 0.3), (0.2 + 1.2 * trip, 0.3)))

    return pose


def fall(x: float, facing: float = 1.0) -> Motion:
    """Stands, loses balance, and lies on the ground."""

    def pose(t: float) -> Pose:
        down = min(1.0, max(0.0, (t - 0.25) / 0.35)) ** 2
        flail = (1 - down) * math.sin(TAU * 4 * t) if t > 0.2 else 0.0
        arms = ((2.4 * min(1, t * 3) + 0.5 * flail, 0.3), (-1.8 * min(1, t * 3) + 0.5 * flail, 0.3))
        return Pose(x, roll=down * math.pi / 2, arms=arms, legs=((0.3 * down, 0.5 * down), (-0.2, 0.0)), facing=facing)

    return pose


def lie(x: float, breath: float = 0.02, facing: float = 1.0) -> Motion:
    def pose(t: float) -> Pose:
        rise = breath * math.sin(TAU * t)
        return Pose(
            x,
            lift=max(0.0, rise),
            roll=math.pi / 2,
            arms=((2.6, 0.4), (0.3, 0.2)),
            legs=((0.25, 0.5), (0, 0)),
            facing=facing,
        )

    return pose


def sleep(x: float) -> Motion:
    """Curled up on the side."""
    return lambda t: Pose(
        x,
        lift=0.03 + 0.02 * math.sin(TAU * t),
        roll=math.pi / 2,
        lean=0.5,
        arms=((1.6, 1.2), (1.4, 1.2)),
        legs=((1.1, 1.6), (0.9, 1.5)),
    )


def seizure(x: float) -> Motion:
    """Lies and jerks, fast and stiff."""

    def pose(t: float) -> Pose:
        jerk = math.sin(TAU * 9 * t)
        other = math.sin(TAU * 11 * t + 1)
        return Pose(
            x + 0.01 * other,
            lift=0.05 + 0.05 * abs(jerk),
            roll=math.pi / 2 + 0.08 * other,
            lean=0.25 * jerk,
            arms=((1.4 + 0.8 * jerk, 1.2), (1.9 - 0.8 * other, 1.2)),
            legs=((0.5 * jerk, 0.8), (-0.5 * other, 0.6)),
        )

    return pose


def crawl(start: float, end: float) -> Motion:
    """On hands and knees."""

    def pose(t: float) -> Pose:
        step = math.sin(TAU * 3 * t)
        return Pose(
            start + (end - start) * t,
            lean=1.45,
            arms=((0.1 + 0.5 * step, 0.0), (0.1 - 0.5 * step, 0.0)),
            legs=((0.1 + 0.35 * step, 1.5), (0.1 - 0.35 * step, 1.5)),
            facing=1.0 if end >= start else -1.0,
        )

    return pose


def jump(x: float, hops: float = 2.5) -> Motion:
    """Crouches and leaps straight up, arms thrown high."""

    def pose(t: float) -> Pose:
        high = abs(math.sin(math.pi * hops * t))
        tuck = 1 - high
        return Pose(
            x,
            lift=0.55 * high,
            arms=((2.2 + 0.7 * high, 0.2), (-2.2 - 0.7 * high, 0.2)),
            legs=((0.2 + 0.7 * tuck, 1.2 * tuck), (-0.2 + 0.6 * tuck, 1.1 * tuck)),
        )

    return pose


def dance(x: float, phase: float = 0.0) -> Motion:
    """Steps from side to side, hips and arms in the beat."""

    def pose(t: float) -> Pose:
        beat = math.sin(TAU * (3 * t + phase))
        off = math.cos(TAU * (3 * t + phase))
        return Pose(
            x + 0.06 * beat,
            lift=0.05 * abs(off),
            lean=0.3 * beat,
            arms=((2.4 + 0.7 * beat, 0.9), (-1.2 + 0.9 * beat, -0.9)),
            legs=((0.55 * beat, 0.7 * abs(off)), (-0.55 * beat, 0.5)),
            facing=1.0 if beat > 0 else -1.0,
        )

    return pose


def rotate(x: float) -> Motion:
    """Turns about its own axis with arms spread."""

    def pose(t: float) -> Pose:
        turn = math.cos(TAU * 2 * t)
        return Pose(x, width=max(0.15, abs(turn)), facing=1.0 if turn >= 0 else -1.0, arms=((1.55, 0.0), (-1.55, 0.0)))

    return pose


def throw(x: float, facing: float = 1.0) -> Motion:
    def pose(t: float) -> Pose:
        swing = min(1.0, max(0.0, (t - 0.3) / 0.2))
        return Pose(
            x,
            lean=-0.25 + 0.6 * swing,
            arms=((3.6 - 2.6 * swing, 0.3), (-0.5, 0.2)),
            legs=((0.4, 0.1), (-0.4, 0.0)),
            facing=facing,
        )

    return pose


def punch(x: float, facing: float, phase: float = 0.0, reach: float = 0.05) -> Motion:
    """Trades blows with an opponent in front."""

    def pose(t: float) -> Pose:
        hit = math.sin(TAU * (3.5 * t + phase))
        return Pose(
            x + facing * reach * hit,
            lean=0.2 + 0.3 * hit,
            arms=((1.5, 1.5 - 1.5 * max(0.0, hit)), (1.5, 1.5 - 1.5 * max(0.0, -hit))),
            legs=((0.5, 0.3), (-0.45, 0.15)),
            facing=facing,
        )

    return pose


def aim(x: float, facing: float = 1.0) -> Motion:
    """Holds something out at arm's length."""
    return lambda t: Pose(
        x + 0.01 * math.sin(TAU * 2 * t),
        arms=((1.5, 0.0), (1.35, 0.1)),
        legs=((0.25, 0.0), (-0.25, 0.0)),
        facing=facing,
    )


def hands_up(x: float, facing: float = 1.0) -> Motion:
    return lambda t: Pose(x, arms=((2.7 + 0.1 * math.sin(TAU * 5 * t), 0.2), (-2.7, 0.2)), lean=-0.08, facing=facing)


def reach(x: float, facing: float = 1.0, cycles: float = 2.0) -> Motion:
    """Takes things, again and again."""

    def pose(t: float) -> Pose:
        out = max(0.0, math.sin(TAU * cycles * t))
        return Pose(x, lean=0.12 + 0.25 * out, arms=((0.5 + 1.0 * out, 0.5 - 0.4 * out), (0.1, 1.2)), facing=facing)

    return pose


def swing_at(x: float, facing: float = 1.0) -> Motion:
    """Strikes with a raised arm."""

    def pose(t: float) -> Pose:
        blow = 0.5 + 0.5 * math.sin(TAU * 2.5 * t)
        return Pose(
            x, lean=0.3 * blow, arms=((2.9 - 1.7 * blow, 0.2), (0.5, 0.4)), legs=((0.3, 0.1), (-0.3, 0)), facing=facing
        )

    return pose


def cower(x: float, facing: float = 1.0) -> Motion:
    """Crouches and shields the head."""
    return lambda t: Pose(
        x + 0.008 * math.sin(TAU * 7 * t),
        lean=0.75,
        arms=((2.3, 1.2), (2.0, 1.2)),
        legs=((0.9, 1.5), (0.5, 1.4)),
        facing=facing,
    )


def sit(x: float, facing: float = 1.0) -> Motion:
    return lambda t: Pose(
        x,
        lift=0.02,
        lean=0.05 * math.sin(TAU * t),
        arms=((0.5, 0.6), (0.4, 0.6)),
        legs=((1.45, 1.45), (1.35, 1.35)),
        facing=facing,
    )


def talk(x: float, facing: float = 1.0, phase: float = 0.0) -> Motion:
    def pose(t: float) -> Pose:
        wave = math.sin(TAU * (2 * t + phase))
        return Pose(x, lean=0.04 * wave, arms=((0.5 + 0.4 * wave, 0.9), (0.1, 0.2)), facing=facing)

    return pose


def stand(x: float, facing: float = 1.0) -> Motion:
    return lambda t: Pose(x, lean=0.03 * math.sin(TAU * t), facing=facing)


def thrown_back(x: float, facing: float = 1.0) -> Motion:
    """Flies backwards and lies."""

    def pose(t: float) -> Pose:
        fly = min(1.0, max(0.0, (t - 0.3) / 0.3))
        high = math.sin(math.pi * fly) * 0.5
        return Pose(
            x - facing * 0.18 * fly,
            lift=high,
            roll=-fly * math.pi / 2,
            arms=((2.2 * fly, 0.2), (-2.2 * fly, 0.2)),
            facing=facing,
        )

    return pose


def replace_person(person: Person, clothing: Colour) -> Person:
    """The same person in other clothes."""
    return replace(person, clothing=clothing)


def shrink(person: Person, size: float) -> Person:
    """The same person, smaller."""
    return replace(person, size=size)
