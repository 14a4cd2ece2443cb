"""Motion programs of ordinary life: carrying, cleaning, doors, picking up, climbing, crossing at a crossing."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.pen import RGB, ease, wave
from svta_resources.video.procedural.shapes import Shape, box
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import across, bystanders
from svta_resources.video.procedural.things import Held, Placed

_STONE: RGB = (150, 142, 132)
_STRIPE: RGB = (240, 240, 236)


@program("carrying", draws=("box", "bag"))
def carrying(shot: Shot, time_s: float) -> list[Item]:
    """Carry a box in both arms across the picture."""
    pose = replace(gaits.walk(time_s, 0.9, 22), lean=-6, near_arm=(44, 50), far_arm=(48, 46))
    body = shot.body(0, pose, across(shot, time_s, 0.27, 0.26))
    load = Held(
        "box", (body.x + shot.way * 0.3 * shot.unit, body.joints.near_hand[1]), 0, shot.unit * 1.2, body.depth - 0.1
    )
    return [load, body, *bystanders(shot, 1, time_s)]


@program("cleaning", place="shop")
def cleaning(shot: Shot, time_s: float) -> list[Item]:
    """Sweep the floor with a broom, to and fro."""
    stroke = wave(time_s, 1.1)
    pose = Pose(
        lean=22,
        head=12,
        near_arm=(40 + 14 * stroke, 30),
        far_arm=(26 + 14 * stroke, 40),
        near_leg=(16, 12),
        far_leg=(-14, 8),
    )
    body = shot.body(0, pose, across(shot, time_s, 0.06, 0.42))
    broom = Held("broom", (body.hand[0] + 4 * stroke, body.hand[1]), 90, shot.unit * 0.9, body.depth + 0.01)
    return [body, broom, *bystanders(shot, 1, time_s)]


@program("opening", draws=("door",))
def opening(shot: Shot, time_s: float) -> list[Item]:
    """Walk up to a door, pull it open and step in."""
    share = time_s / shot.duration
    door_x = shot.middle + shot.way * shot.unit * 0.42
    reach = Pose(lean=8, near_arm=(78, 6), far_arm=(-6, 12), near_leg=(14, 8), far_leg=(-14, 4))
    pose = blend(gaits.walk(time_s), reach, ease(share, 0.3, 0.4) * (1 - ease(share, 0.66, 0.76)))
    walked = ease(share, 0.0, 0.36) * 0.7 + ease(share, 0.68, 1.0) * 0.52
    body = shot.body(0, pose, door_x - shot.way * shot.unit * (1.16 - walked), GROUND - 4 * ease(share, 0.7, 1.0))
    door = Placed("door", door_x, GROUND - 6, shot.unit * 0.62, state=1.3 * ease(share, 0.4, 0.64))
    return [door, body, *bystanders(shot, 1, time_s)]


@program("bending", draws=("box", "bag", "bottle"))
def bending(shot: Shot, time_s: float) -> list[Item]:
    """Squat down, take something from the ground and rise with it, again and again."""
    cycle = (time_s / 2.0) % 1.0
    low = ease(cycle, 0.08, 0.32) * (1 - ease(cycle, 0.55, 0.8))
    squat = Pose(lean=44, head=8, near_arm=(52, 10), far_arm=(44, 20), near_leg=(74, 110), far_leg=(52, 100))
    body = shot.body(0, blend(gaits.breathe(time_s), squat, low), shot.middle - shot.way * 6)
    lying = (shot.middle + shot.way * shot.unit * 0.34, GROUND - 20)
    kind = next((kind for kind in ("bag", "bottle") if kind in shot.scene.things), "box")
    at = body.hand if cycle > 0.42 else lying
    return [body, Held(kind, at, 90, shot.unit * 0.8, body.depth + 0.01), *bystanders(shot, 1, time_s)]


@program("climbing", zoom=0.85)
def climbing(shot: Shot, time_s: float) -> list[Item]:
    """Climb up a wall, hand over hand, and swing a leg over the top."""
    share = time_s / shot.duration
    wall_x, top = shot.middle + shot.way * 26, 52.0
    pull = wave(time_s, 1.3)
    climb = Pose(
        lean=6,
        near_arm=(150 + 18 * pull, 8),
        far_arm=(150 - 18 * pull, 8),
        near_leg=(46 + 20 * pull, 66),
        far_leg=(46 - 20 * pull, 66),
    )
    over = Pose(lean=70, near_arm=(80, 10), far_arm=(70, 20), near_leg=(60, 20), far_leg=(-30, 10))
    pose, x = blend(climb, over, ease(share, 0.72, 0.92)), wall_x - shot.way * (18 - 12 * ease(share, 0.75, 1.0))
    body = shot.body(0, pose, x, GROUND - 42 * ease(share, 0.05, 0.85), shadow=False)
    far = wall_x + shot.way * 26
    left, right = min(wall_x, far), max(wall_x, far)
    joints = [(box(left, y, right, y + 1.2), (112, 104, 96)) for y in range(int(top) + 9, 108, 10)]
    wall = Shape(80, fills=((box(left, top, right, GROUND + 2), _STONE), *joints))
    return [wall, body, *bystanders(shot, 1, time_s)]


@program("crossing", vehicles=("car",), fixed_place="road", zoom=0.84, draws=("vehicles",))
def crossing(shot: Shot, time_s: float) -> list[Item]:
    """Cross a road at a zebra crossing while a vehicle waits."""
    share = time_s / shot.duration
    stripes = [(box(shot.middle - 22, y, shot.middle + 22, y + 3.4), _STRIPE) for y in range(72, 116, 8)]
    wait = shot.vehicle(0, shot.width * (0.5 - 0.36 * shot.way), 96, size=0.72)
    items: list[Item] = [Shape(20, fills=tuple(stripes)), wait]
    for who in range(min(3, len(shot.looks))):
        x = shot.middle + shot.way * (10 * share - 4) + (who - 1) * 24 * (len(shot.looks) > 1)
        items.append(shot.body(who, gaits.walk(time_s + 0.3 * who), x, 80 + 24 * share + 2 * who))
    light = Placed("traffic-light", shot.width * (0.5 + 0.3 * shot.way), 80, 24, state=1.0)
    return [*items, light, *bystanders(shot, 3, time_s)]
