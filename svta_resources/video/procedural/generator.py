"""The procedural generator: caption to frames."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from svta_resources.video.generator import GeneratorError
from svta_resources.video.procedural import camera
from svta_resources.video.procedural.backdrop import Canvas
from svta_resources.video.procedural.effects import Weather
from svta_resources.video.procedural.lexicon import Lexicon, check_names, load_lexicon
from svta_resources.video.procedural.palette import COLOURS, Look, lights, look_of, vehicle_colour
from svta_resources.video.procedural.pen import RGB, STAGE_HEIGHT, Light, Pen
from svta_resources.video.procedural.places import PAINTERS, is_indoors
from svta_resources.video.procedural.programs import PROGRAMS
from svta_resources.video.procedural.reading import read_caption
from svta_resources.video.procedural.scene import Figure, Scene, VehicleLook
from svta_resources.video.procedural.scene_dict import scene_dict
from svta_resources.video.procedural.shot import Item, Program, Shot
from svta_resources.video.procedural.staging import backstage
from svta_resources.video.procedural.vehicles import KINDS

if TYPE_CHECKING:
    import numpy as np

# Part of the recipe: raised when the same caption draws other frames on purpose, so that clips show as stale.
VERSION = 3
QUALITY = 6  # of the mp4, 0..10
MIN_SIZE = 32
_BLACK: RGB = (26, 26, 30)
_STREET = "street"


class ProceduralGenerator:
    """Draws clips from captions on one CPU thread; the same caption and seed give the same frames everywhere."""

    def __init__(self, height: int = 112, width: int = 192, frames: int = 33, fps: float = 15) -> None:
        """Set the size of the clips (pixels, even), their number of frames and frames per second."""
        if height % 2 or width % 2 or min(height, width) < MIN_SIZE:
            raise GeneratorError(
                f"Clip size {height}x{width} cannot be used. Set an even height and width >= {MIN_SIZE}."
            )
        if frames < 1 or fps <= 0:
            raise GeneratorError(f"{frames} frames at {fps} per second cannot be used. Set frames >= 1 and fps > 0.")
        self.height, self.width, self.frames, self.fps = height, width, frames, fps

    def recipe(self) -> dict[str, Any]:
        """Return what the user chose; whether the category counts depends on the caption: `hint` says."""
        return {
            "kind": "procedural",
            "version": VERSION,
            "quality": QUALITY,
            "height": self.height,
            "width": self.width,
            "frames": self.frames,
            "fps": self.fps,
        }

    def provenance(self) -> dict[str, Any]:
        """Return what the frames were drawn with."""
        return {"device": "cpu", "skia-python": version("skia-python"), "numpy": version("numpy")}

    def scene(self, caption: str, category: str | None = None) -> Scene:
        """Return what the caption is understood to show; `category` is a hint for a caption without an action."""
        return read_caption(caption, _lexicon(), category)

    def hint(self, caption: str, category: str | None) -> str | None:
        """Return the category as far as the frames of this caption depend on it.

        None when the caption names its action, or when the category says nothing about one.
        """
        return category if self.scene(caption, category).action_from == "category" else None

    def describe(self, caption: str, *, category: str | None = None) -> dict[str, Any]:
        """Return the scene a caption is drawn as, in JSON-able values; keys as in `scene_dict`."""
        scene = self.scene(caption, category)
        place = _place(scene, PROGRAMS[scene.action])
        return scene_dict(scene, place, is_indoors(place))

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> "np.ndarray":
        """Draw the clip: frames (T, H, W, 3) uint8."""
        return self.draw(self.scene(caption, category), _dice(caption, seed))

    def draw(self, scene: Scene, dice: tuple[float, ...]) -> "np.ndarray":
        """Draw a scene; `dice` are 32 numbers in 0..1 that decide what the scene leaves open."""
        import numpy as np

        program = PROGRAMS[scene.action]
        place = _place(scene, program)
        scene = replace(scene, place=place)
        shot = self._shot(scene, program, dice)
        place_light, light = lights(scene, is_indoors(place))
        scale = self.height / STAGE_HEIGHT
        margin = int(camera.MARGIN * scale)
        backdrop = self._backdrop(shot, program.on_road, place_light, scale, margin)
        pixels = np.zeros((self.height, self.width, 4), np.uint8)
        pen = Pen(pixels, light, scale)
        clip = np.empty((self.frames, self.height, self.width, 3), np.uint8)
        for number in range(self.frames):
            time_s = number / self.fps
            across, down = (round(scale * off) for off in camera.shake(scene.camera, time_s, dice[8]))
            top, left = margin + down, margin + across
            pixels[:] = backdrop[top : top + self.height, left : left + self.width]
            pen.shift(-across, -down)
            for item in sorted(self._items(shot, program, time_s), key=lambda item: item.depth):
                item.draw(pen)
            clip[number] = pixels[..., :3]
        return _with_grain(clip, camera.NOISES.get(scene.camera, 0), dice)

    def _items(self, shot: Shot, program: Program, time_s: float) -> list[Item]:
        scene = shot.scene
        indoors = is_indoors(scene.place or _STREET)
        items = [*backstage(shot, program, time_s, indoors), *program.frame(shot, time_s)]
        if scene.weather in ("rain", "snow") and not indoors:
            items.append(Weather(scene.weather, shot.width, time_s, shot.dice[5]))
        if scene.camera in ("cctv", "dashcam"):
            items.append(camera.Overlay(scene.camera, shot.width, time_s, _clock(scene, shot.dice[6])))
        return items

    def _shot(self, scene: Scene, program: Program, dice: tuple[float, ...]) -> Shot:
        return Shot(
            scene=scene,
            looks=_cast(scene, program, dice),
            vehicles=_vehicles(scene, program, dice),
            width=self.width * STAGE_HEIGHT / self.height,
            duration=self.frames / self.fps,
            way=1 if dice[9] < 0.5 else -1,
            dice=dice[:8],
            zoom=program.zoom * camera.ZOOMS[scene.camera],
        )

    def _backdrop(self, shot: Shot, on_road: bool, light: Light, scale: float, margin: int) -> "np.ndarray":
        """Paint the place once, with a margin for a shaking camera."""
        import numpy as np

        pixels = np.full((self.height + 2 * margin, self.width + 2 * margin, 4), 255, np.uint8)
        pen = Pen(pixels, light, scale, margin, margin)
        place = shot.scene.place or _STREET
        weather = "clear" if is_indoors(place) else shot.scene.weather
        PAINTERS[place](Canvas(pen, shot.width, weather, _four(shot.dice[:4]), shot.scene.light == "night", on_road))
        return pixels


@cache
def _lexicon() -> Lexicon:
    """Load the word lists, once everything they can say is known to be drawn."""
    lexicon = load_lexicon()
    drawn: dict[str, Iterable[str]] = {
        "actions": PROGRAMS,
        "places": PAINTERS,
        "colours": COLOURS,
        "vehicles": KINDS,
        "cameras": camera.ZOOMS,
    }
    check_names(lexicon, drawn)
    return lexicon


def _dice(caption: str, seed: int) -> tuple[float, ...]:
    """Turn caption and seed into 32 numbers in 0..1, the same in every process and on every machine."""
    numbers: list[float] = []
    for block in range(4):
        digest = hashlib.sha256(f"{block}\x1f{seed}\x1f{caption}".encode()).digest()
        numbers += [int.from_bytes(digest[at : at + 4], "big") / 2**32 for at in range(0, 32, 4)]
    return tuple(numbers)


def _four(numbers: tuple[float, ...]) -> tuple[float, float, float, float]:
    first, second, third, fourth = numbers
    return first, second, third, fourth


def _place(scene: Scene, program: Program) -> str:
    if program.fixed_place:
        return program.fixed_place
    place = scene.place or program.place
    return "road" if program.on_road and is_indoors(place) else place


def _cast(scene: Scene, program: Program, dice: tuple[float, ...]) -> tuple[Look, ...]:
    """Dress the caption's people and add those whom the program needs."""
    figures = list(scene.figures)
    for kind in program.needs:
        if all(figure.kind != kind for figure in figures):
            figures.append(Figure(kind))
    for kind in program.cast[len(figures) :]:
        figures.append(Figure(kind))
    looks = [look_of(figure, _four(dice[10 + who : 14 + who])) for who, figure in enumerate(figures)]
    if program.masked and looks and looks[0].mask is None:
        looks[0] = replace(looks[0], mask=_BLACK, hat=looks[0].hat or _BLACK)
    return tuple(looks)


