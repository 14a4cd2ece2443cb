"""Motion programs of fire, smoke and explosions."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Blast, Flame, Smoke
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import bystanders
from svta_resources.video.procedural.things import Held, Placed

_SHIELD = Pose(lean=-14, head=-8, near_arm=(118, 46), far_arm=(106, 50), near_leg=(-18, 14), far_leg=(22, 8))


@program("fire", place="street", draws=("fire", "smoke", "vehicles"))
def fire(shot: Shot, time_s: float) -> list[Item]:
    """High flames; somebody shields the face, fights them with water, or backs away."""
    at = shot.middle + shot.way * shot.unit * 0.42
    high = 66 + 10 * wave(time_s, 0.5)
    items: list[Item] = [
        *_burning(shot, at, high, time_s),
        Smoke(at + 8, GROUND - 60, 22, 56, time_s, shot.dice[3], dark=0.75, puffs=5),
    ]
    x = shot.middle - shot.way * shot.unit * (0.68 + 0.1 * ease(time_s / shot.duration))
    if any(look.kind == "firefighter" for look in shot.looks):
        hold = shot.body(0, replace(gaits.AIM, near_arm=(76, 4)), x)
        return [*items, hold, Held("hose", hold.hand, hold.forearm, shot.unit * 0.9, 160), *bystanders(shot, 1, time_s)]
    watcher = shot.body(0, blend(_SHIELD, gaits.walk(time_s), 0.25), x)
    return [*items, watcher, *bystanders(shot, 1, time_s)]


def _burning(shot: Shot, at: float, high: float, time_s: float) -> list[Item]:
    """Set fire to the vehicle that the caption names (flames behind it and on its hood), or to a heap."""
    if shot.scene.vehicles:
        return [
            shot.vehicle(0, at, GROUND - 2, lights_on=False),
            Flame(at, GROUND - 12, 54, high * 0.95, time_s, shot.dice[1]),
            Flame(at + shot.way * 18, GROUND - 1.9, 20, high * 0.4, time_s, shot.dice[2]),
        ]
    return [
        Placed("heap", at, GROUND, 30),
        Flame(at, GROUND + 1, 0.7 * high + 14, high, time_s, shot.dice[1]),
        Flame(at + shot.way * 30, GROUND - 3, 34, high * 0.7 - 8, time_s, shot.dice[2]),
    ]


@program("arson", draws=("fire", "vehicles"))
def arson(shot: Shot, time_s: float) -> list[Item]:
    """Stoop with a burning torch and a red can; the flames spread from the feet of a wall."""
    share = time_s / shot.duration
    at = shot.middle + shot.way * (shot.unit * 0.6 + (16 if shot.scene.vehicles else 0))
    light = Pose(lean=38, near_arm=(70, -10), far_arm=(10, 10), near_leg=(44, 62), far_leg=(-10, 44))
    pose = blend(light, replace(gaits.run(time_s), near_arm=(40, 70)), ease(share, 0.7, 0.8))
    x = at - shot.way * shot.unit * (0.56 + 0.9 * ease(share, 0.7, 1.0))
    body = shot.body(0, pose, x, facing=shot.way if share < 0.72 else -shot.way)
    return [
        *_burning(shot, at, 8 + 56 * ease(share, 0.15, 0.9), time_s),
        body,
        Held("torch", body.hand, body.forearm, shot.unit * 1.1, body.depth + 0.01),
        Held("can", body.joints.far_hand, 90, shot.unit * 0.95, body.depth + 0.02),
        *bystanders(shot, 1, time_s),
    ]


@program("smoke", draws=("smoke",))
def smoke(shot: Shot, time_s: float) -> list[Item]:
    """Thick smoke rises and spreads without a flame; somebody bends over and coughs."""
    at = shot.middle + shot.way * shot.unit * 0.3
    dark = 0.35 + 0.3 * shot.dice[2]
    cough = Pose(lean=34 + 9 * abs(wave(time_s, 1.5)), head=12, near_arm=(60, 112), far_arm=(20, 40))
    body = shot.body(0, cough, shot.middle - shot.way * shot.unit * 0.62)
    return [
        Placed("bin", at, GROUND, 24),
        Smoke(at, GROUND - 14, 40, 110, time_s, shot.dice[1], dark, 14, 0.1),
        Smoke(at + shot.way * 34, GROUND - 4, 34, 90, time_s, shot.dice[3], dark, 9, 0.3),
        body,
        *bystanders(shot, 1, time_s),
    ]


@program("explosion", zoom=0.92, draws=("fire", "smoke", "vehicles"))
def explosion(shot: Shot, time_s: float) -> list[Item]:
    """A flash and a ball of fire; people are thrown back, then smoke and flames remain."""
    boom = 0.14 * shot.duration
    age = time_s - boom
    at = shot.middle + shot.way * 16
    items: list[Item] = []
    if shot.vehicles and shot.scene.vehicles:
        jump = max(0.0, 30 * age - 36 * age * age) if age > 0 else 0.0
        items.append(
            shot.vehicle(0, at, GROUND - 4, lift=jump, tilt=8 * min(1.0, max(0.0, age * 2)), crumple=float(age > 0))
        )
    if age >= 0:
        items += [
            Smoke(at, GROUND - 14, 46, 96, time_s, shot.dice[1], 0.8, 10, 0.12),
            Flame(at, GROUND, 54, 44 * ease(age, 0.2, 0.6), time_s, shot.dice[2]),
            Blast(at, GROUND - 4, 66, age, shot.dice[3]),
        ]
    thrown = Pose(roll=-70, lean=-14, near_arm=(140, 10), far_arm=(-120, -10), near_leg=(48, 20), far_leg=(16, 20))
    share = ease(age, 0.0, 0.25)
    pose = blend(blend(gaits.walk(time_s), thrown, share), gaits.ON_BACK, ease(age, 0.65, 0.85))
    high = max(0.0, 1.5 * age - 2.1 * age * age) * 0.9 if age > 0 else 0.0
    x = shot.middle - shot.way * (shot.unit * 0.5 + 40 * ease(age, 0.0, 0.8))
    items.append(shot.body(0, replace(pose, lift=high), x, facing=shot.way))
    return [*items, *bystanders(shot, 1, time_s)]
