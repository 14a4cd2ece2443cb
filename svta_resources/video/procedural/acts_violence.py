"""Motion programs of people against people: fights, attacks, arrests, weapons."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Body, Pose, blend
from svta_resources.video.procedural.effects import Burst, Trail
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.places import is_indoors
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import bystanders
from svta_resources.video.procedural.things import Held, Placed

_GUARD = Pose(lean=12, near_arm=(46, 104), far_arm=(58, 96), near_leg=(26, 26), far_leg=(-24, 14))
_PUNCH = Pose(lean=22, near_arm=(92, 0), far_arm=(40, 110), near_leg=(40, 30), far_leg=(-30, 6))
_KICK = Pose(lean=-20, near_arm=(30, 90), far_arm=(-40, 60), near_leg=(88, 2), far_leg=(-10, 10))
_HIT = Pose(lean=-26, head=-24, near_arm=(70, 40), far_arm=(-50, 20), near_leg=(18, 14), far_leg=(-26, 20))


@program("fighting", cast=("man", "man"), zoom=1.08)
def fighting(shot: Shot, time_s: float) -> list[Item]:
    """Two people trade punches and kicks at close range."""
    beat = time_s * 1.9 + shot.dice[1]
    turn, share = int(beat) % 2, beat % 1.0
    strike = ease(share, 0.1, 0.4) * (1 - ease(share, 0.6, 0.95))
    blow = _KICK if int(beat / 2) % 2 else _PUNCH
    poses = [blend(_GUARD, blow, strike), blend(_GUARD, _HIT, strike)]
    sway = 3 * wave(time_s, 0.9)
    gap = shot.unit * 0.27
    left = shot.body(0, poses[turn], shot.middle - gap + sway, facing=1)
    right = shot.body(1, poses[1 - turn], shot.middle + gap + sway, GROUND + 0.5, facing=-1)
    struck = right if turn == 0 else left
    spark = Burst(struck.joints.head, 15, (share - 0.36) / 1.9)
    return [left, right, spark, *bystanders(shot, 2, time_s)]


@program("assault", cast=("man", "man"), draws=("bat", "knife", "bottle"))
def assault(shot: Shot, time_s: float) -> list[Item]:
    """Somebody comes from behind, with the weapon the caption names, and beats down a person who cannot hit back."""
    share = time_s / shot.duration
    swing = abs(wave(time_s, 1.2))
    weapon = next((kind for kind in ("knife", "bottle", "bat") if kind in shot.scene.things), None)
    if weapon is None and shot.scene.action_from != "caption":
        weapon = "bat"
    raised = Pose(lean=-8, near_arm=(-160, -20), far_arm=(40, 60), near_leg=(20, 10), far_leg=(-24, 8))
    struck_out = Pose(lean=32, near_arm=(70, 0), far_arm=(30, 60), near_leg=(40, 30), far_leg=(-30, 10))
    attack = blend(raised, struck_out, swing)
    x = shot.middle - shot.way * (shot.unit * 0.42 + 10 * (1 - ease(share, 0, 0.2)))
    attacker = shot.body(0, attack, x)
    struck = Pose(lean=64, head=20, near_arm=(130, 30), far_arm=(120, 60), near_leg=(10, 84), far_leg=(-16, 80))
    pose = blend(gaits.walk(time_s), struck, ease(share, 0.1, 0.3))
    pose = blend(pose, replace(gaits.ON_FACE, near_arm=(150, 70)), ease(share, 0.5, 0.68))
    victim = shot.body(1, pose, shot.middle + shot.way * shot.unit * 0.24, GROUND - 1)
    depth = attacker.depth + 0.01
    club = [Held(weapon, attacker.hand, attacker.forearm, shot.unit * 1.1, depth)] if weapon else []
    spark = Burst((victim.joints.neck[0], victim.joints.neck[1] - 4), 13, (time_s * 1.2 * 2 % 1.0 - 0.4) / 2)
    return [victim, attacker, *club, spark, *bystanders(shot, 2, time_s)]


@program("abuse", cast=("man", "boy"), place="living-room", draws=("dog",))
def abuse(shot: Shot, time_s: float) -> list[Item]:
    """A big figure stands over a small one that cowers and covers its head; or over a dog."""
    hit = abs(wave(time_s, 1.0))
    raised = Pose(lean=4, near_arm=(150, 20), far_arm=(60, 50), near_leg=(12, 6), far_leg=(-14, 4))
    lowered = Pose(lean=36, near_arm=(56, 6), far_arm=(60, 50), near_leg=(16, 10), far_leg=(-18, 6))
    pose = blend(raised, lowered, hit)
    x = shot.middle - shot.way * shot.unit * 0.3
    bully = Body(shot.looks[0], pose, x, GROUND, shot.unit * 1.12, shot.way)
    at = shot.middle + shot.way * shot.unit * 0.26
    spark = Burst((at, GROUND - shot.unit * 0.42), 11, (time_s * 2 % 1.0 - 0.4) / 2, (255, 120, 60))
    if "dog" in shot.scene.things:
        dog = Placed("dog", at, GROUND + 2, shot.way * shot.unit * 0.4, (140, 92, 52), 0.1 * hit)
        return [bully, dog, spark, *bystanders(shot, 1, time_s)]
    small = shot.looks[1]
    cower = replace(gaits.COWER, lean=52 + 5 * wave(time_s, 3))
    victim = Body(small, cower, at, GROUND + 1, shot.unit * min(small.size, 0.78), -shot.way)
    return [bully, victim, spark, *bystanders(shot, 2, time_s)]


@program("arrest", cast=("man", "man"), vehicles=("police-car",), needs=("police",), own_vehicles=True)
def arrest(shot: Shot, time_s: float) -> list[Item]:
    """An officer holds a kneeling suspect, hands on the head, beside a car with its blue light on."""
    share = ease(time_s / shot.duration, 0.0, 0.35)
    officer, suspect = _officer_and_suspect(shot)
    surrender = replace(gaits.KNEEL, near_arm=(150, 84), far_arm=(150, 84), lean=4 + 10 * share)
    kneel = blend(replace(gaits.HANDS_UP, lean=4), surrender, share)
    x = shot.middle + shot.way * 8
    man = shot.body(suspect, kneel, x, GROUND, facing=shot.way)
    hold = Pose(
        lean=22, near_arm=(62 - 14 * share, 14), far_arm=(70 - 14 * share, 10), near_leg=(26, 20), far_leg=(-22, 6)
    )
    cop = shot.body(officer, hold, x - shot.way * shot.unit * 0.44, GROUND - 1)
    items: list[Item] = [cop, man]
    if not is_indoors(shot.scene.place or "street"):
        from_back = shot.width * (0.76 if shot.way > 0 else 0.24)
        items.append(shot.vehicle(0, from_back, 88, facing=-shot.way, size=0.86, siren=time_s, lights_on=True))
    rest = [who for who in range(len(shot.looks)) if who not in (officer, suspect)]
    for number, who in enumerate(rest):
        items.append(shot.body(who, gaits.LOOK_ON, shot.width * (0.1 + 0.08 * number), 94 + number, facing=1))
    return items


def _officer_and_suspect(shot: Shot) -> tuple[int, int]:
    """Find who arrests whom: the first officer, and the first person who is none."""
    officers = [who for who, look in enumerate(shot.looks) if look.kind == "police"]
    others = [who for who, look in enumerate(shot.looks) if look.kind != "police"]
    officer = officers[0] if officers else 0
    suspect = others[0] if others else 1
    return (officer, suspect) if officer != suspect else (suspect + 1, suspect)


@program("robbery", cast=("man", "man"), place="shop", zoom=1.05, masked=True, draws=("gun", "knife", "bag"))
def robbery(shot: Shot, time_s: float) -> list[Item]:
    """A masked figure points a weapon across a counter at somebody with raised hands; a bag of money waits."""
    tremble = 2.5 * wave(time_s, 1.4)
    weapon = "knife" if "knife" in shot.scene.things else "gun"
    x = shot.middle - shot.way * shot.unit * 0.56
    robber = shot.body(0, replace(gaits.AIM, near_arm=(88 + tremble, 0), lean=6 + tremble), x)
    victim_x = shot.middle + shot.way * shot.unit * 0.5
    up = replace(gaits.HANDS_UP, near_arm=(154 + 2 * tremble, 24), far_arm=(-154, -24), lean=-6)
    victim = shot.body(1, up, victim_x, GROUND - 4, facing=-shot.way, face="front")
    counter = Placed("counter", victim_x - shot.way * 6, GROUND + 1, 27, (176, 110, 60))
    gun = Held(weapon, robber.hand, robber.forearm, shot.unit * 0.95, robber.depth + 0.01)
    bag = Held("bag", (x - shot.way * 16, GROUND - 26), 90, shot.unit * 1.1, 103, (226, 196, 60))
    return [robber, victim, counter, gun, bag, *bystanders(shot, 2, time_s)]


@program("shooting", cast=("man", "man"), draws=("gun",))
def shooting(shot: Shot, time_s: float) -> list[Item]:
    """Somebody fires again and again: muzzle flashes, streaks, a person who goes down."""
    share = time_s / shot.duration
    cycle = (time_s * 2.6) % 1.0
    kick = 14 * (1 - ease(cycle, 0.0, 0.4))
    x = shot.width * (0.2 if shot.way > 0 else 0.8)
    shooter = shot.body(0, replace(gaits.AIM, near_arm=(90 + kick, 0), far_arm=(86 + kick, 4)), x)
    gun = Held("gun", shooter.hand, shooter.forearm, shot.unit * 1.05, shooter.depth + 0.01)
    end_x = shot.width - x
    pose = blend(replace(gaits.HANDS_UP, lean=-14), gaits.ON_BACK, ease(share, 0.22, 0.5))
    victim = shot.body(1, pose, end_x, GROUND - 2, facing=-shot.way)
    items: list[Item] = [victim, shooter, gun]
    if cycle < 0.42:
        muzzle = gun.out(0.36)
        items += [Burst(muzzle, 17, 0.05, (255, 190, 40)), Burst(muzzle, 9, 0.05, (255, 250, 200))]
        items.append(Trail((muzzle[0] + shot.way * 12, muzzle[1]), (end_x, muzzle[1] + 3), (255, 240, 150), 1.6))
    return [*items, *bystanders(shot, 2, time_s)]
