"""Every place by its name in the lexicon."""

from collections.abc import Callable

from svta_resources.video.procedural import places_indoor, places_outdoor
from svta_resources.video.procedural.backdrop import Canvas

PAINTERS: dict[str, Callable[[Canvas], None]] = {**places_outdoor.PLACES, **places_indoor.PLACES}
INDOORS = frozenset(places_indoor.PLACES) | {"pool"}
# where a vehicle can be: other places give way to a street when a program needs one
DRIVABLE = frozenset({"road", "street", "bridge", "parking-lot", "petrol-station", "bus-stop"})


def is_indoors(place: str) -> bool:
    """Tell whether a place has a roof (no weather, lamps at night)."""
    return place in INDOORS
