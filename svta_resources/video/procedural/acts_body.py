"""Motion programs of one body: falling, lying, shaking, jumping, dancing, turning, throwing."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Burst, Marks, Spray
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.shot import GROUND, Item, Later, Shot, program
from svta_resources.video.procedural.staging import across, bystanders
from svta_resources.video.procedural.things import Held, Placed

_DUST = (214, 204, 184)
_THROWN = ("bottle", "bag", "box", "chair", "ball")
_FLAIL_BACK = Pose(lean=-22, near_arm=(120, 20), far_arm=(-110, -20), near_leg=(52, 24), far_leg=(20, 10), roll=-34)
_FLAIL_FRONT = Pose(lean=30, near_arm=(128, 10), far_arm=(104, 20), near_leg=(-16, 26), far_leg=(-34, 40), roll=36)
_DOWN_BACK = Pose(roll=-90, head=14, near_arm=(128, 20), far_arm=(-40, -30), near_leg=(44, 60), far_leg=(-8, 2))
_DOWN_FRONT = Pose(roll=90, head=-10, near_arm=(140, 30), far_arm=(100, 40), near_leg=(-6, 40), far_leg=(6, 4))


@program("falling")
def falling(shot: Shot, time_s: float) -> list[Item]:
    """Lose balance, flail, hit the ground in dust, try to get up."""
    share = time_s / shot.duration
    backwards = shot.dice[2] < 0.5
    flail, down = (_FLAIL_BACK, _DOWN_BACK) if backwards else (_FLAIL_FRONT, _DOWN_FRONT)
    pose = blend(gaits.walk(time_s), flail, ease(share, 0.08, 0.26))
    pose = blend(pose, down, ease(share, 0.26, 0.42))
    pose = blend(pose, replace(down, lean=18, near_arm=(80, 60)), ease(share, 0.75, 1.0) * 0.8)
    x = across(shot, min(time_s, 0.4 * shot.duration), 0.26, 0.38) - shot.way * shot.unit * 0.3 * ease(share, 0.2, 0.42)
    age = (share - 0.4) * shot.duration
    body = shot.body(0, pose, x)
    return [body, Spray((x, GROUND), 16, age, _DUST, 22), Burst((x, GROUND - 8), 15, age), *bystanders(shot, 1, time_s)]


@program("slip")
def slip(shot: Shot, time_s: float) -> list[Item]:
    """Step into a puddle: the feet fly up in front and the back hits the ground."""
    share = time_s / shot.duration
    airborne = Pose(
        roll=-62, lean=-14, near_arm=(140, 10), far_arm=(-120, -10), near_leg=(64, 8), far_leg=(30, 14), lift=0.16
    )
    pose = blend(gaits.walk(time_s), airborne, ease(share, 0.28, 0.42))
    pose = blend(pose, replace(_DOWN_BACK, near_leg=(70, 30)), ease(share, 0.46, 0.58))
    x = across(shot, min(time_s, 0.4 * shot.duration), 0.4, 0.26)
    puddle = Placed("puddle", shot.middle, GROUND + 2, 30)
    splash = Spray((shot.middle, GROUND), 16, (share - 0.32) * shot.duration, (150, 205, 245), 18)
    return [puddle, shot.body(0, pose, x), splash, *bystanders(shot, 1, time_s)]


@program("fall-from-height", zoom=0.8)
def fall_from_height(shot: Shot, time_s: float) -> list[Item]:
    """Climb a ladder, tip over and come down."""
    share = time_s / shot.duration
    climb = Pose(lean=8, near_arm=(140 + 20 * wave(time_s, 1.4), 10), far_arm=(140 - 20 * wave(time_s, 1.4), 10),
                 near_leg=(40 + 20 * wave(time_s, 1.4), 60), far_leg=(40 - 20 * wave(time_s, 1.4), 60))  # fmt: skip
    pose = blend(climb, replace(_FLAIL_BACK, roll=-70), ease(share, 0.3, 0.45))
    pose = blend(pose, _DOWN_BACK, ease(share, 0.58, 0.66))
    fallen = max(0.0, share - 0.32) / 0.3
    high = max(0.0, 0.62 + 0.1 * min(share, 0.3) - 0.7 * fallen * fallen)
    ladder_x = shot.middle + shot.way * 14
    x = ladder_x - shot.way * (8 + 34 * min(1.0, fallen))
    age = (share - 0.62) * shot.duration
    body = shot.body(0, replace(pose, lift=high), x)
    return [
        Placed("ladder", ladder_x, GROUND, 36),
        body,
        Spray((x, GROUND), 15, age, _DUST),
        *bystanders(shot, 1, time_s),
    ]


@program("sleeping", place="park", zoom=1.15)
def sleeping(shot: Shot, time_s: float) -> list[Item]:
    """Lie curled on a bench (a bed indoors), breathing, with a sleeper's signs above."""
    indoors = shot.scene.place in ("bedroom", "hospital")
    curled = Pose(roll=-90, lean=8, head=18, near_arm=(132, 60), far_arm=(120, 70), near_leg=(36, 66), far_leg=(26, 60))
    breath = 1.4 * wave(time_s, 0.45)
    rest = Placed("bed" if indoors else "bench", shot.middle, GROUND, 46 if indoors else 42, (104, 124, 116))
    seat = GROUND - (0.46 if indoors else 0.56) * rest.size
    body = shot.body(0, replace(curled, lean=8 + breath), shot.middle + shot.way * 12, seat, shadow=False)
    return [Later(rest, seat - 1), body, Marks("z", body.joints.head, 11, time_s), *bystanders(shot, 1, time_s)]


