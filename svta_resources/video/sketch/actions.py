"""What happens: for every action a function that draws the clip's foreground at time t (0..1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from svta_resources.video.sketch import motions as m
from svta_resources.video.sketch import props
from svta_resources.video.sketch.figures import Painter, Pose, stroke
from svta_resources.video.sketch.scene import Colour, Scene


@dataclass(frozen=True)
class Stage:
    """Everything an action draws with. `unit` is a grown-up's height, `ground` the feet line, in pixels."""

    canvas: Any
    painter: Painter
    scene: Scene
    width: float
    unit: float
    ground: float
    shift: float  # the clip's own small offset to the side, in widths

    def person(self, index: int, motion: m.Motion, t: float) -> Pose:
        pose = motion(t)
        pose = replace(pose, x=pose.x + self.shift)
        self.painter.person(self.scene.people[index], pose)
        return pose

    def car(self, x: float, colour: Colour, facing: float = 1.0, tilt: float = 0.0, down: float = 0.0) -> None:
        props.car(self.canvas, x * self.width, self.ground + down * self.unit, 0.95 * self.unit, colour, facing, tilt)

    def hand(self, index: int, pose: Pose) -> tuple[float, float]:
        return self.painter.hand(self.scene.people[index], pose)

    @property
    def vehicle(self) -> Colour:
        return self.scene.vehicle_colour

    def px(self, x: float) -> float:
        return (x + self.shift) * self.width


Action = Callable[[Stage, float], None]
GREY: Colour = (150, 152, 158)
UNIFORM: Colour = (30, 40, 90)


def _solo(make: Callable[[], m.Motion]) -> Action:
    def draw(stage: Stage, t: float) -> None:
        stage.person(0, make(), t)

    return draw


def _explosion(stage: Stage, t: float) -> None:
    props.car(stage.canvas, stage.px(0.6), stage.ground, 0.7 * stage.unit, GREY)
    stage.person(0, m.thrown_back(0.3, 1.0), t)
    props.blast(stage.canvas, stage.px(0.62), stage.ground - 0.2 * stage.unit, 0.9 * stage.unit, t)


def _fire(stage: Stage, t: float) -> None:
    props.smoke(stage.canvas, stage.px(0.62), stage.ground - 0.8 * stage.unit, 0.8 * stage.unit, t, dark=60)
    props.fire(stage.canvas, stage.px(0.62), stage.ground, (1.0 + 0.25 * t) * stage.unit, t)
    stage.person(0, m.run(0.4, 0.02), t)


def _smoke(stage: Stage, t: float) -> None:
    stage.person(0, m.cower(0.3), t)
    for x, start in ((0.45, 0.0), (0.7, 0.4), (0.9, 0.7)):
        props.smoke(stage.canvas, stage.px(x), stage.ground, 1.1 * stage.unit, t + start, dark=110)


def _arson(stage: Stage, t: float) -> None:
    pose = stage.person(0, m.throw(0.25), t)
    x, y = stage.hand(0, pose)
    props.fire(stage.canvas, x, y, 0.15 * stage.unit, t)
    props.box(stage.canvas, stage.px(0.68), stage.ground - 0.25 * stage.unit, 0.5 * stage.unit, (110, 75, 45))
    if t > 0.35:
        props.fire(stage.canvas, stage.px(0.68), stage.ground, min(1.2, (t - 0.35) * 2) * stage.unit, t)


def _car_crash(stage: Stage, t: float) -> None:
    hit = min(1.0, t / 0.4)
    after = max(0.0, t - 0.4)
    stage.car(0.02 + 0.33 * hit - 0.06 * after, stage.vehicle, 1.0, tilt=-14 * min(1.0, after * 4))
    stage.car(0.98 - 0.33 * hit + 0.1 * after, GREY, -1.0, tilt=16 * min(1.0, after * 4))
    if 0.38 < t < 0.7:
        props.impact(stage.canvas, stage.width * 0.5, stage.ground - 0.25 * stage.unit, 0.5 * stage.unit)
    if t > 0.45:
        props.smoke(stage.canvas, stage.width * 0.5, stage.ground - 0.3 * stage.unit, 0.5 * stage.unit, t)


