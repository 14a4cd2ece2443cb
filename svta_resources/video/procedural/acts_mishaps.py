"""Motion programs of failed actions: dropping, crashing on wheels, falling into water, being hit, animals."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.acts_vehicles import Later, rider
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Burst, Spray
from svta_resources.video.procedural.pen import ease
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import across, bystanders
from svta_resources.video.procedural.things import Held, Placed
from svta_resources.video.procedural.vehicles import Vehicle

_WATER = (120, 196, 240)


@program("drop", place="kitchen")
def drop(shot: Shot, time_s: float) -> list[Item]:
    """Carry a box, lose it, see it burst on the floor, throw up the hands."""
    share = time_s / shot.duration
    carry = replace(gaits.walk(time_s, 0.9, 20), near_arm=(52, 40), far_arm=(56, 36))
    shock = Pose(lean=12, head=20, near_arm=(120, 30), far_arm=(-120, -30), near_leg=(12, 6), far_leg=(-12, 4))
    pose = blend(carry, shock, ease(share, 0.36, 0.5))
    body = shot.body(0, pose, across(shot, min(time_s, 0.36 * shot.duration), 0.3, 0.34))
    age = (share - 0.52) * shot.duration
    at_x = body.x + shot.way * shot.unit * 0.36
    fall = ease(share, 0.34, 0.52)
    box = Held("box", (at_x, GROUND - 34 + 30 * fall), 0, shot.unit * 1.3, 150, (236, 236, 240))
    bits = Spray((at_x, GROUND), 18, age, (246, 246, 250), 26)
    return [body, bits, *([box] if age < 0 else []), *bystanders(shot, 1, time_s)]


@program("ride-crash", vehicles=("bicycle",), on_road=True, zoom=1.1)
def ride_crash(shot: Shot, time_s: float) -> list[Item]:
    """Ride into a stone and fly over the handlebar."""
    share = time_s / shot.duration
    age = (share - 0.38) * shot.duration
    stone_x = shot.middle + shot.way * 20
    kind, colour = (
        shot.vehicles[0] if shot.vehicles[0][0] in ("bicycle", "motorcycle") else ("bicycle", shot.vehicles[0][1])
    )
    x = stone_x - shot.way * (16 - 60 * min(age, 0.0))
    cycle = Vehicle(
        kind, colour, x, GROUND, shot.zoom * 1.1, shot.way, shot.way * 74 * ease(age, 0.0, 0.3), 10 * ease(age, 0, 0.2)
    )
    items: list[Item] = [
        Placed("stone", stone_x, GROUND + 2, 20),
        cycle,
        Spray((stone_x, GROUND), 16, age, (206, 196, 176)),
    ]
    if age < 0:
        return [*items, Later(rider(shot, 0, cycle, time_s), cycle.depth + 0.1), *bystanders(shot, 1, time_s)]
    high = max(0.0, 0.5 + 1.6 * age - 3.4 * age * age)
    pose = blend(
        Pose(roll=70, near_arm=(150, 10), far_arm=(130, 20), near_leg=(-20, 40)), gaits.ON_FACE, ease(age, 0.4, 0.7)
    )
    flown = shot.body(0, replace(pose, lift=high), x + shot.way * 44 * ease(age, 0.0, 0.7), GROUND)
    return [*items, flown, *bystanders(shot, 1, time_s)]


@program("splash", place="pool")
def splash(shot: Shot, time_s: float) -> list[Item]:
    """Slip off the edge and hit the water."""
    share = time_s / shot.duration
    age = (share - 0.5) * shot.duration
    pose = blend(
        gaits.run(time_s), Pose(roll=70, near_arm=(150, 0), far_arm=(130, 10), near_leg=(20, 50)), ease(share, 0.2, 0.4)
    )
    x = shot.width * (0.2 if shot.way > 0 else 0.8) + shot.way * shot.width * 0.4 * min(share, 0.6)
    sunk = 44 * ease(share, 0.44, 0.6)
    body = shot.body(0, pose, x, 92 + sunk - 34 * ease(share, 0.2, 0.34) * (1 - ease(share, 0.38, 0.5)))
    drops = [Spray((x, 98), size, age, _WATER, 26, n * 0.4) for n, size in enumerate((18, 28))]
    water = Placed("puddle", shot.middle + shot.way * 34, 108, 74)
    return [Later(water, 130), body, *drops, *bystanders(shot, 1, time_s)]


@program("bounce", place="park")
def bounce(shot: Shot, time_s: float) -> list[Item]:
    """Turn over in the air above a trampoline."""
    cycle = (time_s * 0.9 + shot.dice[1]) % 1.0
    high = 4 * cycle * (1 - cycle)
    pose = Pose(
        roll=-360 * cycle,
        near_arm=(150, 10),
        far_arm=(140, 10),
        near_leg=(60, 80),
        far_leg=(50, 80),
        lift=0.3 + 0.5 * high,
    )
    trampoline = Placed("trampoline", shot.middle, GROUND + 2, 44, state=1 - min(1.0, high * 4))
    return [trampoline, shot.body(0, pose, shot.middle), *bystanders(shot, 1, time_s)]


@program("ball", place="playground")
def ball(shot: Shot, time_s: float) -> list[Item]:
    """Play ball; it bounces off somebody."""
    cycle = (time_s / 1.1) % 1.0
    kick = ease(cycle, 0.0, 0.14) * (1 - ease(cycle, 0.2, 0.5))
    x = shot.width * (0.24 if shot.way > 0 else 0.76)
    player = shot.body(
        0, blend(gaits.STAND, Pose(lean=-14, near_leg=(74, 4), far_leg=(-10, 8), near_arm=(-30, 20)), kick), x
    )
    end = shot.width - x
    flight = min(1.0, max(0.0, (cycle - 0.12) / 0.5))
    back = max(0.0, (cycle - 0.62) / 0.38)
    at = (x + shot.way * 20 + (end - x - shot.way * 26) * flight - shot.way * 40 * back,
          GROUND - 10 - 60 * flight + 60 * back * back)  # fmt: skip
    items: list[Item] = [
        player,
        Held("ball", at, 0, shot.unit * 1.2, 160),
        Burst((end, GROUND - 62), 13, (cycle - 0.62) * 1.1),
    ]
    if len(shot.looks) > 1:
        pose = blend(gaits.STAND, Pose(lean=-30, head=-20, near_arm=(80, 40), far_arm=(-60, 10)), ease(cycle, 0.6, 0.7))
        items.append(shot.body(1, pose, end, facing=-shot.way))
    return [*items, *bystanders(shot, 2, time_s)]


@program("dog", place="park")
def dog(shot: Shot, time_s: float) -> list[Item]:
    """A dog runs and pulls somebody along."""
    body = shot.body(0, replace(gaits.run(time_s, 1.3, -8), near_arm=(84, 4)), across(shot, time_s, 0.36, 0.14))
    at = body.x + shot.way * shot.unit * 0.95
    animal = Placed("dog", at, GROUND + 2, shot.way * shot.unit * 0.42, (150, 98, 54), time_s * 2.4)
    return [body, animal, *bystanders(shot, 1, time_s)]
