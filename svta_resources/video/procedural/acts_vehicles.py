"""Motion programs of traffic: driving, parking, crashing, leaving the lane."""

from dataclasses import dataclass, replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Body, Pose, blend
from svta_resources.video.procedural.effects import Burst, Smoke, Spray
from svta_resources.video.procedural.pen import RGB, Pen, Point, ease, shade, turn, wave
from svta_resources.video.procedural.shot import GROUND, Item, Later, Shot, program
from svta_resources.video.procedural.staging import bystanders, far_body
from svta_resources.video.procedural.vehicles import TWO_WHEELED, Vehicle, length_of

_GLASS = (196, 232, 250)
_GREY = (92, 96, 106)
_RIDE = Pose(lean=34, head=-20, near_arm=(70, 10), far_arm=(64, 14), near_leg=(62, 70), far_leg=(44, 76))


def rider(shot: Shot, who: int, vehicle: Vehicle, time_s: float) -> Body:
    """Seat a person on a two-wheeler; on a bicycle the legs pedal. Nobody's look (beyond the cast) is a grey one."""
    pose = _RIDE
    if vehicle.kind == "bicycle":
        push = wave(time_s, 1.5)
        pose = replace(_RIDE, near_leg=(44 + 26 * push, 54 + 22 * push), far_leg=(44 - 26 * push, 54 - 22 * push))
    look = shot.looks[who] if who < len(shot.looks) else replace(shot.looks[0], top=_GREY, long=None)
    saddle = vehicle.at(0.34, 0.86)
    body = Body(look, pose, saddle[0], 0.0, shot.unit * look.size * 0.86, vehicle.facing)
    drop = saddle[1] - body.joints.hip[1] - 0.08 * body.height
    return Body(look, pose, saddle[0], drop, body.height, vehicle.facing, shadow=False)


def _passing(shot: Shot, number: int, time_s: float, ground: float, start: float, speed: float, way: int) -> Vehicle:
    x = shot.width * start + way * speed * time_s
    return shot.vehicle(number, x, ground, facing=way, rolled=speed * time_s)