def _car_hits_person(stage: Stage, t: float) -> None:
    stage.car(-0.15 + 0.95 * min(t, 0.55), stage.vehicle)
    stage.person(0, m.walk(0.62, 0.6) if t < 0.35 else m.thrown_back(0.62, -1.0), t)


def _outside_lane(stage: Stage, t: float) -> None:
    drift = 0.5 * min(1.0, max(0.0, (t - 0.2) * 1.6))
    stage.car(-0.05 + 0.9 * t, stage.vehicle, 1.0, tilt=9 if 0 < drift < 0.5 else 0, down=0.12 - drift)


def _jaywalking(stage: Stage, t: float) -> None:
    pose = replace(m.walk(0.4, 0.6)(t), depth=1.4 - 1.6 * t, x=0.42 + 0.12 * t)
    stage.car(1.1 - 0.45 * t, stage.vehicle, -1.0)
    stage.painter.person(stage.scene.people[0], pose)


def _robbery(stage: Stage, t: float) -> None:
    props.counter(stage.canvas, stage.px(0.6), stage.ground, 0.5 * stage.unit, 0.42 * stage.unit)
    pose = stage.person(0, m.aim(0.3), t)
    props.gun(stage.canvas, *stage.hand(0, pose), 0.11 * stage.unit, 1.0)
    stage.person(1, m.hands_up(0.74, -1.0), t)


def _shooting(stage: Stage, t: float) -> None:
    pose = stage.person(0, m.aim(0.25), t)
    props.gun(stage.canvas, *stage.hand(0, pose), 0.12 * stage.unit, 1.0, flash=int(t * 12) % 3 == 0)
    stage.person(1, m.run(0.6, 0.98), t)


def _burglary(stage: Stage, t: float) -> None:
    props.counter(stage.canvas, stage.px(0.66), stage.ground, 0.3 * stage.unit, 0.95 * stage.unit)
    pose = stage.person(0, m.swing_at(0.45), t)
    x, y = stage.hand(0, pose)
    stage.canvas.drawLine(x, y, x + 0.2 * stage.unit, y - 0.1 * stage.unit, stroke((40, 40, 42), 0.04 * stage.unit))


def _shoplifting(stage: Stage, t: float) -> None:
    pose = stage.person(0, m.reach(0.5, 1.0, 2.5), t)
    props.box(stage.canvas, *stage.hand(0, pose), 0.09 * stage.unit, (230, 190, 60))
    props.box(stage.canvas, stage.px(0.44), stage.ground - 0.35 * stage.unit, 0.2 * stage.unit, (60, 50, 45))


def _stealing(stage: Stage, t: float) -> None:
    stage.person(1, m.stand(0.62, 1.0), t)
    going = t > 0.4
    pose = stage.person(0, m.run(0.62, 0.0) if going else m.reach(0.48), t)
    props.box(stage.canvas, *stage.hand(0, pose), 0.16 * stage.unit, (150, 90, 40))


def _vandalism(stage: Stage, t: float) -> None:
    stage.car(0.68, GREY)
    pose = stage.person(0, m.swing_at(0.34), t)
    x, y = stage.hand(0, pose)
    stage.canvas.drawLine(x, y, x + 0.3 * stage.unit, y - 0.12 * stage.unit, stroke((150, 100, 50), 0.05 * stage.unit))
    if int(t * 10) % 4 == 2:
        props.impact(stage.canvas, stage.px(0.55), stage.ground - 0.4 * stage.unit, 0.25 * stage.unit)


def _arrest(stage: Stage, t: float) -> None:
    stage.person(0, m.cower(0.48), t)
    officer = m.replace_person(stage.scene.people[1], UNIFORM)
    stage.painter.person(officer, replace(m.reach(0.36)(t), x=0.36 + stage.shift))


def _fighting(stage: Stage, t: float) -> None:
    stage.person(1, m.punch(0.62, -1.0, 0.5), t)
    stage.person(0, m.punch(0.42, 1.0), t)


def _assault(stage: Stage, t: float) -> None:
    stage.person(1, m.cower(0.62, -1.0), t)
    stage.person(0, m.punch(0.42, 1.0, 0.0, 0.09), t)


