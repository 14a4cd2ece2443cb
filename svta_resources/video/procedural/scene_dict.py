"""A scene as plain values: what stands on a clip's row and in its recipe card."""

from dataclasses import asdict
from typing import Any

from svta_resources.video.procedural.scene import Figure, Scene

_FEMALE = frozenset({"woman", "girl", "old-woman", "nurse"})
_AGES = {"boy": "child", "girl": "child", "old-man": "old", "old-woman": "old"}


def scene_dict(scene: Scene, place: str, indoors: bool) -> dict[str, Any]:
    """Return a scene as JSON-able values; the same keys for every scene.

    Args:
        place: where it is drawn; indoors: whether that place has a roof.

    Returns:
        action: name of the motion program. action_from: "caption", "category" (the hint) or "default".
        neutral: True when the caption yields no entity or no action.
        people: one entry each with kind, gender, age and the clothes the caption names (None: not named).
        vehicles: kind and colour each. things: names, sorted.
        place: where it is drawn. place_named: whether the caption says so. indoors, light, weather, camera.
    """
    return {
        "action": scene.action,
        "action_from": scene.action_from,
        "neutral": not scene.understood,
        "people": [_person(figure) for figure in scene.figures],
        "vehicles": [asdict(vehicle) for vehicle in scene.vehicles],
        "things": sorted(scene.things),
        "place": place,
        "place_named": scene.place is not None,
        "indoors": indoors,
        "light": scene.light,
        "weather": scene.weather,
        "camera": scene.camera,
    }


def _person(figure: Figure) -> dict[str, str | None]:
    gender = "female" if figure.kind in _FEMALE else "male"
    return {**asdict(figure), "gender": gender, "age": _AGES.get(figure.kind, "adult")}
