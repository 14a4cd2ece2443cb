"""Motion programs of accidents: bumps, blows, spills, breakage, collapses, fireworks, crashes of one vehicle."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.acts_vehicles import rider
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Burst, Marks, Smoke, Spray, Trail
from svta_resources.video.procedural.pen import RGB, Point, ease, turn, wave
from svta_resources.video.procedural.shapes import Shape, box
from svta_resources.video.procedural.shot import GROUND, Item, Later, Shot, program
from svta_resources.video.procedural.staging import across, bystanders
from svta_resources.video.procedural.things import Held, Placed
from svta_resources.video.procedural.vehicles import Vehicle

_WOOD: RGB = (158, 104, 58)
_BRICK: RGB = (168, 84, 62)
_DUST: RGB = (206, 196, 176)
_GLASS: RGB = (196, 232, 250)
_DRINK: RGB = (160, 92, 30)
_ON_BACK = Pose(roll=-90, head=14, near_arm=(128, 20), far_arm=(-40, -30), near_leg=(44, 60), far_leg=(-8, 2))
_SHOCK = Pose(lean=-10, head=-10, near_arm=(128, 30), far_arm=(-120, -30), near_leg=(14, 6), far_leg=(-14, 4))


@program("bump", cast=("man", "man"))
def bump(shot: Shot, time_s: float) -> list[Item]:
    """Two people run into each other and both fall on their backs."""
    share = time_s / shot.duration
    meet, fall = ease(share, 0.0, 0.36), ease(share, 0.38, 0.56)
    items: list[Item] = []
    for who, side in ((0, -1), (1, 1)):
        x = shot.middle + side * (shot.unit * (0.2 + 0.85 * (1 - meet)) + 20 * fall)
        pose = blend(gaits.run(time_s + 0.3 * who), replace(_ON_BACK, near_leg=(60, 40)), fall)
        items.append(shot.body(who, pose, x, GROUND - 2 * who, facing=-side))
    star = Burst((shot.middle, GROUND - 0.62 * shot.unit), 20, (share - 0.36) * shot.duration)
    return [*items, star, *bystanders(shot, 2, time_s)]


@program("self-hit", draws=("bat",))
def self_hit(shot: Shot, time_s: float) -> list[Item]:
    """Swing a stick that comes back and hits the own head; hold it and reel."""
    share = time_s / shot.duration
    cycle = min(1.0, share / 0.5)
    windup = Pose(lean=-10, near_arm=(60, 10), far_arm=(30, 60), near_leg=(20, 8), far_leg=(-20, 6))
    struck = Pose(lean=-14, head=-22, near_arm=(176, 60), far_arm=(150, 80), near_leg=(10, 12), far_leg=(-20, 10))
    hurt = replace(struck, lean=26 + 8 * wave(time_s, 1.1), head=20)
    pose = blend(blend(windup, struck, ease(cycle, 0.5, 0.9)), hurt, ease(share, 0.56, 0.7))
    body = shot.body(0, pose, shot.middle)
    items: list[Item] = [body, Burst(body.joints.head, 16, (share - 0.45) * shot.duration)]
    if share < 0.6:
        items.append(Held("bat", body.hand, body.forearm + 90 * cycle, shot.unit * 1.1, body.depth + 0.01))
    else:
        items.append(Marks("arc", (body.joints.head[0], body.joints.head[1] - 9), 11, time_s))
    return [*items, *bystanders(shot, 1, time_s)]


@program("spill", place="restaurant", draws=("bottle", "water"))
def spill(shot: Shot, time_s: float) -> list[Item]:
    """Lift a glass, tip it over oneself, and stare at the growing pool."""
    share = time_s / shot.duration
    lift = replace(gaits.STAND, near_arm=(70, 60 + 30 * ease(share, 0.0, 0.3)))
    pose = blend(lift, replace(_SHOCK, near_arm=(70, 20), far_arm=(-70, -20), head=26), ease(share, 0.4, 0.5))
    body = shot.body(0, pose, shot.middle - shot.way * 10)
    hand = body.hand
    table = Placed("table", shot.middle + shot.way * 46, GROUND + 2, 36, (190, 130, 76))
    glass = [
        (hand[0] - 3, hand[1] - 10),
        (hand[0] + 6, hand[1] - 10),
        (hand[0] + 5, hand[1] + 2),
        (hand[0] - 2, hand[1] + 2),
    ]
    tipped = [turn(point, -shot.way * 120 * ease(share, 0.28, 0.4), hand) for point in glass]
    flow = ease(share, 0.32, 0.5)
    items: list[Item] = [table, body, Shape(body.depth + 0.1, fills=((tipped, (232, 240, 250)),))]
    if 0.32 < share < 0.8:
        stream = [hand, (body.joints.hip[0] + shot.way * 9, body.joints.hip[1]), (body.x + shot.way * 12, GROUND)]
        items.append(Shape(body.depth + 0.2, strokes=((stream, 5.0, _DRINK),)))
    pool = [
        turn((body.x + shot.way * 12 + 34 * flow, GROUND + 1), step * 30, (body.x + shot.way * 12, GROUND + 1))
        for step in range(12)
    ]
    flat = [(x, GROUND + 1 + (y - GROUND - 1) * 0.16) for x, y in pool]
    return [Shape(60, fills=((flat, _DRINK),)), *items, *bystanders(shot, 1, time_s)]


@program("breakage", place="living-room", draws=("bottle",))
def breakage(shot: Shot, time_s: float) -> list[Item]:
    """Brush against a table with a vase; it tips, falls and shatters."""
    share = time_s / shot.duration
    table_x = shot.middle + shot.way * 22
    fall = ease(share, 0.3, 0.5)
    body = shot.body(0, blend(gaits.walk(time_s), _SHOCK, ease(share, 0.34, 0.48)),
                     table_x - shot.way * (shot.unit * 0.55 + 24 * (1 - ease(share, 0.0, 0.32))))  # fmt: skip
    at = (table_x + shot.way * (6 + 30 * fall), GROUND - 36 + 30 * fall * fall)
    outline: tuple[Point, ...] = ((-6, 0), (-9, -12), (-4, -18), (-5, -24), (5, -24), (4, -18), (9, -12), (6, 0))
    vase = [turn((at[0] + a, at[1] + b), shot.way * 150 * fall, at) for a, b in outline]
    age = (share - 0.5) * shot.duration
    items: list[Item] = [Placed("table", table_x, GROUND, 36, _WOOD), body]
    if age < 0:
        items.append(Shape(150, fills=((vase, (46, 96, 190)),)))
    shards = [
        (box(at[0] + n * 7 - 20, GROUND - 2 - n % 2, at[0] + n * 7 - 16, GROUND + 1), (46, 96, 190)) for n in range(6)
    ]
    if age >= 0:
        items.append(Shape(150, fills=tuple(shards)))
    return [*items, Burst((at[0], GROUND - 5), 12, age), Spray((at[0], GROUND), 16, age, (120, 170, 236), 24),
            *bystanders(shot, 1, time_s)]  # fmt: skip


@program("furniture", place="living-room", draws=("chair",))
def furniture(shot: Shot, time_s: float) -> list[Item]:
    """Sit down on a chair that folds up underneath."""
    share = time_s / shot.duration
    down, broken = ease(share, 0.05, 0.3), ease(share, 0.42, 0.52)
    pose = blend(
        blend(gaits.STAND, gaits.SIT, down), replace(_ON_BACK, roll=-58, near_leg=(70, 40), far_leg=(62, 46)), broken
    )
    x = shot.middle
    seat = GROUND - 26
    legs = [
        [(x - 12, seat), (x - 12 - 16 * broken, GROUND)],
        [(x + 12, seat + 24 * broken), (x + 12 + 18 * broken, GROUND)],
    ]
    tops = [
        [(x - 14, seat + 22 * broken), (x + 14, seat + 22 * broken)],
        [(x - 14 * shot.way, seat + 20 * broken), (x - (16 + 22 * broken) * shot.way, seat - 24 + 34 * broken)],
    ]
    chair = Shape(GROUND - 2, strokes=tuple((part, 4.4, _WOOD) for part in (*legs, *tops)))
    age = (share - 0.46) * shot.duration
    body, bits = shot.body(0, pose, x, GROUND + 0.5), Spray((x, GROUND), 15, age, _WOOD)
    return [chair, body, bits, Burst((x, GROUND - 8), 15, age), *bystanders(shot, 1, time_s)]


@program("collapse", place="construction")
def collapse(shot: Shot, time_s: float) -> list[Item]:
    """A wall sways and comes down in rows of blocks and dust; somebody ducks and covers the head."""
    share = time_s / shot.duration
    down = ease(share, 0.28, 0.6)
    left = shot.middle + (4 if shot.way > 0 else -64)
    fills: list[tuple[list[Point], RGB]] = []
    for row in range(7):
        for column in range(4):
            x, y = left + column * 15 + 7 * (row % 2), GROUND - 6 - row * 12.5
            slide = shot.way * -1 * down * (8 + row * 9 + (column * 7 + row * 3) % 11)
            drop = min(GROUND + 1 - y, down * down * (row * 12.5) * 0.92 + (column % 2) * 3 * down)
            corners = box(x - 7 + slide, y - 6 + drop, x + 7 + slide, y + 5 + drop)
            middle = (x + slide, y + drop)
            fills.append(
                (
                    [turn(point, 50 * down * (row % 3 - 1), middle) for point in corners],
                    _BRICK if (row + column) % 2 else (182, 98, 74),
                )
            )
    wall = Shape(90, fills=tuple(fills))
    age = (share - 0.45) * shot.duration
    dust = Smoke(left + 30 - shot.way * 16, GROUND, 60 * ease(share, 0.34, 0.6), 66, time_s, shot.dice[1], 0.12, 9, 0.1)
    body = shot.body(
        0, blend(gaits.walk(time_s), gaits.COWER, ease(share, 0.24, 0.4)), shot.middle - shot.way * 44, facing=shot.way
    )
    return [
        wall,
        body,
        *([dust] if share > 0.34 else []),
        Spray((left + 20, GROUND), 22, age, _DUST, 26),
        *bystanders(shot, 1, time_s),
    ]


@program("firework", place="street", draws=("fire", "smoke"))
def firework(shot: Shot, time_s: float) -> list[Item]:
    """A rocket goes up crooked, turns and bursts in colours beside people who jump back."""
    share = time_s / shot.duration
    start = (shot.middle + shot.way * 30, GROUND)
    rise = ease(share, 0.08, 0.34)
    tip = (start[0] - shot.way * 24 * rise * rise, start[1] - 74 * rise)
    age = (share - 0.34) * shot.duration
    scared = Pose(lean=-20, head=-14, near_arm=(130, 50), far_arm=(116, 54), near_leg=(-20, 14), far_leg=(24, 10))
    away = ease(share, 0.34, 0.6)
    body = shot.body(0, blend(gaits.LOOK_ON, scared, ease(share, 0.3, 0.4)), shot.middle - shot.way * (36 + 20 * away))
    items: list[Item] = [Placed("bin", start[0], GROUND, 16), body]
    if age < 0:
        items.append(Trail(start, tip, (255, 200, 80), 2.4))
    for number, colour in enumerate(((255, 60, 90), (80, 220, 255), (255, 230, 80), (120, 255, 120))):
        again = (age - 0.16 * number) % 0.9 if age > 0.16 * number else -1.0
        middle = (tip[0] + (number - 1.5) * 22, tip[1] + 10 * (number % 2))
        items += [Burst(middle, 26, again, colour), Spray(middle, 24, again, colour, 26, 0.2 * number)]
    return [*items, *bystanders(shot, 1, time_s)]


@program("wheelie", vehicles=("motorcycle",), on_road=True, place="road", zoom=1.1)
def wheelie(shot: Shot, time_s: float) -> list[Item]:
    """Ride on the rear wheel, tip over backwards and slide along behind the motorcycle."""
    share = time_s / shot.duration
    up, over = ease(share, 0.08, 0.3), ease(share, 0.42, 0.6)
    kind, colour = shot.vehicles[0]
    kind = kind if kind in ("bicycle", "motorcycle") else "motorcycle"
    x = across(shot, time_s, 0.5, 0.16)
    tilt = -shot.way * (38 * up + 50 * over)
    cycle = Vehicle(
        kind, colour, x + shot.way * 30 * over, GROUND, shot.zoom * 1.1, shot.way, tilt, 4 * up, rolled=60 * time_s
    )
    items: list[Item] = [cycle, Spray((x, GROUND), 16, (share - 0.55) * shot.duration, (255, 190, 60), 20)]
    if over < 0.2:
        seated = rider(shot, 0, cycle, time_s)
        items.append(Later(replace(seated, pose=replace(seated.pose, roll=-30 * up)), cycle.depth + 0.1))
    else:
        items.append(shot.body(0, blend(Pose(roll=-60, near_arm=(150, 0)), _ON_BACK, over), x - shot.way * 14, GROUND))
    return [*items, *bystanders(shot, 1, time_s)]


@program("wall-crash", vehicles=("car",), on_road=True, place="road", cast=())
def wall_crash(shot: Shot, time_s: float) -> list[Item]:
    """A vehicle drives straight into a wall: the front folds up, bricks and smoke fly."""
    age = time_s - 0.34 * shot.duration
    fold = ease(age, 0.0, 0.12)
    wall_x = shot.middle + shot.way * 44
    vehicle = shot.vehicle(0, 0.0)
    x = wall_x - shot.way * (vehicle.length / 2 - 8 * fold + 6 - 76 * min(age, 0.0))
    vehicle = shot.vehicle(
        0, x, GROUND - 1, crumple=fold, rolled=76 * min(time_s, 0.34 * shot.duration), tilt=shot.way * -4 * fold
    )
    bricks: list[tuple[list[Point], RGB]] = []
    for row in range(6):
        for column in range(2):
            brick_x = wall_x + shot.way * (7 + column * 14 + (5 * fold * (1 + row % 2) if row < 4 else 0))
            y = GROUND - row * 9.4
            bricks.append(
                (box(brick_x - 6.4, y - 8.6, brick_x + 6.4, y), _BRICK if (row + column) % 2 else (182, 98, 74))
            )
    point = (wall_x, GROUND - 16)
    items: list[Item] = [Shape(96, fills=tuple(bricks)), vehicle, Burst(point, 28, age)]
    items += [Spray(point, 22, age, _BRICK, 24), Spray(point, 18, age, _GLASS, 14, 0.4)]
    if age > 0.1:
        items.append(
            Smoke(wall_x - shot.way * 16, GROUND - 24, 24 * ease(age, 0.1, 0.6), 60, time_s, shot.dice[2], 0.3, 8, 0.1)
        )
    return [*items, *bystanders(shot, 0, time_s)]
