"""`procedural`: frames drawn from a caption. Deterministic, a few hundredths of a second a clip, no weights."""

import math
from typing import Any

import numpy as np

from svta_resources.errors import SvtaError
from svta_resources.video.sketch.scene import Scene, parse, rng_for

VERSION = 1  # raised when the drawing changes: it is part of the recipe
CAMERA_ZOOM = {"close": 1.25, "high": 0.85, "handheld": 1.0, "wide": 0.7, "level": 1.0}
FIGURE_HEIGHT = 0.62  # of the picture's height


class ProceduralGenerator:
    """Draws clips with skia.

    Args:
        height, width: pixels, even. frames: how many. fps: frames per second.
    """

    def __init__(self, height: int = 112, width: int = 192, frames: int = 33, fps: int = 15) -> None:
        if height < 16 or width < 16 or height % 2 or width % 2 or frames < 1 or fps < 1:
            raise SvtaError(
                f"procedural clips need even sizes of at least 16 and a frame: got {height}x{width}, {frames}"
            )
        self.height, self.width, self.frames, self.fps = height, width, frames, fps

    def recipe(self) -> dict[str, Any]:
        """What the user chose; `reads_category` says that the category hint is part of the clip's recipe."""
        shape = {"height": self.height, "width": self.width, "frames": self.frames, "fps": self.fps}
        return {"kind": "procedural", "version": VERSION, "quality": 6, "reads_category": True, **shape}

    def provenance(self) -> dict[str, Any]:
        """Library version and machine; recorded, never hashed."""
        import platform

        import skia

        return {"skia": skia.__version__, "machine": platform.machine(), "device": "cpu"}

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> np.ndarray:
        """Draw (T, H, W, 3) uint8 RGB."""
        import skia

        scene = parse(caption, seed, category)
        rng = rng_for(caption, seed + 1)
        background = self._background(scene, rng)
        shift, wobble = float(rng.uniform(-0.06, 0.06)), float(rng.uniform(0, 1))
        surface = skia.Surface(self.width, self.height)
        frames = np.empty((self.frames, self.height, self.width, 3), np.uint8)
        for index in range(self.frames):
            t = index / max(self.frames - 1, 1)
            self._draw(surface.getCanvas(), scene, background, t, shift, wobble)
            frames[index] = surface.toarray(colorType=skia.ColorType.kRGBA_8888_ColorType)[:, :, :3]
        return frames

    def _background(self, scene: Scene, rng: np.random.Generator) -> Any:
        import skia

        from svta_resources.video.sketch.places import draw_place

        surface = skia.Surface(self.width, self.height)
        draw_place(surface.getCanvas(), scene.place, self.width, self.height, rng)
        return surface.makeImageSnapshot()

    def _draw(self, canvas: Any, scene: Scene, background: Any, t: float, shift: float, wobble: float) -> None:
        from svta_resources.video.sketch.actions import ACTIONS, Stage
        from svta_resources.video.sketch.figures import Painter
        from svta_resources.video.sketch.places import GROUND, draw_air

        canvas.save()
        if scene.camera == "handheld":
            shake = 2 * math.pi * (2.3 * t + wobble)
            canvas.translate(0.012 * self.width * math.sin(shake), 0.015 * self.height * math.cos(1.7 * shake))
        canvas.drawImage(background, 0, 0)
        unit, ground = FIGURE_HEIGHT * CAMERA_ZOOM[scene.camera] * self.height, GROUND * self.height
        painter = Painter(canvas, self.width, unit, ground)
        ACTIONS[scene.action](Stage(canvas, painter, scene, self.width, unit, ground, shift), t)
        draw_air(canvas, scene.time, scene.weather, self.width, self.height, t)
        canvas.restore()