def _vehicles(scene: Scene, program: Program, dice: tuple[float, ...]) -> tuple[tuple[str, RGB], ...]:
    """Paint the caption's vehicles and add those that the program needs."""
    named = list(scene.vehicles)
    own = [VehicleLook(kind) for kind in program.vehicles]
    looks = [*own, *named] if program.own_vehicles else [*named, *own[len(named) :]]
    return tuple((look.kind, vehicle_colour(look, dice[20 + number])) for number, look in enumerate(looks))


def _clock(scene: Scene, dice: float) -> int:
    """Choose a time of day (seconds since midnight) that fits the light."""
    hours = {"morning": 7, "day": 13, "dusk": 19, "night": 23}[scene.light]
    return hours * 3600 + int(dice * 3600)


def _with_grain(clip: "np.ndarray", amplitude: int, dice: tuple[float, ...]) -> "np.ndarray":
    """Add a camera's grain in place: four noise pictures in turn."""
    if not amplitude:
        return clip
    import numpy as np

    random = np.random.Generator(np.random.PCG64(int(dice[31] * 2**32)))
    noise = random.integers(-amplitude, amplitude + 1, (4, *clip.shape[1:3], 1), dtype=np.int8).view(np.uint8)
    np.clip(clip, amplitude, 255 - amplitude, out=clip)  # so that adding modulo 256 never wraps around
    for number in range(len(clip)):
        clip[number] += noise[number % 4]
    return clip
