"""Things that are not people: cars, flames, smoke, blasts and what people hold."""

import math
from typing import Any

import numpy as np

from svta_resources.video.sketch.figures import fill, stroke
from svta_resources.video.sketch.scene import Colour

FLAMES: tuple[Colour, ...] = ((210, 40, 15), (245, 120, 20), (255, 205, 60))


def car(canvas: Any, x: float, y: float, size: float, colour: Colour, facing: float = 1.0, tilt: float = 0.0) -> None:
    """A car whose wheels stand at y; `size` is its length in pixels, `tilt` in degrees."""
    import skia

    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(tilt)
    canvas.scale(facing, 1.0)
    length, tall = size, size * 0.24
    canvas.drawRoundRect(
        skia.Rect(-length * 0.32, -tall * 2.1, length * 0.2, -tall), tall * 0.5, tall * 0.5, fill(colour)
    )
    canvas.drawRect(skia.Rect(-length * 0.26, -tall * 1.9, -length * 0.06, -tall * 1.1), fill((170, 205, 225)))
    canvas.drawRect(skia.Rect(-length * 0.03, -tall * 1.9, length * 0.14, -tall * 1.1), fill((170, 205, 225)))
    canvas.drawRoundRect(
        skia.Rect(-length * 0.5, -tall * 1.25, length * 0.5, -tall * 0.3), tall * 0.3, tall * 0.3, fill(colour)
    )
    canvas.drawCircle(length * 0.46, -tall * 0.8, tall * 0.18, fill((255, 245, 190)))
    for wheel in (-0.3, 0.3):
        canvas.drawCircle(length * wheel, -tall * 0.3, tall * 0.4, fill((25, 25, 28)))
    canvas.restore()


def fire(canvas: Any, x: float, y: float, size: float, t: float, rng_seed: int = 3) -> None:
    """Flickering flames that stand at (x, y); `size` is their height in pixels."""
    tongues = np.random.default_rng(rng_seed).random((16, 3))
    for layer, colour in enumerate(FLAMES):
        share = 1.0 - 0.28 * layer
        for spread, speed, phase in tongues:
            flick = 0.6 + 0.4 * math.sin(2 * math.pi * ((3 + 3 * speed) * t + phase))
            px = x + (spread - 0.5) * size * 1.1 * share
            tall = size * share * flick * (1 - 0.8 * abs(spread - 0.5))
            _tongue(canvas, px, y, size * 0.13 * share, tall, colour)


def _tongue(canvas: Any, x: float, y: float, half: float, tall: float, colour: Colour) -> None:
    for step in range(4):
        share = step / 4
        canvas.drawCircle(x, y - tall * share, max(half * (1 - share), 0.4), fill(colour, 0.85))


def smoke(canvas: Any, x: float, y: float, size: float, t: float, dark: int = 90, rng_seed: int = 5) -> None:
    """Billowing smoke rising from (x, y)."""
    puffs = np.random.default_rng(rng_seed).random((26, 3))
    for start, drift, grow in puffs:
        age = (start + t * 0.8) % 1.0
        px = x + (drift - 0.5) * size * (0.3 + age * 1.1)
        shade = dark + int(45 * grow)
        canvas.drawCircle(
            px, y - age * size * 1.3, size * (0.1 + 0.2 * age), fill((shade, shade, shade + 4), 0.5 * (1 - age))
        )


def blast(canvas: Any, x: float, y: float, size: float, t: float) -> None:
    """A flash, then a fireball that grows and turns to smoke, and debris; starts at t = 0.2."""
    since = t - 0.2
    if since < 0:
        return
    grow = min(1.0, since / 0.25)
    for radius, colour in ((1.0, (200, 60, 20)), (0.75, (250, 140, 30)), (0.45, (255, 240, 170))):
        canvas.drawCircle(x, y - size * 0.3, size * radius * grow, fill(colour, max(0.0, 0.95 - since * 0.7)))
    for angle, speed, big in np.random.default_rng(11).random((18, 3)):
        distance = size * (0.5 + 1.6 * speed) * since * 2
        px, py = x + math.cos(angle * math.pi) * distance, y - math.sin(angle * math.pi) * distance + size * since**2
        canvas.drawCircle(px, py, size * 0.05 * (0.5 + big), fill((50, 40, 35)))
    if since > 0.25:
        smoke(canvas, x, y - size * 0.2, size * 1.4, t, dark=50)


def gun(canvas: Any, x: float, y: float, size: float, facing: float, flash: bool = False) -> None:
    """A pistol in a hand at (x, y), with its muzzle flash."""
    canvas.drawLine(x, y, x + facing * size, y, stroke((15, 15, 15), size * 0.35))
    canvas.drawLine(x, y, x, y + size * 0.5, stroke((15, 15, 15), size * 0.3))
    if flash:
        canvas.drawCircle(x + facing * size * 1.5, y, size * 0.6, fill((255, 225, 90), 0.95))


def box(canvas: Any, x: float, y: float, size: float, colour: Colour) -> None:
    """A bag or box centred at (x, y)."""
    import skia

    canvas.drawRoundRect(
        skia.Rect(x - size / 2, y - size / 2, x + size / 2, y + size / 2), size * 0.15, size * 0.15, fill(colour)
    )


def counter(canvas: Any, x: float, ground: float, width: float, tall: float) -> None:
    """A shop counter standing on the ground."""
    import skia

    canvas.drawRect(skia.Rect(x - width / 2, ground - tall, x + width / 2, ground), fill((120, 82, 50)))
    canvas.drawRect(
        skia.Rect(x - width * 0.54, ground - tall, x + width * 0.54, ground - tall * 0.86), fill((90, 60, 38))
    )


def impact(canvas: Any, x: float, y: float, size: float) -> None:
    """A burst of sparks and glass where two things hit."""
    for index in range(10):
        angle = index * math.pi / 5
        colour: Colour = (255, 230, 120) if index % 2 else (255, 255, 255)
        canvas.drawLine(x, y, x + math.cos(angle) * size, y + math.sin(angle) * size, stroke(colour, size * 0.12))