def _abuse(stage: Stage, t: float) -> None:
    small = m.shrink(stage.scene.people[1], 0.6)
    stage.painter.person(small, replace(m.cower(0.6, -1.0)(t), x=0.6 + stage.shift))
    stage.person(0, m.swing_at(0.42), t)


def _dancing(stage: Stage, t: float) -> None:
    stage.person(1, m.dance(0.68, 0.5), t)
    stage.person(0, m.dance(0.36), t)


def _throwing(stage: Stage, t: float) -> None:
    pose = stage.person(0, m.throw(0.25), t)
    flight = max(0.0, t - 0.42) * 1.9
    x, y = stage.hand(0, pose)
    if flight:
        x, y = stage.px(0.33 + 0.7 * flight), stage.ground - stage.unit * (0.8 + 0.6 * flight - 1.3 * flight**2)
    props.box(stage.canvas, x, y, 0.13 * stage.unit, (235, 235, 60))


def _cycling(stage: Stage, t: float) -> None:
    x = 0.1 + 0.8 * t
    for wheel in (-0.2, 0.22):
        ring = stroke((20, 20, 22), 0.04 * stage.unit)
        stage.canvas.drawCircle(
            stage.px(x) + wheel * stage.unit, stage.ground - 0.16 * stage.unit, 0.15 * stage.unit, ring
        )
    phase = np.sin(2 * np.pi * 4 * t)
    legs = ((0.9 + 0.4 * phase, 1.1), (0.9 - 0.4 * phase, 1.1))
    stage.person(0, lambda _: Pose(x, lift=0.18, lean=0.45, arms=((1.1, 0.2), (1.0, 0.2)), legs=legs), t)


def _traffic(stage: Stage, t: float) -> None:
    stage.car(0.9 - 0.5 * t, GREY, -1.0, down=-0.22)
    stage.car(0.05 + 0.75 * t, stage.vehicle, 1.0, down=0.05)


def _sitting(stage: Stage, t: float) -> None:
    props.counter(stage.canvas, stage.px(0.5), stage.ground, 0.6 * stage.unit, 0.27 * stage.unit)
    stage.person(0, lambda time: replace(m.sit(0.5)(time), lift=0.27), t)


def _talking(stage: Stage, t: float) -> None:
    stage.person(1, m.talk(0.62, -1.0, 0.5), t)
    stage.person(0, m.talk(0.4), t)


def _walking(stage: Stage, t: float) -> None:
    stage.painter.person(stage.scene.people[2], replace(m.walk(0.95, 0.55)(t), depth=0.8))
    stage.person(0, m.walk(0.15, 0.65), t)


ACTIONS: dict[str, Action] = {
    "explosion": _explosion,
    "fire": _fire,
    "smoke": _smoke,
    "arson": _arson,
    "car_crash": _car_crash,
    "car_hits_person": _car_hits_person,
    "outside_lane": _outside_lane,
    "jaywalking": _jaywalking,
    "robbery": _robbery,
    "shooting": _shooting,
    "burglary": _burglary,
    "shoplifting": _shoplifting,
    "stealing": _stealing,
    "vandalism": _vandalism,
    "arrest": _arrest,
    "fighting": _fighting,
    "assault": _assault,
    "abuse": _abuse,
    "seizure": _solo(lambda: m.seizure(0.62)),
    "falling": _solo(lambda: m.fall(0.4)),
    "crawling": _solo(lambda: m.crawl(0.25, 0.7)),
    "sleeping": _solo(lambda: m.sleep(0.62)),
    "lying": _solo(lambda: m.lie(0.65)),
    "jumping": _solo(lambda: m.jump(0.5)),
    "dancing": _dancing,
    "rotating": _solo(lambda: m.rotate(0.5)),
    "throwing": _throwing,
    "injured": _solo(lambda: m.limp(0.25, 0.6)),
    "running_injured": _solo(lambda: m.limp(0.1, 0.9, quick=True)),
    "drunk": _solo(lambda: m.drunk(0.25, 0.6)),
    "stumbling": _solo(lambda: m.stumble(0.2, 0.65)),
    "running": _solo(lambda: m.run(0.05, 0.95)),
    "shuffling": _solo(lambda: m.shuffle(0.4, 0.55)),
    "cycling": _cycling,
    "traffic": _traffic,
    "sitting": _sitting,
    "talking": _talking,
    "walking": _walking,
}
