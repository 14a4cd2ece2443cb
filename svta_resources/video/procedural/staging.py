"""Where things go on the stage: shared by the motion programs."""

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Body
from svta_resources.video.procedural.shot import Item, Shot
from svta_resources.video.procedural.things import Held


def across(shot: Shot, time_s: float, heights_a_second: float, start: float = 0.3) -> float:
    """Go across the stage from `start` (share of the width, seen in the direction of movement)."""
    first = shot.width * (start if shot.way > 0 else 1 - start)
    return first + shot.way * heights_a_second * shot.unit * time_s


def carried(shot: Shot, body: Body, who: int = 0) -> list[Item]:
    """Give the first person what the caption names and the action does not use."""
    things = shot.scene.things
    if who:
        return []
    kind: str | None = next((kind for kind in ("umbrella", "bag", "phone") if kind in things), None)
    if kind is None and "cane" in things:
        kind = "stick"
    return [Held(kind, body.hand, body.forearm, shot.unit, body.depth + 0.01)] if kind else []


def bystanders(shot: Shot, first: int, time_s: float) -> list[Item]:
    """Put people the program has no part for at the edges, looking on."""
    items: list[Item] = []
    for number, who in enumerate(range(first, len(shot.looks))):
        left = number % 2 == 0
        x = shot.width * (0.09 + 0.08 * (number // 2)) if left else shot.width * (0.91 - 0.08 * (number // 2))
        pose = gaits.breathe(time_s + number, gaits.LOOK_ON)
        items.append(shot.body(who, pose, x, 92 + 2 * number, facing=1 if left else -1))
    return items
