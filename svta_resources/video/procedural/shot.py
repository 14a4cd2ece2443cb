"""What a motion program is given and how programs are found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from svta_resources.video.procedural.bodies import Body, Pose
from svta_resources.video.procedural.palette import Look
from svta_resources.video.procedural.pen import RGB, Pen
from svta_resources.video.procedural.scene import Scene
from svta_resources.video.procedural.vehicles import Vehicle

GROUND = 104.0  # where people stand, in stage units (the frame is 112 high)
MAN_HEIGHT = 76.0


class Item(Protocol):
    """Something drawable; items are drawn in the order of their depth."""

    @property
    def depth(self) -> float:
        """Order of drawing: larger is nearer."""
        ...

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        ...


@dataclass(frozen=True)
class Later:
    """An item at another depth (a rider is drawn with the vehicle, not by its feet)."""

    item: Item
    depth: float

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        self.item.draw(pen)


@dataclass(frozen=True)
class Shot:
    """One clip being drawn.

    Attributes:
        looks: the cast, at least as many as the program asks for; the caption's people come first.
        vehicles: (kind, colour) of at least as many vehicles as the program asks for.
        width: of the stage in units. duration: of the clip in seconds. way: main direction, 1 right or -1 left.
        dice: eight numbers in 0..1 that vary the clip. zoom: of people and vehicles.
    """

    scene: Scene
    looks: tuple[Look, ...]
    vehicles: tuple[tuple[str, RGB], ...]
    width: float
    duration: float
    way: int
    dice: tuple[float, ...]
    zoom: float = 1.0

    @property
    def middle(self) -> float:
        """The middle of the stage."""
        return self.width / 2

    @property
    def unit(self) -> float:
        """A man's height in this shot: what distances between people are measured in."""
        return MAN_HEIGHT * self.zoom

    @property
    def dark(self) -> bool:
        """Tell whether vehicles have their lights on."""
        return self.scene.light in ("night", "dusk")

    def body(self, who: int, pose: Pose, x: float, ground: float = GROUND, **more: Any) -> Body:
        """Put person `who` on the stage."""
        look = self.looks[who]
        more.setdefault("facing", self.way)
        return Body(look, pose, x, ground, self.unit * look.size, **more)

    def vehicle(self, number: int, x: float, ground: float = GROUND, **more: Any) -> Vehicle:
        """Put vehicle `number` on the stage."""
        kind, colour = self.vehicles[number]
        more.setdefault("facing", self.way)
        more.setdefault("size", self.zoom)
        more.setdefault("lights_on", self.dark)
        return Vehicle(kind, colour, x, ground, **more)


Frame = Callable[[Shot, float], list[Item]]


@dataclass(frozen=True)
class Program:
    """A motion: draws the items of a shot at a time in seconds.

    Attributes:
        cast: kinds of people it needs; the caption's people come first and fill it up from the left. Further ones
            become bystanders, unless it takes `all_people`.
        needs: kinds of people that must be among them ("police").
        vehicles: kinds it needs when the caption names fewer. own_vehicles: its own come before the caption's.
        place: where it happens when the caption does not say. fixed_place: where it always happens.
        on_road: vehicles take part, so it never happens in a room.
        masked: the first person wears a mask when the caption names none.
        draws: things ("vehicles" too) that it shows itself when the caption names them; others stand in the background.
    """

    name: str
    frame: Frame
    cast: tuple[str, ...] = ("man",)
    needs: tuple[str, ...] = ()
    vehicles: tuple[str, ...] = ()
    own_vehicles: bool = False
    place: str = "street"
    fixed_place: str | None = None
    zoom: float = 1.0
    on_road: bool = False
    all_people: bool = False
    masked: bool = False
    draws: tuple[str, ...] = ()


PROGRAMS: dict[str, Program] = {}


def program(name: str, **settings: Any) -> Callable[[Frame], Frame]:
    """Register a function as the motion program `name`; settings as in `Program`."""

    def register(frame: Frame) -> Frame:
        PROGRAMS[name] = Program(name, frame, **settings)
        return frame

    return register
