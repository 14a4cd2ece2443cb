"""What a caption was understood to show: the scene that a motion program draws and that is kept on the clip's row."""

from dataclasses import dataclass, field

DAY, NIGHT = "day", "night"


@dataclass(frozen=True)
class Figure:
    """One person: what kind, and the clothes the caption names (None: not named)."""

    kind: str  # a key of `people` in the lexicon
    top: str | None = None
    bottom: str | None = None
    hat: str | None = None
    hair: str | None = None
    mask: str | None = None
    bag: str | None = None
    long: str | None = None  # "coat" or "dress" when the clothing reaches below the hips


@dataclass(frozen=True)
class VehicleLook:
    """One vehicle: its kind (a key of `vehicles` in the lexicon) and colour (None: not named)."""

    kind: str
    colour: str | None = None


@dataclass(frozen=True)
class Scene:
    """A caption, understood.

    Attributes:
        action: name of a motion program.
        action_from: "caption", "category" (the hint was used: the caption names no action) or "default".
        place: key of `places`, None when the caption names none (the program then has its usual place).
        light: morning, day, dusk or night. weather: clear, rain, snow or fog.
        things: objects the caption names. camera: fixed, cctv, handheld, close, wide or dashcam.
    """

    action: str
    action_from: str
    figures: tuple[Figure, ...] = ()
    vehicles: tuple[VehicleLook, ...] = ()
    place: str | None = None
    light: str = DAY
    weather: str = "clear"
    things: frozenset[str] = field(default_factory=frozenset)
    camera: str = "fixed"

    @property
    def understood(self) -> bool:
        """Tell whether the caption named both an entity and an action."""
        return self.action_from == "caption" and bool(self.figures or self.vehicles or self.things)
