"""Motion programs of taking and breaking: theft, shoplifting, burglary, vandalism."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Spray
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import bystanders
from svta_resources.video.procedural.things import Held, Placed

_REACH = Pose(lean=34, near_arm=(74, 4), far_arm=(-14, 30), near_leg=(34, 26), far_leg=(-24, 10))


@program("stealing", cast=("man", "man"), draws=("bag",))
def stealing(shot: Shot, time_s: float) -> list[Item]:
    """Sneak up behind somebody, take the bag at their side, and run off with it."""
    share = time_s / shot.duration
    owner_x = shot.middle + shot.way * shot.unit * 0.5
    owner = shot.body(1, gaits.breathe(time_s, replace(gaits.LOOK_ON, head=12)), owner_x, GROUND - 4)
    approach, away = ease(share, 0.0, 0.4), ease(share, 0.58, 1.0)
    start, at_bag = shot.middle - shot.way * shot.unit * 0.9, owner_x - shot.way * shot.unit * 0.42
    x = start + (at_bag - start) * approach + (start - shot.way * 30 - at_bag) * away
    grabbed = share > 0.52
    pose = blend(gaits.sneak(time_s), _REACH, ease(share, 0.36, 0.46))
    if grabbed:
        pose = blend(_REACH, replace(gaits.run(time_s), near_arm=(40, 40)), ease(share, 0.52, 0.62))
    thief = shot.body(0, pose, x, facing=shot.way if share < 0.56 else -shot.way)
    at = thief.hand if grabbed else (owner_x - shot.way * shot.unit * 0.2, GROUND - 22)
    bag = Held("bag", at, 90, shot.unit * 1.35, thief.depth + 0.01, (214, 44, 90))
    return [owner, thief, bag, *bystanders(shot, 2, time_s)]


@program("shoplifting", place="shop", draws=("shelf", "bag", "box"))
def shoplifting(shot: Shot, time_s: float) -> list[Item]:
    """Stand at a shelf, look around, take a thing and put it under the clothes, again."""
    cycle = (time_s / 1.1) % 1.0
    take = Pose(lean=8, head=-6, near_arm=(96, 4), far_arm=(20, 50), near_leg=(10, 4), far_leg=(-8, 4))
    hide = Pose(lean=16, head=34, near_arm=(26, 108), far_arm=(18, 96), near_leg=(8, 6), far_leg=(-8, 6))
    share = ease(cycle, 0.3, 0.5) * (1 - ease(cycle, 0.86, 1.0))
    shelf_x = shot.middle + shot.way * shot.unit * 0.72
    body = shot.body(0, blend(take, hide, share), shot.middle + shot.way * shot.unit * 0.06)
    items: list[Item] = [Placed("shelf", shelf_x, GROUND - 2, shot.unit * 0.62, state=1.0), body]
    if 0.15 < cycle < 0.62:
        items.append(Held("box", body.hand, 0, shot.unit * 0.8, body.depth + 0.02, (236, 40, 120)))
    return [*items, *bystanders(shot, 1, time_s)]


@program("burglary", place="street", masked=True, draws=("door",))
def burglary(shot: Shot, time_s: float) -> list[Item]:
    """A masked figure levers a door open with a crowbar and slips into the dark, lamp in hand."""
    share = time_s / shot.duration
    door_x = shot.middle + shot.way * shot.unit * 0.55
    pry = Pose(lean=30 + 8 * wave(time_s, 2.2), near_arm=(62 + 12 * wave(time_s, 2.2), 10), far_arm=(70, 6),
               near_leg=(34, 34), far_leg=(-26, 8))  # fmt: skip
    pose = blend(pry, gaits.sneak(time_s), ease(share, 0.62, 0.74))
    x = door_x - shot.way * (shot.unit * 0.5 - shot.unit * 0.34 * ease(share, 0.68, 1.0))
    thief = shot.body(0, pose, x)
    tool = "crowbar" if share < 0.62 else "flashlight"
    held = Held(tool, thief.hand, thief.forearm, shot.unit * 1.3, thief.depth + 0.01)
    splinters = Spray((door_x - shot.way * 10, GROUND - 30), 10, (share - 0.4) * shot.duration, (150, 96, 48))
    door = Placed("door", door_x, GROUND - 2, shot.unit * 0.66, state=ease(share, 0.38, 0.6) * 1.4)
    return [door, thief, held, splinters, *bystanders(shot, 1, time_s)]


@program("vandalism", draws=("bat", "ball", "door"))
def vandalism(shot: Shot, time_s: float) -> list[Item]:
    """Spray a wall, or smash a window when the caption names no paint."""
    share = time_s / shot.duration
    at = shot.middle + shot.way * shot.unit * 0.62
    if "paint" not in shot.scene.things and shot.scene.action_from == "caption":
        swing = abs(wave(time_s, 1.1))
        pose = blend(Pose(lean=-10, near_arm=(-150, -20), near_leg=(-10, 6), far_leg=(20, 8)),
                     Pose(lean=28, near_arm=(80, 0), near_leg=(34, 24), far_leg=(-26, 6)), swing)  # fmt: skip
        body = shot.body(0, pose, at - shot.way * shot.unit * 0.72)
        bat = Held("bat", body.hand, body.forearm, shot.unit * 1.2, body.depth + 0.01)
        glass = Spray((at, GROUND - 34), 15, (time_s * 2.2 % 1.0) * 0.8, (190, 230, 250), 20)
        window = Placed("window", at, GROUND - 14, shot.unit * 0.62, state=1.0 if share > 0.2 else 0.0)
        return [window, body, bat, glass, *bystanders(shot, 1, time_s)]
    aim = 96 + 30 * wave(time_s, 1.3)
    pose = Pose(lean=6, near_arm=(aim, 0), far_arm=(-10, 20), near_leg=(16, 6), far_leg=(-14, 4))
    body = shot.body(0, pose, at - shot.way * shot.unit * 0.66)
    can = Held("can", body.hand, body.forearm, shot.unit * 0.8, body.depth + 0.01, (40, 200, 240))
    wall = Placed("graffiti", at, GROUND - 6, shot.unit * 0.6, state=0.25 + share)
    mist = Spray(can.out(0.4), 5, (time_s * 3) % 1.0, (236, 30, 120), 10)
    return [wall, body, can, mist, *bystanders(shot, 1, time_s)]
