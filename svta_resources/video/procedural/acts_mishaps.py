"""Motion programs of failed actions: dropping, crashing on wheels, falling into water, being hit, animals."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.acts_vehicles import rider
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Burst, Spray
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.shapes import Shape, box
from svta_resources.video.procedural.shot import GROUND, Item, Later, Shot, program
from svta_resources.video.procedural.staging import across, animal, bystanders
from svta_resources.video.procedural.things import Held, Placed
from svta_resources.video.procedural.vehicles import Vehicle

_WATER = (120, 196, 240)
_POOL = (44, 160, 206)
_FOAM = (206, 236, 248)
_TREAD = Pose(near_leg=(20, 30), far_leg=(-16, 30))


@program("trip")
def trip(shot: Shot, time_s: float) -> list[Item]:
    """Walk briskly, catch a foot on a stone, fly forward and land on the face."""
    share = time_s / shot.duration
    fly, land = ease(share, 0.34, 0.46), ease(share, 0.46, 0.58)
    flying = Pose(
        lean=20, roll=52, near_arm=(140, 6), far_arm=(126, 14), near_leg=(-20, 30), far_leg=(-34, 46), lift=0.1
    )
    pose = blend(gaits.walk(time_s, 1.3), flying, fly)
    pose = blend(pose, gaits.ON_FACE, land)
    stone_x = shot.middle - shot.way * 8
    x = stone_x + shot.way * (-10 - 58 * (1 - min(1.0, share / 0.36)) + 40 * ease(share, 0.34, 0.58))
    dust = Spray((x + shot.way * 20, GROUND), 15, (share - 0.56) * shot.duration, (206, 196, 176), 22)
    return [Placed("stone", stone_x, GROUND + 2, 18), shot.body(0, pose, x), dust, *bystanders(shot, 1, time_s)]


@program("drop", place="kitchen", draws=("box", "bag", "bottle"))
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


@program("splash", place="pool", draws=("water",))
def splash(shot: Shot, time_s: float) -> list[Item]:
    """Run along the edge, slip off it and vanish in the water with a splash."""
    share = time_s / shot.duration
    dive = Pose(roll=70, near_arm=(150, 0), far_arm=(130, 10), near_leg=(20, 50))
    pose = blend(gaits.run(time_s), dive, ease(share, 0.2, 0.4))
    x = shot.width * (0.2 if shot.way > 0 else 0.8) + shot.way * shot.width * 0.4 * min(share, 0.6)
    high = 24 * ease(share, 0.2, 0.34) * (1 - ease(share, 0.38, 0.5))
    depth = 46 * ease(share, 0.4, 0.56) - 34 * ease(share, 0.66, 0.84)  # under, and up to the shoulders again
    up = replace(_TREAD, near_arm=(110 + 26 * wave(time_s, 1.6), 10), far_arm=(-110 - 26 * wave(time_s, 1.6), -10))
    body = shot.body(0, blend(pose, up, ease(share, 0.56, 0.66)), x, 92 + depth - high, shadow=share < 0.2)
    crests = [
        (
            [(n * 12.0 - 20 + 4 * row, 96 + row * 7 + 2 * (n % 2) + wave(time_s, 0.8, 0.2 * row)) for n in range(20)],
            1.6,
            _FOAM,
        )
        for row in range(3)
    ]
    water = Shape(131, fills=((box(-12, 93, shot.width + 12, 130), _POOL),), strokes=tuple(crests))
    age = (share - 0.46) * shot.duration
    drops = [Spray((x, 94), size, age, _WATER, 26, n * 0.4) for n, size in enumerate((18, 28))]
    return [Later(body, 130), water, *drops, *bystanders(shot, 1, time_s)]


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


@program("ball", cast=("man", "man"), place="playground", draws=("ball",))
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


@program("dog", place="park", draws=("dog", "cat", "horse"))
def dog(shot: Shot, time_s: float) -> list[Item]:
    """An animal runs up to somebody and knocks them over; it trots alone when the caption names nobody."""
    kind = next((kind for kind in ("horse", "cat") if kind in shot.scene.things), "dog")
    if not shot.scene.figures and shot.scene.things & {"dog", "cat", "horse"}:
        return [animal(kind, across(shot, time_s, 0.4, 0.25), GROUND, shot.way, shot.unit * 1.3, time_s * 1.8)]
    share = time_s / shot.duration
    run, fall = ease(share, 0.0, 0.4), ease(share, 0.38, 0.56)
    at = shot.middle + shot.way * 16
    leap = 16 * max(0.0, 1 - abs(share - 0.4) / 0.12)
    x = at - shot.way * (shot.width * 0.5 * (1 - run) + 24)
    beast = animal(kind, x, GROUND + 2 - leap, shot.way, shot.unit * 1.15, time_s * 2.2 * (1 - fall) + 0.3 * fall)
    pose = blend(replace(gaits.LOOK_ON, near_leg=(10, 6)), gaits.ON_BACK, fall)
    body = shot.body(0, pose, at + shot.way * 16 * fall, GROUND, facing=-shot.way)
    return [body, beast, Burst((at, GROUND - 30), 13, (share - 0.4) * shot.duration), *bystanders(shot, 1, time_s)]
