"""Motion programs of ordinary life: standing, talking, sitting, eating, working, shopping."""

from dataclasses import replace

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Pose
from svta_resources.video.procedural.pen import wave
from svta_resources.video.procedural.shot import GROUND, Item, Shot, program
from svta_resources.video.procedural.staging import across, bystanders, carried
from svta_resources.video.procedural.things import Held, Placed

_WOOD = (158, 104, 58)


def _row(shot: Shot, who: int, gap: float = 40.0) -> float:
    """Space everybody evenly around the middle."""
    return shot.middle + (who - (len(shot.looks) - 1) / 2) * min(gap, 0.8 * shot.width / len(shot.looks))


@program("standing", all_people=True)
def standing(shot: Shot, time_s: float) -> list[Item]:
    """Everybody waits, shifting their weight and looking about."""
    items: list[Item] = []
    for who in range(len(shot.looks)):
        pose = gaits.breathe(time_s + 0.4 * who, replace(gaits.STAND, lean=2.5 * wave(time_s, 0.5, 0.3 * who)))
        facing = shot.way if wave(time_s, 0.35, 0.31 * who + shot.dice[1]) > -0.4 else -shot.way
        body = shot.body(who, pose, _row(shot, who), GROUND - 3 * (who % 2), facing=facing)
        items += [body, *carried(shot, body, who)]
    return items


@program("talking", cast=("man", "man"), all_people=True)
def talking(shot: Shot, time_s: float) -> list[Item]:
    """People stand face to face and speak with their hands."""
    items: list[Item] = []
    for who in range(len(shot.looks)):
        facing = 1 if who < len(shot.looks) / 2 else -1
        items.append(
            shot.body(who, gaits.talk(time_s, 0.5 * who), _row(shot, who, 48), GROUND - 2 * (who % 2), facing=facing)
        )
    return items


@program("phone")
def phone(shot: Shot, time_s: float) -> list[Item]:
    """Somebody stands with a phone at the ear or before the eyes."""
    pose = Pose(lean=4, head=8, near_arm=(46 + 3 * wave(time_s, 0.7), 112), far_arm=(-6, 14))
    x = shot.middle + shot.way * 6 * wave(time_s, 0.3)
    body = shot.body(0, pose, x)
    return [body, Held("phone", body.hand, -60, shot.unit * 1.3, body.depth + 0.01), *bystanders(shot, 1, time_s)]


@program("sitting", place="park", draws=("chair",))
def sitting(shot: Shot, time_s: float) -> list[Item]:
    """People sit on a bench."""
    bench = Placed("bench", shot.middle, GROUND, 40, _WOOD)
    count = min(2, len(shot.looks))
    items: list[Item] = [bench]
    for who in range(count):
        gesture = wave(time_s, 0.8, 0.4 * who)
        arm = (40 + 24 * gesture, 60 + 24 * gesture)
        pose = replace(gaits.SIT, lean=-2 + 5 * gesture, head=8 * gesture, near_arm=arm)
        items.append(shot.body(who, pose, shot.middle + (who - (count - 1) / 2) * 38, GROUND + 0.5))
    return [*items, *bystanders(shot, count, time_s)]


@program("eating", place="restaurant", draws=("chair",))
def eating(shot: Shot, time_s: float) -> list[Item]:
    """Somebody sits at a table and lifts a bite again and again."""
    lift = 0.5 + 0.5 * wave(time_s, 1.1)
    arm = (38 + 14 * lift, 30 + 90 * lift)
    pose = replace(gaits.SIT, lean=14 - 8 * lift, head=8 - 8 * lift, near_arm=arm, far_arm=(36, 50))
    items: list[Item] = [
        Placed("chair", shot.middle - shot.way * 16, GROUND, shot.way * 34, _WOOD),
        shot.body(0, pose, shot.middle - shot.way * 18, GROUND),
        Placed("table", shot.middle + shot.way * 30, GROUND + 3, 34, (190, 130, 76)),
    ]
    if len(shot.looks) > 1:
        items.append(
            shot.body(
                1, replace(gaits.SIT, lean=6 + 8 * lift), shot.middle + shot.way * 74, GROUND - 1, facing=-shot.way
            )
        )
    return [*items, *bystanders(shot, 2, time_s)]


@program("working", place="office")
def working(shot: Shot, time_s: float) -> list[Item]:
    """Somebody stands at a table, hands busy."""
    busy = wave(time_s, 2.0)
    pose = Pose(lean=20, head=14, near_arm=(44 + 9 * busy, 44), far_arm=(48 - 9 * busy, 40))
    body = shot.body(0, pose, shot.middle - shot.way * 14)
    table = Placed("table", shot.middle + shot.way * 24, GROUND + 2, 38, (196, 150, 96))
    return [body, table, *bystanders(shot, 1, time_s)]


@program("shopping", place="shop", draws=("trolley",))
def shopping(shot: Shot, time_s: float) -> list[Item]:
    """Somebody pushes a trolley along."""
    pose = replace(gaits.walk(time_s, 0.85, 20), near_arm=(58, 16), far_arm=(54, 18), lean=8)
    body = shot.body(0, pose, across(shot, time_s, 0.2, 0.3))
    trolley = Placed("trolley", body.x + shot.way * shot.unit * 0.44, GROUND + 1, shot.way * 36)
    return [body, trolley, *bystanders(shot, 1, time_s)]