@program("laying-down", zoom=1.1)
def laying_down(shot: Shot, time_s: float) -> list[Item]:
    """Sit down, stretch out on the back and stay, hands behind the head."""
    share = time_s / shot.duration
    sitting = Pose(lean=-12, roll=0, near_arm=(-30, 0), far_arm=(-36, 0), near_leg=(88, 20), far_leg=(80, 16))
    lying = Pose(roll=-90, head=10, near_arm=(158, 96), far_arm=(150, 96), near_leg=(6, 4), far_leg=(-2, 2))
    pose = blend(blend(gaits.STAND, sitting, ease(share, 0.0, 0.22)), lying, ease(share, 0.24, 0.46))
    x = shot.middle + shot.way * shot.unit * 0.16 * ease(share, 0.2, 0.46)
    return [shot.body(0, pose, x), *bystanders(shot, 1, time_s)]


@program("having-a-seizure", zoom=1.12)
def having_a_seizure(shot: Shot, time_s: float) -> list[Item]:
    """Lie on the ground shaking; whoever else is named kneels beside."""
    x = shot.middle + shot.way * 10
    body = shot.body(0, gaits.convulse(time_s, shot.dice[1]), x + 1.6 * wave(time_s, 6.3), GROUND + 1)
    lines: list[Item] = [Marks("shake", (x + side * shot.unit * 0.62, GROUND - 0.3 * shot.unit), side * 7, time_s)
                         for side in (-1, 1)]  # fmt: skip
    if len(shot.looks) > 1:
        lines.append(shot.body(1, gaits.KNEEL, x - shot.way * shot.unit * 0.9, GROUND - 6))
    return [body, *lines, *bystanders(shot, 2, time_s)]