@program("driving", place="road", vehicles=("car",), on_road=True, zoom=1.15)
def driving(shot: Shot, time_s: float) -> list[Item]:
    """Ordinary traffic: the vehicles named drive through the picture, one after the other or in both directions."""
    items: list[Item] = []
    count = len(shot.vehicles)
    speed = 30 + 22 * shot.dice[1]
    for number in range(count):
        way = shot.way if number % 2 == 0 else -shot.way
        start = 0.26 + 0.18 * shot.dice[0] + 0.4 * (number // 2)
        ground = GROUND - 1 if number % 2 == 0 else GROUND - 20
        vehicle = _passing(shot, number, time_s, ground, start if way > 0 else 1 - start, speed + 7 * number, way)
        items.append(vehicle)
        if vehicle.kind in TWO_WHEELED:
            items.append(Later(rider(shot, 0, vehicle, time_s), vehicle.depth + 0.1))
    on_foot = 1 if any(kind in TWO_WHEELED for kind, _ in shot.vehicles) else 0
    named = [who for who in range(on_foot, len(shot.looks)) if who < len(shot.scene.figures)]
    for number, who in enumerate(named[:3]):
        items.append(far_body(shot, who, gaits.breathe(time_s), shot.width * (0.88 - 0.12 * number), 78, facing=-1))
    return items


@program("cycling", vehicles=("bicycle",), on_road=True, zoom=1.15)
def cycling(shot: Shot, time_s: float) -> list[Item]:
    """Somebody rides a bicycle or motorcycle along."""
    kind, colour = next(((k, c) for k, c in shot.vehicles if k in TWO_WHEELED), ("bicycle", shot.vehicles[0][1]))
    start = 0.2 + 0.14 * shot.dice[0]
    x = shot.width * (start if shot.way > 0 else 1 - start) + shot.way * 46 * time_s
    cycle = Vehicle(kind, colour, x, GROUND, shot.zoom * 1.1, shot.way, rolled=46 * time_s)
    return [cycle, Later(rider(shot, 0, cycle, time_s), cycle.depth + 0.1), *bystanders(shot, 1, time_s)]


@program("parking", vehicles=("car",), place="parking-lot", on_road=True)
def parking(shot: Shot, time_s: float) -> list[Item]:
    """A vehicle rolls into a marked bay, slower and slower, and stops; the driver stands beside it in the end."""
    share = ease(time_s / shot.duration, 0.0, 0.7)
    stop = shot.middle + shot.way * 14
    x = stop - shot.way * 66 * (1 - share)
    vehicle = shot.vehicle(0, x, GROUND, rolled=66 * share, size=shot.zoom * 1.12, lights_on=shot.dark)
    items: list[Item] = [_Bay(stop, shot.way, vehicle.length), vehicle]
    if vehicle.kind in TWO_WHEELED:
        items.append(Later(rider(shot, 0, vehicle, time_s), vehicle.depth + 0.1))
    elif shot.scene.figures:
        out = shot.body(0, gaits.breathe(time_s), stop - shot.way * (vehicle.length * 0.5 + 14), 92, facing=shot.way)
        items.append(out)
    return items


@dataclass(frozen=True)
class _Bay:
    """A marked parking bay with a P sign."""

    x: float
    way: int
    length: float

    depth = 62.0

    def draw(self, pen: Pen) -> None:
        half = self.length / 2 + 5
        pen.lines(
            [[(self.x - half, 96), (self.x - half - 8, 111)], [(self.x + half, 96), (self.x + half + 8, 111)]],
            2.6,
            (250, 250, 250),
        )
        sign = self.x + self.way * (half + 12)
        pen.rect(sign - 1.2, 40, sign + 1.2, 96, (90, 94, 100))
        pen.rect(sign - 9, 26, sign + 9, 46, (24, 84, 220))
        pen.line([(sign - 3, 43), (sign - 3, 29), (sign + 4, 31), (sign + 3, 36), (sign - 3, 37)], 2.4, (255, 255, 255))


@program("car-crash", place="road", vehicles=("car", "van"), on_road=True, cast=())
def car_crash(shot: Shot, time_s: float) -> list[Item]:
    """Two vehicles run into each other: fronts fold up, glass and smoke fly."""
    impact = 0.24 * shot.duration
    age = time_s - impact
    before = min(0.0, age)
    recoil = 5 * ease(age, 0.0, 0.25)
    fold = ease(age, 0.0, 0.12)
    left = shot.vehicles[0]
    halves = [length_of(kind) * 0.5 * shot.zoom * 0.92 for kind, _ in shot.vehicles[:2]]
    meet = shot.middle + (halves[0] - halves[1]) * 0.5
    overlap = 7 * fold
    items: list[Item] = []
    for number, side in ((0, -1), (1, 1)):
        x = meet + side * (halves[number] - overlap - 80 * before + recoil)
        tilt = -side * 7 * fold * (1 + 0.2 * wave(max(0.0, age), 3)) * (1 if age > 0 else 0)
        items.append(
            shot.vehicle(
                number,
                x,
                GROUND - 2 * number,
                facing=-side,
                size=0.92 * shot.zoom,
                tilt=tilt,
                crumple=fold,
                rolled=80 * min(time_s, impact),
                lift=4 * fold * abs(wave(age, 1.2)) if 0 < age < 0.6 else 0.0,
            )
        )
    point = (meet, GROUND - 16)
    items += [
        Burst(point, 34, age),
        Spray(point, 26, age, _GLASS, 30, shot.dice[1]),
        Spray(point, 18, age, shade(left[1], 0.8), 14),
    ]
    if age > 0.1:
        items.append(Smoke(meet, GROUND - 22, 26 * ease(age, 0.1, 0.6), 62, time_s, shot.dice[2], 0.45, 8, 0.1))
    return [*items, *bystanders(shot, 0, time_s)]


@program("people-and-car-accident", place="road", vehicles=("car",), on_road=True)
def people_and_car_accident(shot: Shot, time_s: float) -> list[Item]:
    """A vehicle hits somebody on foot, who flies over the hood and stays on the ground."""
    impact = 0.26 * shot.duration
    age = time_s - impact
    spot = shot.middle + shot.way * 14
    brake = min(age, 0.0) * 70 + (12 * ease(age, 0.0, 0.3) if age > 0 else 0.0)
    vehicle = shot.vehicle(0, 0.0)
    front = spot + shot.way * brake - shot.way * 5
    vehicle = shot.vehicle(0, front - shot.way * vehicle.length / 2, GROUND, rolled=70 * min(time_s, impact + 0.2))
    flying = Pose(roll=-100, lean=-20, near_arm=(150, 10), far_arm=(-120, -20), near_leg=(60, 30), far_leg=(10, 40))
    pose = blend(gaits.walk(time_s), flying, ease(age, 0.0, 0.12))
    pose = blend(pose, gaits.ON_BACK, ease(age, 0.55, 0.75))
    high = max(0.0, 2.3 * age - 3.3 * age * age) if age > 0 else 0.0
    x = spot + shot.way * 36 * ease(age, 0.0, 0.7)
    body = shot.body(0, replace(pose, lift=high), x, GROUND + 1, facing=-shot.way)
    items: list[Item] = [vehicle, body, Burst((spot, GROUND - 26), 24, age)]
    if vehicle.kind in TWO_WHEELED:
        items.append(Later(rider(shot, 1, vehicle, time_s), vehicle.depth + 0.1))
        return [*items, *bystanders(shot, 2, time_s)]
    return [*items, *bystanders(shot, 1, time_s)]


@program("road-accidents", place="road", vehicles=("motorcycle", "car"), on_road=True)
def road_accidents(shot: Shot, time_s: float) -> list[Item]:
    """A motorcycle or bicycle is hit by a vehicle and its rider thrown; larger ones skid and roll over."""
    impact = 0.28 * shot.duration
    age = time_s - impact
    spot = shot.middle - shot.way * 8
    small = next((number for number, (kind, _) in enumerate(shot.vehicles) if kind in TWO_WHEELED), None)
    if small is None:
        return _roll_over(shot, time_s, age, spot)
    big = next((number for number, (kind, _) in enumerate(shot.vehicles) if kind not in TWO_WHEELED), small)
    car = shot.vehicle(big, 0.0)
    front = spot + shot.way * (70 * min(age, 0.0) + 8 * ease(age, 0.0, 0.3))
    car = shot.vehicle(big, front - shot.way * car.length / 2, GROUND - 3, rolled=70 * min(time_s, impact))
    whirl = -shot.way * 150 * ease(age, 0.0, 0.5)
    kind, colour = shot.vehicles[small]
    cycle_x = spot + shot.way * (20 - 46 * min(age, 0.0) + 26 * ease(age, 0.0, 0.5))
    cycle = Vehicle(
        kind,
        colour,
        cycle_x,
        GROUND + 2,
        shot.zoom * 1.05,
        -shot.way,
        whirl,
        12 * ease(age, 0, 0.2) * (1 - ease(age, 0.3, 0.5)),
    )
    if age < 0:
        driver: Item = Later(rider(shot, 0, cycle, time_s), cycle.depth + 0.1)
    else:
        high = max(0.0, 2.2 * age - 3.2 * age * age)
        pose = blend(replace(_RIDE, roll=-60), gaits.ON_FACE, ease(age, 0.2, 0.6))
        driver = shot.body(
            0, replace(pose, lift=high), cycle_x + shot.way * 30 * ease(age, 0, 0.7), GROUND, facing=shot.way
        )
    sparks = Spray((spot + 12 * shot.way, GROUND - 10), 20, age, (255, 190, 60), 22)
    return [
        car,
        cycle,
        driver,
        sparks,
        Burst((spot + 10 * shot.way, GROUND - 18), 22, age),
        *bystanders(shot, 1, time_s),
    ]


def _roll_over(shot: Shot, time_s: float, age: float, spot: float) -> list[Item]:
    """One vehicle skids, tips onto its roof and slides on."""
    over = shot.way * 172 * ease(age, 0.0, 0.7)
    x = spot + shot.way * (60 * min(age, 0.0) + 34 * ease(age, 0.0, 0.9))
    vehicle = shot.vehicle(
        0, x, GROUND, tilt=over, lift=8 * ease(age, 0, 0.3) * (1 - ease(age, 0.5, 0.8)), rolled=60 * time_s
    )
    items: list[Item] = [vehicle, Spray((x, GROUND), 22, age, (255, 190, 60), 24)]
    if len(shot.vehicles) > 1:
        items.append(shot.vehicle(1, shot.middle + shot.way * 74, GROUND - 12, facing=-shot.way, size=shot.zoom * 0.8))
    if age > 0.5:
        items.append(Smoke(x, GROUND - 24, 22, 60, time_s, shot.dice[1], 0.4, 7))
    return [*items, *bystanders(shot, 0, time_s)]


@program("driving-outside-lane", vehicles=("car", "car"), fixed_place="road", cast=())
def driving_outside_lane(shot: Shot, time_s: float) -> list[Item]:
    """Seen from above: a vehicle weaves over the lines of a road while the others keep their lanes."""
    colours = [colour for _, colour in shot.vehicles]
    sway = wave(time_s, 0.55, shot.dice[1])
    long = {"truck": 1.5, "bus": 1.7, "van": 1.2}.get(shot.vehicles[0][0], 1.0)
    return [
        _RoadFromAbove(shot.width, time_s),
        *(_FromAbove((150, 154, 160), shot.width * start - 40 * time_s, 34, -180, 1.0) for start in (0.1, 1.25)),
        _FromAbove(
            (120, 126, 132) if colours[1] == colours[0] else colours[1], shot.width * 0.9 - 6 * time_s, 88, 0, 1.0
        ),
        _FromAbove(
            colours[0],
            shot.width * 0.42 + 6 * time_s,
            62 + 26 * sway,
            22 * wave(time_s, 0.55, shot.dice[1] + 0.25),
            1.25 * long,
        ),
    ]


@dataclass(frozen=True)
class _RoadFromAbove:
    """Covers the place by a road seen from above; its lines run backwards as the camera follows."""

    width: float
    time: float

    depth = 10.0

    def draw(self, pen: Pen) -> None:
        pen.rect(-12, -12, self.width + 12, 130, (96, 160, 78))
        pen.rect(-12, 12, self.width + 12, 104, (84, 86, 92))
        pen.rect(-12, 15, self.width + 12, 18, (250, 250, 246))
        pen.rect(-12, 98, self.width + 12, 101, (250, 250, 246))
        offset = (self.time * 70) % 34
        for number in range(int(self.width / 34) + 3):
            x = number * 34 - offset - 20
            pen.rect(x, 57, x + 20, 60, (252, 206, 40))


@dataclass(frozen=True)
class _FromAbove:
    """A car seen from above, turned by `degrees`."""

    colour: RGB
    x: float
    y: float
    degrees: float
    long: float

    @property
    def depth(self) -> float:
        return 20 + self.y / 100

    def draw(self, pen: Pen) -> None:
        def corners(left: float, top: float, right: float, bottom: float) -> list[Point]:
            box = ((left, top), (right, top), (right, bottom), (left, bottom))
            return [turn((self.x + a * self.long, self.y + b), self.degrees, (self.x, self.y)) for a, b in box]

        pen.poly(corners(-23, -11, 23, 11), self.colour)
        pen.polys([corners(4, -9, 12, 9), corners(-17, -8, -12, 8)], (40, 58, 76))
        pen.poly(corners(-11, -8.5, 3, 8.5), shade(self.colour, 1.15))
        pen.dots(
            [turn((self.x + 22 * self.long, self.y + s), self.degrees, (self.x, self.y)) for s in (-8, 8)],
            4,
            (255, 246, 190),
            glow=True,
        )
