"""Colours: names to RGB, how a figure of a scene looks, and the light of day, dusk and night."""

from dataclasses import dataclass, replace

from svta_resources.video.procedural.pen import RGB, Light, mix
from svta_resources.video.procedural.scene import Figure, Scene, VehicleLook

COLOURS: dict[str, RGB] = {
    "red": (222, 28, 36),
    "orange": (247, 128, 18),
    "yellow": (250, 214, 24),
    "green": (24, 150, 62),
    "blue": (28, 84, 214),
    "purple": (132, 44, 170),
    "pink": (248, 120, 178),
    "brown": (120, 72, 36),
    "black": (22, 22, 26),
    "white": (246, 246, 246),
    "grey": (134, 138, 144),
}
# what nobody named stays quiet, so that a named colour stands out
_QUIET_TOPS: tuple[RGB, ...] = ((150, 150, 132), (108, 122, 134), (158, 140, 124), (122, 134, 116), (140, 128, 142))
_QUIET_BOTTOMS: tuple[RGB, ...] = ((52, 58, 78), (74, 68, 62), (44, 46, 52), (84, 86, 92))
_QUIET_CARS: tuple[RGB, ...] = ((150, 158, 164), (104, 112, 122), (176, 172, 162), (88, 96, 96))
_SKINS: tuple[RGB, ...] = ((240, 200, 170), (222, 176, 140), (186, 134, 98), (132, 88, 62), (98, 64, 46))
_HAIR: tuple[RGB, ...] = ((40, 28, 22), (70, 46, 28), (24, 22, 24), (150, 108, 56))
_OLD_HAIR: RGB = (206, 206, 208)
_BLOND: RGB = (228, 190, 98)
_VEHICLES: dict[str, RGB] = {"taxi": (250, 204, 20), "police-car": (238, 240, 246)}

SIZES = {"boy": 0.8, "girl": 0.78, "old-man": 0.94, "old-woman": 0.9, "woman": 0.95, "nurse": 0.95}
_LONG_HAIRED = frozenset({"woman", "girl", "old-woman", "nurse"})


@dataclass(frozen=True)
class Look:
    """How one person looks; `size` is relative to a man's height."""

    kind: str
    top: RGB
    bottom: RGB
    skin: RGB
    hair: RGB
    hat: RGB | None = None
    mask: RGB | None = None
    bag: RGB | None = None
    long: str | None = None
    long_hair: bool = False
    size: float = 1.0


def look_of(figure: Figure, dice: tuple[float, float, float, float]) -> Look:
    """Dress a figure; what the caption does not name comes from four numbers in 0..1."""
    old = figure.kind.startswith("old")
    hair = _OLD_HAIR if old else _pick(_HAIR, dice[3])
    if figure.hair:
        hair = _BLOND if figure.hair == "yellow" else COLOURS[figure.hair]
    look = Look(
        kind=figure.kind,
        top=COLOURS[figure.top] if figure.top else _pick(_QUIET_TOPS, dice[0]),
        bottom=COLOURS[figure.bottom] if figure.bottom else _pick(_QUIET_BOTTOMS, dice[1]),
        skin=_pick(_SKINS, dice[2]),
        hair=hair,
        hat=_named(figure.hat),
        mask=_named(figure.mask),
        bag=_named(figure.bag),
        long=figure.long,
        long_hair=figure.kind in _LONG_HAIRED,
        size=SIZES.get(figure.kind, 1.0),
    )
    return _in_service(look, figure)


def _in_service(look: Look, figure: Figure) -> Look:
    """Put people whose clothes their work decides into them, unless the caption says otherwise."""
    if figure.kind == "police":
        navy: RGB = (24, 38, 96)
        return replace(look, top=look.top if figure.top else navy, bottom=(18, 24, 52), hat=look.hat or navy)
    if figure.kind == "firefighter":
        return replace(
            look, top=look.top if figure.top else (196, 152, 40), bottom=(70, 60, 40), hat=look.hat or (190, 24, 24)
        )
    if figure.kind == "nurse" and not figure.top:
        return replace(look, top=(240, 246, 248), bottom=(226, 234, 238))
    return look


def vehicle_colour(look: VehicleLook, dice: float) -> RGB:
    """Paint a vehicle: the named colour, the colour of its kind, or a quiet one."""
    if look.colour:
        return COLOURS[look.colour]
    return _VEHICLES.get(look.kind) or _pick(_QUIET_CARS, dice)


def _named(colour: str | None) -> RGB | None:
    return COLOURS[colour] if colour else None


def _pick(options: tuple[RGB, ...], dice: float) -> RGB:
    return options[int(dice * len(options)) % len(options)]


# (light on the place, light on figures): figures keep more of their colour, as under lamps
_LIGHTS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "morning": ((1.06, 0.99, 0.88), (1.04, 1.0, 0.93)),
    "day": ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "dusk": ((0.92, 0.72, 0.66), (0.97, 0.84, 0.77)),
    "night": ((0.27, 0.32, 0.54), (0.7, 0.73, 0.87)),
}
_LAMPS_INDOORS = 0.5  # rooms have lamps: only half of dusk and night comes in
_HAZE = {"fog": (0.5, 0.26), "rain": (0.12, 0.05), "snow": (0.12, 0.04)}


def lights(scene: Scene, indoors: bool) -> tuple[Light, Light]:
    """Return the light on the place and the light on what moves in it."""
    place, figures = _LIGHTS[scene.light]
    if indoors:
        place, figures = (_lamps(gain) for gain in (place, figures))
        return Light(place), Light(figures)
    haze = mix((205, 210, 215), (40, 46, 66), 0.75 if scene.light == "night" else 0.0)
    far, near = _HAZE.get(scene.weather, (0.0, 0.0))
    return Light(place, haze, far), Light(figures, haze, near)


def _lamps(gain: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = (part + (1 - part) * _LAMPS_INDOORS for part in gain)
    return red, green, blue
