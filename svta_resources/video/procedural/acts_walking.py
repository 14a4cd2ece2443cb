"""Motion programs of people on the move: walking, running and their injured, drunk, dragging kinds."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose, blend
from svta_resources.video.procedural.effects import Marks, Spray, Stain
from svta_resources.video.procedural.pen import ease, wave
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import across, animal, bystanders, carried
from svta_resources.video.procedural.things import Held, Placed


@program("walking", all_people=True, draws=("dog",))
def walking(shot: Shot, time_s: float) -> list[Item]:
    """Everybody named strolls, side by side or one after the other."""
    items: list[Item] = []
    count = len(shot.looks)
    if "dog" in shot.scene.things:
        x = across(shot, time_s, 0.36, 0.5)
        items.append(animal("dog", x, GROUND + 2, shot.way, shot.unit, time_s * 1.6))
    for who in range(count):
        hertz = 0.9 + 0.14 * ((who * 0.6 + shot.dice[1]) % 1.0)
        gap = min(0.44, 0.9 / count)
        start = 0.28 + 0.14 * shot.dice[0] - gap * (who - (count - 1) / 2) * 0.8
        ground = GROUND - 5 * (who % 3)
        x = across(shot, time_s, 0.36 * hertz, start)
        body = shot.body(who, gaits.walk(time_s + who * 0.37, hertz), x, ground)
        items += [body, *carried(shot, body, who)]
    return items


@program("running")
def running(shot: Shot, time_s: float) -> list[Item]:
    """Sprint through the picture, dust behind the heels; a second person named runs after."""
    x = across(shot, time_s, 0.78, 0.02 + 0.08 * shot.dice[0])
    body = shot.body(0, gaits.run(time_s), x)
    dust = [
        Spray(
            (x - shot.way * shot.unit * (0.3 + 0.3 * n), GROUND - 2),
            9,
            (time_s * 2 + n * 0.5) % 1.0,
            (206, 196, 176),
            8,
            n * 0.3,
        )
        for n in range(2)
    ]
    if len(shot.looks) > 1 and len(shot.scene.figures) > 1:
        second = shot.body(1, gaits.run(time_s + 0.35, 1.6), x - shot.way * shot.unit * 0.72, GROUND - 3)
        return [second, body, *dust, *carried(shot, body), *bystanders(shot, 2, time_s)]
    return [body, *dust, *carried(shot, body), *bystanders(shot, 1, time_s)]


@program("running-injured")
def running_injured(shot: Shot, time_s: float) -> list[Item]:
    """Run with a dragging leg, clutching a bleeding arm."""
    stride, drop = gaits.run(time_s, 1.35, 30), max(0.0, wave(time_s, 1.35))
    pose = blend(stride, gaits.limp(time_s, 1.35), 0.35)
    pose = replace(pose, near_arm=(34, 96), far_arm=(30, 86), lean=30 + 12 * drop, head=14)
    body = shot.body(0, pose, across(shot, time_s, 0.58, 0.1), wounded="arm")
    return [Stain("drops", body.x, GROUND + 1, shot.way), body, *bystanders(shot, 1, time_s)]


@program("walking-injured")
def walking_injured(shot: Shot, time_s: float) -> list[Item]:
    """Limp along with a bandaged leg and a crutch."""
    pose = replace(gaits.limp(time_s), near_arm=(30, 18))
    body = shot.body(0, pose, across(shot, time_s, 0.22, 0.34), wounded="leg")
    crutch = Held("stick", body.hand, 90, shot.unit * 1.12, body.depth + 0.01)
    return [body, crutch, *bystanders(shot, 1, time_s)]


@program("walking-drunk")
def walking_drunk(shot: Shot, time_s: float) -> list[Item]:
    """Reel in curves, bottle in hand."""
    x = across(shot, time_s, 0.16, 0.4) + 12 * wave(time_s, 0.55)
    body = shot.body(0, gaits.stagger(time_s), x, GROUND - 3 + 3 * wave(time_s, 0.4))
    bottle = Held("bottle", body.hand, body.forearm, shot.unit * 1.15, body.depth + 0.01)
    dizzy = Marks("arc", (body.joints.head[0], body.joints.head[1] - 0.15 * shot.unit), 11, time_s)
    return [body, bottle, dizzy, *bystanders(shot, 1, time_s)]


@program("stumbling-walk")
def stumbling_walk(shot: Shot, time_s: float) -> list[Item]:
    """Walk, catch a foot on a stone, lurch forward with flying arms, and again."""
    cycle = (time_s + 0.5 * shot.dice[0]) % 1.1
    lurch = ease(cycle, 0.3, 0.5) * (1 - ease(cycle, 0.75, 1.05))
    plunge = Pose(
        lean=58,
        head=-24,
        near_arm=(104 + 30 * wave(time_s, 3), 14),
        far_arm=(132, 20),
        near_leg=(52, 46),
        far_leg=(-40, 38),
    )
    x = across(shot, time_s, 0.34, 0.26)
    body = shot.body(0, blend(gaits.walk(time_s), plunge, lurch), x)
    stones = [Placed("stone", shot.width * share, GROUND + 3, 13) for share in (0.2, 0.48, 0.76)]
    return [*stones, body, *bystanders(shot, 1, time_s)]


@program("shuffling")
def shuffling(shot: Shot, time_s: float) -> list[Item]:
    """Creep along bent over, dragging the feet."""
    x = across(shot, time_s, 0.11, 0.44)
    body = shot.body(0, gaits.shuffle(time_s), x)
    return [Stain("scuffs", x, GROUND, shot.way), body, *bystanders(shot, 1, time_s)]


@program("crawling", zoom=1.2)
def crawling(shot: Shot, time_s: float) -> list[Item]:
    """Crawl on hands and knees."""
    return [shot.body(0, gaits.crawl(time_s), across(shot, time_s, 0.16, 0.36)), *bystanders(shot, 1, time_s)]


@program("jaywalking", vehicles=("car", "van", "taxi"), fixed_place="road", zoom=0.8)
def jaywalking(shot: Shot, time_s: float) -> list[Item]:
    """Cross a busy road between moving cars, against a red light."""
    lanes = ((0, 84.0, 1, 62.0, 0.1), (1, 101.0, -1, 70.0, 0.92), (2, 112.0, 1, 58.0, -0.35))
    items: list[Item] = []
    for number, ground, way, speed, start in lanes:
        x = shot.width * start + way * speed * time_s
        items.append(shot.vehicle(number, x, ground, size=0.62, facing=way, rolled=speed * time_s))
    share = time_s / shot.duration
    ground = 80 + 30 * share
    near = replace(shot, zoom=shot.zoom * (0.82 + 0.2 * share))  # grows as it comes closer
    body = near.body(0, gaits.walk(time_s, 1.15), shot.width * (0.47 + 0.08 * shot.way * share), ground)
    light = Placed("traffic-light", shot.width * (0.9 if shot.way > 0 else 0.1), 80, 24)
    return [*items, body, light]
