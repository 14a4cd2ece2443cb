"""Backgrounds: each kind of place has its own layout; time of day and weather tint the whole picture."""

from typing import Any

import numpy as np

from svta_resources.video.sketch.figures import fill, stroke
from svta_resources.video.sketch.scene import Colour

GROUND = 0.86  # where the front line lies, share of the height
TINTS: dict[str, tuple[Colour, float]] = {
    "night": ((8, 12, 48), 0.45),
    "evening": ((190, 80, 30), 0.30),
    "morning": ((255, 214, 150), 0.18),
    "day": ((0, 0, 0), 0.0),
}


def draw_place(canvas: Any, place: str, width: int, height: int, rng: np.random.Generator) -> None:
    """Paint the still background of a place."""
    _PLACES.get(place, _square)(canvas, width, height, rng)


def draw_air(canvas: Any, time: str, weather: str, width: int, height: int, t: float) -> None:
    """Tint for the time of day, then rain, snow or fog at time `t`."""
    import skia

    colour, alpha = TINTS[time]
    if alpha:
        canvas.drawRect(skia.Rect(0, 0, width, height), fill(colour, alpha))
    if weather == "fog":
        canvas.drawRect(skia.Rect(0, 0, width, height), fill((205, 210, 215), 0.45))
    if weather in ("rain", "snow"):
        flakes = np.random.default_rng(7).random((70, 2))
        for x, y in flakes:
            fy = (y + t * (2.2 if weather == "rain" else 0.7)) % 1.0 * height
            if weather == "rain":
                canvas.drawLine(
                    x * width, fy, x * width - 1.5, fy + height * 0.06, stroke((180, 195, 220), height * 0.006)
                )
            else:
                canvas.drawCircle(x * width, fy, height * 0.012, fill((250, 250, 255), 0.9))


def _rect(canvas: Any, box: tuple[float, float, float, float], colour: Colour) -> None:
    import skia

    canvas.drawRect(skia.Rect(*box), fill(colour))


def _sky(canvas: Any, w: float, h: float, colour: Colour = (150, 190, 225)) -> None:
    _rect(canvas, (0, 0, w, h), colour)


def _road(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _sky(canvas, w, h)
    for index in range(7):
        top = h * (0.12 + 0.2 * rng.random())
        _rect(
            canvas, (w * index / 7, top, w * (index + 0.92) / 7, h * 0.5), (120 + int(40 * rng.random()),) * 2 + (140,)
        )
    _rect(canvas, (0, h * 0.5, w, h * 0.58), (165, 160, 150))
    _rect(canvas, (0, h * 0.58, w, h), (74, 76, 82))
    for index in range(8):
        _rect(canvas, (w * (index / 8 + 0.02), h * 0.77, w * (index / 8 + 0.08), h * 0.79), (235, 230, 200))


def _park(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _sky(canvas, w, h, (165, 210, 240))
    _rect(canvas, (0, h * 0.45, w, h), (96, 158, 76))
    for _ in range(5):
        x, r = w * rng.random(), h * (0.12 + 0.07 * rng.random())
        _rect(canvas, (x - h * 0.02, h * 0.32, x + h * 0.02, h * 0.55), (98, 70, 45))
        canvas.drawCircle(x, h * 0.28, r, fill((52, 118, 52)))
    _rect(canvas, (0, h * 0.8, w, h), (190, 172, 130))


def _shop(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _rect(canvas, (0, 0, w, h), (226, 220, 205))
    goods = [(200, 60, 60), (60, 120, 200), (230, 190, 60), (80, 160, 90), (150, 80, 160)]
    for shelf in range(3):
        y = h * (0.12 + 0.16 * shelf)
        for index in range(22):
            x = w * index / 22
            tall = h * (0.06 + 0.05 * rng.random())
            _rect(canvas, (x + 1, y + h * 0.12 - tall, x + w / 24, y + h * 0.12), goods[int(rng.integers(5))])
        _rect(canvas, (0, y + h * 0.12, w, y + h * 0.14), (120, 100, 80))
    _rect(canvas, (0, h * 0.72, w, h), (200, 195, 190))


def _kitchen(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _rect(canvas, (0, 0, w, h), (240, 232, 208))
    for row in range(4):
        for column in range(16):
            if (row + column) % 2:
                _rect(
                    canvas,
                    (w * column / 16, h * (0.1 + row * 0.08), w * (column + 1) / 16, h * (0.18 + row * 0.08)),
                    (220, 235, 240),
                )
    _rect(canvas, (0, h * 0.46, w, h * 0.72), (150, 105, 65))
    _rect(canvas, (0, h * 0.44, w, h * 0.48), (90, 90, 95))
    _rect(canvas, (0, h * 0.72, w, h), (205, 170, 130))


def _home(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _rect(canvas, (0, 0, w, h), (216, 200, 180))
    _rect(canvas, (w * 0.08, h * 0.14, w * 0.28, h * 0.44), (165, 205, 235))
    _rect(canvas, (w * 0.175, h * 0.14, w * 0.185, h * 0.44), (250, 250, 250))
    _rect(canvas, (w * 0.66, h * 0.42, w * 0.96, h * 0.72), (150, 70, 60))
    _rect(canvas, (w * 0.64, h * 0.55, w * 0.98, h * 0.74), (175, 85, 72))
    _rect(canvas, (0, h * 0.74, w, h), (150, 112, 78))


def _station(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _rect(canvas, (0, 0, w, h), (95, 105, 115))
    _rect(canvas, (0, h * 0.2, w, h * 0.56), (190, 198, 205))
    for index in range(5):
        _rect(canvas, (w * (index / 5 + 0.03), h * 0.26, w * (index / 5 + 0.16), h * 0.44), (60, 75, 95))
    _rect(canvas, (0, h * 0.62, w, h * 0.66), (245, 210, 60))
    _rect(canvas, (0, h * 0.66, w, h), (140, 142, 146))


def _parking(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _sky(canvas, w, h, (175, 180, 185))
    _rect(canvas, (0, h * 0.18, w, h * 0.52), (150, 142, 132))
    _rect(canvas, (0, h * 0.52, w, h), (98, 98, 100))
    for index in range(7):
        x = w * index / 6
        canvas.drawLine(x, h * 0.54, x - w * 0.06, h * 0.72, stroke((240, 240, 240), h * 0.012))


def _beach(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _sky(canvas, w, h, (150, 210, 245))
    _rect(canvas, (0, h * 0.38, w, h * 0.64), (40, 120, 180))
    _rect(canvas, (0, h * 0.64, w, h), (232, 208, 150))


def _square(canvas: Any, w: float, h: float, rng: np.random.Generator) -> None:
    _sky(canvas, w, h, (185, 205, 222))
    for index in range(4):
        x = w * index / 4
        _rect(
            canvas,
            (x, h * (0.1 + 0.1 * rng.random()), x + w * 0.23, h * 0.56),
            (188, 150 + int(30 * rng.random()), 118),
        )
    _rect(canvas, (0, h * 0.56, w, h), (176, 172, 166))
    for index in range(9):
        canvas.drawLine(w * index / 8, h * 0.56, w * (index / 8 * 1.6 - 0.3), h, stroke((150, 146, 140), h * 0.006))


_PLACES = {
    "road": _road,
    "park": _park,
    "shop": _shop,
    "kitchen": _kitchen,
    "home": _home,
    "station": _station,
    "parking": _parking,
    "beach": _beach,
    "square": _square,
}