@program("jumping")
def jumping(shot: Shot, time_s: float) -> list[Item]:
    """Jump up and down, arms high, knees drawn up."""
    cycle = (time_s * 1.35 + shot.dice[1]) % 1.0
    high = max(0.0, 4 * (cycle - 0.22) * (1 - cycle) / 0.61)
    squat = ease(cycle, 0.0, 0.12) * (1 - ease(cycle, 0.12, 0.26))
    flying = Pose(near_arm=(154, 8), far_arm=(-154, -8), near_leg=(34, 64), far_leg=(-34, -64), lift=0.3 * high)
    crouched = Pose(lean=16, near_arm=(-34, 20), far_arm=(-50, 20), near_leg=(48, 88), far_leg=(40, 84))
    pose = blend(blend(gaits.STAND, flying, min(1.0, high * 1.6)), crouched, squat)
    pose = replace(pose, lift=0.3 * high)
    x = shot.middle + shot.way * 16 * (shot.dice[2] - 0.5)
    body = shot.body(0, pose, x, face="front")
    return [body, *bystanders(shot, 1, time_s)]


@program("dancing", place="restaurant")
def dancing(shot: Shot, time_s: float) -> list[Item]:
    """Dance to the front, notes in the air; everybody named up to three joins."""
    items: list[Item] = []
    count = min(3, len(shot.looks))
    for who in range(count):
        x = shot.middle + (who - (count - 1) / 2) * 46 + 7 * wave(time_s, 0.6, 0.3 * who)
        style = (shot.dice[1] + 0.37 * who) % 1.0
        body = shot.body(who, gaits.dance(time_s + 0.2 * who, style), x, face="front")
        items += [body, Marks("note", (body.joints.head[0], body.joints.head[1] - 4), 11, time_s + 0.3 * who)]
    return [*items, *bystanders(shot, count, time_s)]


@program("rotating")
def rotating(shot: Shot, time_s: float) -> list[Item]:
    """Turn about oneself with arms held out."""
    turns = time_s * (0.75 + 0.3 * shot.dice[1])
    width, depth = wave(turns, 1.0, 0.25), wave(turns, 1.0)
    pose = Pose(near_arm=(92, 0), far_arm=(-92, 0), near_leg=(7, 2), far_leg=(-7, -2))
    narrow = width if abs(width) > 0.16 else 0.16
    body = shot.body(0, pose, shot.middle, facing=1, width=narrow, face="front" if depth > 0 else "back")
    ring = Marks("arc", (shot.middle, GROUND - 1), 30, time_s * 1.4)
    return [ring, body, *bystanders(shot, 1, time_s)]


@program("throw", draws=_THROWN)
def throw(shot: Shot, time_s: float) -> list[Item]:
    """Wind up and throw something in a high arc, again and again."""
    cycle = (time_s / 1.1) % 1.0
    back = Pose(lean=-16, near_arm=(-150, -30), far_arm=(70, 10), near_leg=(-24, 10), far_leg=(26, 8))
    out = Pose(lean=26, near_arm=(74, 0), far_arm=(-30, 20), near_leg=(34, 18), far_leg=(-28, 8))
    pose = blend(back, out, ease(cycle, 0.3, 0.46) * (1 - ease(cycle, 0.85, 1.0)))
    x = shot.width * (0.26 if shot.way > 0 else 0.74)
    body = shot.body(0, pose, x)
    kind = next((kind for kind in _THROWN if kind in shot.scene.things), "ball")
    flight = (cycle - 0.42) / 0.5
    if flight < 0:
        at = body.hand
    else:
        far = shot.way * shot.width * 0.62 * flight
        at = (
            x + shot.way * 22 + far,
            GROUND - shot.unit * 0.75 - 150 * flight * (1 - flight) * 0.9 + 46 * flight * flight,
        )
    thing = Held(kind, at, 360 * flight, shot.unit * 1.4, 160, (90, 84, 80) if kind == "ball" else None)
    target = bystanders(shot, 1, time_s)
    if len(shot.looks) > 1:
        target = [shot.body(1, gaits.COWER, shot.width * (0.86 if shot.way > 0 else 0.14), facing=-shot.way),
                  *bystanders(shot, 2, time_s)]  # fmt: skip
    return [body, thing, *target]
