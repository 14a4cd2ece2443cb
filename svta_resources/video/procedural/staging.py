"""Where things go on the stage: shared by the motion programs."""

from svta_resources.video.procedural import gaits
from svta_resources.video.procedural.bodies import Body, Pose
from svta_resources.video.procedural.effects import Flame, Smoke
from svta_resources.video.procedural.shot import MAN_HEIGHT, Item, Program, Shot
from svta_resources.video.procedural.things import Held, Placed
from svta_resources.video.procedural.vehicles import TWO_WHEELED, Vehicle

BACK = 84.0  # the ground of what stands behind the action
_HELD = ("umbrella", "gun", "knife", "bat", "bag", "box", "bottle", "phone")  # the first that is named is carried
_ANIMALS = {"dog": (0.4, (150, 98, 54)), "cat": (0.24, (104, 100, 98)), "horse": (0.78, (120, 76, 44))}


def across(shot: Shot, time_s: float, heights_a_second: float, start: float = 0.3) -> float:
    """Go across the stage from `start` (share of the width, seen in the direction of movement)."""
    first = shot.width * (start if shot.way > 0 else 1 - start)
    return first + shot.way * heights_a_second * shot.unit * time_s


def carried(shot: Shot, body: Body, who: int = 0) -> list[Item]:
    """Give the first person what the caption names and the action does not use."""
    things = shot.scene.things
    if who:
        return []
    kind: str | None = next((kind for kind in _HELD if kind in things), None)
    if kind is None and "cane" in things:
        kind = "stick"
    return [Held(kind, body.hand, body.forearm, shot.unit, body.depth + 0.01)] if kind else []


def far_body(shot: Shot, who: int, pose: Pose, x: float, ground: float, facing: int) -> Body:
    """Put a person further back: smaller, whatever the zoom of the action."""
    look = shot.looks[who]
    return Body(look, pose, x, ground, 0.8 * MAN_HEIGHT * look.size * (ground - 20) / BACK, facing)


def bystanders(shot: Shot, first: int, time_s: float) -> list[Item]:
    """Put people the program has no part for at the edges, looking on."""
    items: list[Item] = []
    for number, who in enumerate(range(first, len(shot.looks))):
        left = number % 2 == 0
        x = shot.width * (0.09 + 0.08 * (number // 2)) if left else shot.width * (0.91 - 0.08 * (number // 2))
        pose = gaits.breathe(time_s + number, gaits.LOOK_ON)
        items.append(far_body(shot, who, pose, x, 90 + 2 * number, facing=1 if left else -1))
    return items


def animal(kind: str, x: float, ground: float, way: int, unit: float, gait: float) -> Placed:
    """Put an animal on the stage; `gait` is the phase of its steps in turns."""
    size, colour = _ANIMALS[kind]
    return Placed(kind, x, ground, way * unit * size, colour, gait)


def backstage(shot: Shot, program: Program, time_s: float, indoors: bool) -> list[Item]:
    """Show behind the action what the caption names and the program does not draw itself."""
    named = shot.scene.things - set(program.draws)
    right, left = shot.width * (0.5 + 0.36 * shot.way), shot.width * (0.5 - 0.36 * shot.way)
    items: list[Item] = []
    if "door" in named:
        items.append(Placed("door", right, BACK - 6, 34, state=0.35 + 0.3 * shot.dice[4]))
    if "shelf" in named:
        items.append(Placed("shelf", left, BACK - 4, 36))
    if "chair" in named:
        items.append(Placed("chair", left, BACK + 6, 30, (150, 98, 58)))
    if "water" in named:
        items.append(Placed("puddle", left, BACK + 14, 24))
    if "smoke" in named:
        items.append(Smoke(right, BACK, 20, 70, time_s, shot.dice[1], 0.5, 6))
    if "fire" in named:
        items.append(Flame(right, BACK, 26, 30, time_s, shot.dice[1]))
    items += [
        animal(kind, left + shot.way * 14 * time_s, BACK + 10, shot.way, MAN_HEIGHT * 0.9, time_s * 1.3)
        for kind in sorted(named & set(_ANIMALS))
    ]
    if "vehicles" not in program.draws and not program.vehicles and not indoors:
        items += _parked(shot)
    return items


def _parked(shot: Shot) -> list[Item]:
    """Stand the caption's vehicles at the back, side by side."""
    items: list[Item] = []
    for number, (kind, colour) in enumerate(shot.vehicles[:2]):
        x = shot.width * (0.5 + (0.26 - 0.52 * number) * shot.way)
        size = 0.9 if kind in TWO_WHEELED else 0.8
        items.append(Vehicle(kind, colour, x, BACK - 3, size, -shot.way, lights_on=shot.dark and number == 0))
    return items
