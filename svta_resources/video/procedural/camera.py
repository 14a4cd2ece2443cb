"""How a clip is filmed: size of what is seen, shake, and what the camera itself puts into the picture."""

from dataclasses import dataclass

from svta_resources.video.procedural.pen import Pen, wave

# kind of camera -> zoom of people and vehicles
ZOOMS = {"fixed": 1.0, "cctv": 0.92, "handheld": 1.06, "close": 1.22, "wide": 0.86, "dashcam": 0.95}
SHAKES = {"handheld": 3.0, "dashcam": 1.2}  # amplitude in stage units
NOISES = {"cctv": 5}  # amplitude of grain, 0..255
MARGIN = 10.0  # stage units painted around the frame for a shaking camera

# which of the seven bars of a digit are lit, in the order of `_BARS`
_DIGITS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcfgd")
_BARS = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 1)),
    "c": ((1, 1), (1, 2)),
    "d": ((0, 2), (1, 2)),
    "e": ((0, 1), (0, 2)),
    "f": ((0, 0), (0, 1)),
    "g": ((0, 1), (1, 1)),
}


def shake(kind: str, time_s: float, phase: float) -> tuple[float, float]:
    """Return how far the camera is off (across, down) in stage units."""
    size = SHAKES.get(kind, 0.0)
    across = 0.7 * wave(time_s, 0.9, phase) + 0.3 * wave(time_s, 2.3, phase * 3)
    down = 0.6 * wave(time_s, 1.3, phase + 0.2) + 0.4 * wave(time_s, 3.1, phase * 2)
    return size * across, size * down


@dataclass(frozen=True)
class Overlay:
    """What is on the glass: a running clock and a red dot (CCTV), a hood (dashcam)."""

    kind: str
    width: float
    time: float
    clock: int  # seconds since midnight at the start

    depth = 400.0

    def draw(self, pen: Pen) -> None:
        """Draw it over everything."""
        if self.kind == "cctv":
            self._draw_clock(pen)
        elif self.kind == "dashcam":
            middle = self.width / 2
            hood = [(-12, 130), (-12, 112), (middle * 0.5, 105), (middle * 1.5, 105), (self.width + 12, 112)]
            pen.poly([*hood, (self.width + 12, 130)], (30, 32, 38), glow=True)

    def _draw_clock(self, pen: Pen) -> None:
        seconds = self.clock + int(self.time)
        text = f"{seconds // 3600 % 24:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        pen.rect(3, 3, 47, 13, (10, 10, 12))
        strokes = []
        for place, digit in enumerate(text):
            left = 6 + place * 5.6 + (place // 2) * 2.6
            for bar in _DIGITS[int(digit)]:
                strokes.append([(left + x * 2.8, 5.4 + y * 2.6) for x, y in _BARS[bar]])
        pen.lines(strokes, 0.9, (240, 240, 240), glow=True)
        pen.circle((self.width - 8, 8), 3, (240, 20, 20), glow=True)
