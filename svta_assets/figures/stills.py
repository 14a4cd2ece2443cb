"""One frame of a clip, small enough that a figure with two dozen of them fits into Dagster's event log."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from svta_assets.figures.retrieval import Frame

if TYPE_CHECKING:
    import numpy as np

BUDGET = 42_000  # bytes of all frames of a figure; as a data URI inside a data URI it is 1.8 times that
_ATTEMPTS = ((144, 50), (144, 30), (128, 20), (112, 10), (80, 5))  # width in pixels, WebP quality


def stills(frames: "Mapping[str, np.ndarray]") -> dict[str, Frame]:
    """Encode frames (H, W, 3) uint8 as WebP, as well as the budget allows for all of them."""
    made: dict[str, Frame] = {}
    for width, quality in _ATTEMPTS:
        made = {name: _encoded(frame, width, quality) for name, frame in frames.items()}
        if sum(len(one.webp) for one in made.values()) <= BUDGET:
            break
    return made


def _encoded(frame: "np.ndarray", width: int, quality: int) -> Frame:
    from PIL import Image

    shape = frame.shape[0] / frame.shape[1]
    buffer = io.BytesIO()
    small = Image.fromarray(frame).resize((width, max(1, round(width * shape))), Image.Resampling.LANCZOS)
    small.save(buffer, "WEBP", quality=quality, method=4)
    return Frame(buffer.getvalue(), shape)
