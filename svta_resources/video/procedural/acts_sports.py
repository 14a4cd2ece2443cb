"""Motion programs of play and sport that goes wrong: boards, skis, swings, jumps, weights, boats, dances."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Burst, Marks, Spray
from svta_resources.video.procedural.pen import RGB, Point, ease, turn, wave
from svta_resources.video.procedural.shapes import Shape, box
from svta_resources.video.procedural.shot import GROUND, Item, Later, Shot, program
from svta_resources.video.procedural.staging import across, bystanders
from svta_resources.video.procedural.things import Held

_WOOD: RGB = (150, 96, 48)
_STEEL: RGB = (92, 98, 108)
_ROPE: RGB = (196, 168, 110)
_DUST: RGB = (206, 196, 176)
_SPRAWL = Pose(roll=90, head=-10, near_arm=(140, 30), far_arm=(100, 40), near_leg=(-6, 50), far_leg=(6, 4))
_ON_BACK = Pose(roll=-90, head=14, near_arm=(128, 20), far_arm=(-40, -30), near_leg=(44, 60), far_leg=(-8, 2))
_BALANCE = Pose(lean=10, near_arm=(84, 6), far_arm=(-84, -6), near_leg=(36, 44), far_leg=(-30, 26))


@program("skateboard", place="playground", draws=("bat",))
def skateboard(shot: Shot, time_s: float) -> list[Item]:
    """Roll on a board over a rail; the board shoots ahead and the rider lands on the back."""
    share = time_s / shot.duration
    fall = ease(share, 0.42, 0.62)
    hop = 14 * max(0.0, 1 - abs(share - 0.42) / 0.16)
    x = across(shot, min(time_s, 0.62 * shot.duration), 0.62, 0.14)
    board_x = x + shot.way * 46 * ease(share, 0.42, 0.9)
    body = shot.body(0, blend(_BALANCE, _ON_BACK, fall), x, GROUND - (5 + hop) * (1 - fall), shadow=False)
    rail = shot.middle + shot.way * 6
    return [
        _bar(rail - 20, rail + 20, GROUND - 8),
        _board(board_x, GROUND - 3 - hop * (1 - fall), 24, -shot.way * 26 * ease(share, 0.4, 0.5) * (1 - fall)),
        body,
        Spray((x, GROUND), 14, (share - 0.6) * shot.duration, _DUST),
        *bystanders(shot, 1, time_s),
    ]


def _board(x: float, y: float, half: float, degrees: float) -> Item:
    """A skateboard with its two wheels."""

    def at(along: float, below: float) -> Point:
        return turn((x + along, y + below), degrees, (x, y))

    deck = [at(-half * 0.63, 0), at(half * 0.63, 0)]
    wheels = [[at(side * half * 0.4, 3), at(side * half * 0.4 + 0.1, 3)] for side in (-1, 1)]
    return Shape(GROUND - 0.5, strokes=((deck, 3.0, (206, 60, 40)), *((wheel, 4.4, (30, 30, 34)) for wheel in wheels)))


def _bar(left: float, right: float, top: float) -> Item:
    """A low steel rail on two feet."""
    legs = [([(x, top), (x, GROUND - 1)], 2.2, _STEEL) for x in (left + 3, right - 3)]
    return Shape(GROUND - 8, strokes=(([(left, top), (right, top)], 3.0, _STEEL), *legs))


@program("ski", place="park", draws=("bat",))
def ski(shot: Shot, time_s: float) -> list[Item]:
    """Glide down a white slope, catch an edge and tumble in a cloud of snow."""
    share = time_s / shot.duration
    fall = ease(share, 0.45, 0.6)
    drop = 34 * min(1.0, share / 0.62)
    x = across(shot, min(time_s, 0.66 * shot.duration), 0.7, 0.1)
    ground = 70 + drop
    crouch = Pose(lean=34, head=-16, near_arm=(30, 84), far_arm=(20, 90), near_leg=(54, 74), far_leg=(42, 66))
    pose = replace(blend(crouch, _SPRAWL, fall), roll=16 * (1 - fall) + 450 * fall if fall < 1 else 90)
    body = shot.body(0, pose, x, ground, shadow=False)
    skis = [(x - shot.way * 20, ground - 4 - 8 * fall), (x + shot.way * 26, ground + 4 - 26 * fall)]
    edge = [(-12.0, 66.0), (shot.width + 12, 110.0)] if shot.way > 0 else [(-12.0, 110.0), (shot.width + 12, 66.0)]
    slope = Shape(40, fills=(([*edge, (shot.width + 12, 130), (-12, 130)], (238, 242, 248)),))
    cloud = Spray((x, ground), 20, (share - 0.5) * shot.duration, (250, 252, 255), 34)
    return [slope, Shape(ground + 1, strokes=((skis, 2.6, (206, 36, 60)),)), body, cloud, *bystanders(shot, 1, time_s)]


@program("swing", place="playground")
def swing(shot: Shot, time_s: float) -> list[Item]:
    """Swing to and fro; one rope tears and the rider flies off."""
    share = time_s / shot.duration
    torn = share > 0.55
    angle = 42 * wave(min(time_s, 0.55 * shot.duration), 0.75, 0.1)
    top = (shot.middle, 8.0)
    seat = turn((top[0], top[1] + 66), angle, top)
    frame: RGB = (210, 60, 50)
    posts = [([(shot.middle + side * 52, GROUND), (shot.middle + side * 30, 8)], 4.0, frame) for side in (-1, 1)]
    ropes = [([top, (top[0] + 4, 52) if torn else seat], 1.6, _ROPE)]
    parts = Shape(60, strokes=(*posts, ([(shot.middle - 36, 8), (shot.middle + 36, 8)], 4.0, frame), *ropes))
    sitting = replace(gaits.SIT, near_arm=(150, 10), far_arm=(146, 10), roll=angle * -0.6)
    if not torn:
        body = shot.body(0, sitting, seat[0], seat[1] + 17, shadow=False)
        return [parts, Shape(61, strokes=(([(seat[0] - 9, seat[1]), (seat[0] + 9, seat[1])], 3.0, _WOOD),)), body,
                *bystanders(shot, 1, time_s)]  # fmt: skip
    age = (share - 0.55) * shot.duration
    pose = replace(blend(sitting, _ON_BACK, ease(age, 0.0, 0.4)), lift=max(0.0, 0.3 - 1.2 * age))
    body = shot.body(0, pose, seat[0] + shot.way * 24 * ease(age, 0.0, 0.5), GROUND)
    return [parts, body, Spray((body.x, GROUND), 14, age - 0.35, _DUST), *bystanders(shot, 1, time_s)]


@program("handstand", place="gym")
def handstand(shot: Shot, time_s: float) -> list[Item]:
    """Kick up into a handstand, sway, and come down flat on the back."""
    share = time_s / shot.duration
    upside = Pose(
        roll=180, near_arm=(176, 2), far_arm=(170, 6), near_leg=(16 * wave(time_s, 1.2), 6), far_leg=(-22, 10)
    )
    up = blend(
        Pose(lean=50, near_arm=(120, 6), far_arm=(112, 6), near_leg=(30, 40), far_leg=(-40, 10)),
        upside,
        ease(share, 0.08, 0.3),
    )
    sway = replace(up, roll=up.roll + 7 * wave(time_s, 1.6))
    pose = blend(sway, replace(_ON_BACK, roll=270), ease(share, 0.55, 0.72))
    x = shot.middle + shot.way * 34 * ease(share, 0.55, 0.72)
    mat = Shape(50, fills=((box(shot.middle - 62, GROUND - 4, shot.middle + 62, GROUND + 3), (44, 96, 190)),))
    age = (share - 0.7) * shot.duration
    return [mat, shot.body(0, pose, x, GROUND - 3), Burst((x, GROUND - 12), 14, age), *bystanders(shot, 1, time_s)]


@program("missed-jump", zoom=0.82)
def missed_jump(shot: Shot, time_s: float) -> list[Item]:
    """Run up, jump between two blocks, hit the edge of the far one and slide down."""
    share = time_s / shot.duration
    near, far = shot.middle - shot.way * 26, shot.middle + shot.way * 30
    top = GROUND - 20
    blocks = Shape(
        70,
        fills=(
            (_block(near, -shot.way * (near + 20 if shot.way > 0 else shot.width - near + 20), top), (164, 120, 92)),
            (_block(far, shot.way * 200, top), (164, 120, 92)),
        ),
    )
    fly = ease(share, 0.3, 0.52)
    x = near - shot.way * 40 * (1 - ease(share, 0.0, 0.3)) + shot.way * (shot.unit * 0.5) * fly
    flying = Pose(lean=14, near_arm=(120, 10), far_arm=(104, 10), near_leg=(62, 20), far_leg=(-40, 24))
    hit = Pose(lean=30, near_arm=(120, 0), far_arm=(110, 6), near_leg=(-10, 20), far_leg=(-16, 10))
    pose = blend(gaits.run(time_s), flying, ease(share, 0.26, 0.34))
    pose = blend(pose, hit, ease(share, 0.5, 0.56))
    pose = blend(pose, replace(gaits.CROUCH, lean=52, head=20), ease(share, 0.74, 0.86))
    ground = top - 14 * max(0.0, 1 - abs(share - 0.4) / 0.12) + 22 * ease(share, 0.5, 0.8)
    body = shot.body(0, pose, x, ground, shadow=share > 0.8 or share < 0.3)
    return [blocks, body, Burst((far, top), 15, (share - 0.52) * shot.duration), *bystanders(shot, 1, time_s)]


def _block(edge: float, reach: float, top: float) -> list[tuple[float, float]]:
    """A block of masonry from `edge` as far as `reach` (signed)."""
    return box(min(edge, edge + reach), top, max(edge, edge + reach), 130)


@program("barbell", place="gym", zoom=1.02)
def barbell(shot: Shot, time_s: float) -> list[Item]:
    """Heave a barbell overhead, tremble, let it crash and jump back."""
    share = time_s / shot.duration
    up, drop = ease(share, 0.05, 0.35), ease(share, 0.55, 0.68)
    shake = 6 * wave(time_s, 4) * up * (1 - drop)
    low = Pose(lean=40, near_arm=(40, 4), far_arm=(-34, -4), near_leg=(46, 70), far_leg=(-46, -70))
    high = Pose(
        lean=shake * 0.6, near_arm=(160 + shake, 6), far_arm=(-160 + shake, -6), near_leg=(18, 8), far_leg=(-18, -8)
    )
    back = Pose(lean=-18, near_arm=(110, 30), far_arm=(-110, -30), near_leg=(30, 20), far_leg=(-36, -10))
    body = shot.body(0, blend(blend(low, high, up), back, drop), shot.middle, face="front")
    joints = body.joints
    held = min(joints.near_hand[1], joints.far_hand[1])
    y = held + (GROUND - 8 - held) * drop * drop
    bar = Held("barbell", (shot.middle + shake, y), 0, shot.unit * 1.05, 150)
    age = (share - 0.67) * shot.duration
    return [body, bar, Burst((shot.middle - 30, GROUND - 4), 13, age), Spray((shot.middle, GROUND), 16, age, _DUST, 22),
            *bystanders(shot, 1, time_s)]  # fmt: skip


@program("boat", place="beach", zoom=0.9, draws=("water",))
def boat(shot: Shot, time_s: float) -> list[Item]:
    """A boat rocks harder and harder on the waves, turns over and throws its crew into the water."""
    share = time_s / shot.duration
    over = ease(share, 0.5, 0.7)
    tilt = 12 * wave(time_s, 0.8) * min(1.0, share * 2) + shot.way * 168 * over
    x = shot.middle + 8 * wave(time_s, 0.4)
    middle = (x, 84 + 3 * wave(time_s, 0.9))
    outline = ((-44, -8), (46, -10), (34, 10), (-34, 10))
    hull = Shape(84, fills=(([turn((x + a, middle[1] + b), tilt, middle) for a, b in outline], (186, 60, 44)),))
    sea = Shape(30, fills=((box(-12, 66, shot.width + 12, 130), (40, 122, 180)),))
    steps, drift = range(int(shot.width / 12) + 3), 6 * wave(time_s, 0.5)
    crests = [
        ([(left + n * 12 + drift, 92 + row * 9 + 2.4 * (n % 2)) for n in steps], 2.2, (150, 206, 236))
        for row, left in enumerate((-20, -14, -22))
    ]
    sitting = replace(gaits.SIT, near_arm=(70, 20), far_arm=(62, 24), lean=tilt * 0.2)
    fallen = Pose(roll=110, near_arm=(150, 0), far_arm=(120, 10), near_leg=(20, 50))
    sunk = 34 * ease(share, 0.62, 0.78)
    body = shot.body(
        0, blend(sitting, fallen, over), x + shot.way * 44 * over, 90 - 20 * over * (1 - over) + sunk, shadow=False
    )
    splash = Spray((x + shot.way * 44, 92), 22, (share - 0.64) * shot.duration, (214, 238, 250), 30)
    return [sea, Later(body, 83), hull, Shape(90, strokes=tuple(crests)), splash, *bystanders(shot, 1, time_s)]


@program("dance-fall", place="restaurant")
def dance_fall(shot: Shot, time_s: float) -> list[Item]:
    """Dance, lose the beat and the balance, and fall among the notes."""
    share = time_s / shot.duration
    pose = blend(gaits.dance(time_s, shot.dice[1]), replace(_ON_BACK, near_arm=(100, 30)), ease(share, 0.46, 0.64))
    x = shot.middle + 8 * wave(time_s, 0.6) * (1 - ease(share, 0.4, 0.5))
    body = shot.body(0, pose, x, face="front" if share < 0.5 else "side")
    items: list[Item] = [body, Spray((x, GROUND), 15, (share - 0.62) * shot.duration, _DUST)]
    if share < 0.6:
        items.append(Marks("note", (body.joints.head[0], body.joints.head[1] - 4), 11, time_s))
    if len(shot.looks) > 1:
        partner = gaits.dance(time_s + 0.2, 0.8) if share < 0.5 else gaits.LOOK_ON
        items.append(shot.body(1, partner, shot.middle - shot.way * 44, GROUND - 2, face="front"))
    return [*items, *bystanders(shot, 2, time_s)]
