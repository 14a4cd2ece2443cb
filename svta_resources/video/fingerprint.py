"""A clip's fingerprint: two coarse pictures of it, small enough for its recipe card, near for the same pixels.

Bits of the usual perceptual hashes (difference hash, median hash, 256 bits) were tried first: noise flips up to 67 of
them, while the nearest two of 480 different clips differ in 11. The greatest difference of a cell tells them apart.
"""

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SHOTS = 2  # pictures, at a quarter and three quarters of the time, so that movement tells clips of one place apart
LUMA_CELLS = (9, 16)
CHROMA_CELLS = (4, 8)  # of each of the two chroma planes
LUMA_DEVIATION = 40.0  # luma is stretched to this deviation: brighter or duller copies stay near
LEAST_DEVIATION = 10.0  # of the luma that is stretched; a blank picture's noise must not become a pattern
BYTES = SHOTS * (LUMA_CELLS[0] * LUMA_CELLS[1] + 2 * CHROMA_CELLS[0] * CHROMA_CELLS[1])


def fingerprint(planes: "list[np.ndarray]") -> str | None:
    """Fingerprint of decoded yuv420p frames (H * 3 / 2, W) uint8, as base64; None for a picture too small for it."""
    import numpy as np

    from svta_resources.video.scores import cell_means

    chosen = [planes[int((shot + 0.5) * len(planes) / SHOTS)] for shot in range(SHOTS)]
    height, width = chosen[0].shape[0] * 2 // 3, chosen[0].shape[1]
    if height < LUMA_CELLS[0] or width < LUMA_CELLS[1]:
        return None
    luma = np.stack([cell_means(plane[:height], *LUMA_CELLS) for plane in chosen])
    luma = (luma - luma.mean()) * (LUMA_DEVIATION / max(float(luma.std()), LEAST_DEVIATION)) + 128
    chroma = np.stack([[cell_means(part, *CHROMA_CELLS) for part in _chroma(plane, height)] for plane in chosen])
    chroma = (chroma - 128) * 2 + 128  # chroma spans a narrower range than luma does
    values = np.concatenate([luma.ravel(), chroma.ravel()])
    return base64.b64encode(np.clip(np.rint(values), 0, 255).astype(np.uint8).tobytes()).decode()


def _chroma(plane: "np.ndarray", height: int) -> "np.ndarray":
    """The two chroma planes (2, H / 2, W / 2) of a yuv420p frame."""
    return plane[height:].reshape(2, height // 2, plane.shape[1] // 2)


def unpack(text: str | None) -> "np.ndarray | None":
    """Fingerprint as (416,) uint8; None where there is none, or one of another make."""
    import numpy as np

    try:
        data = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return None
    return np.frombuffer(data, dtype=np.uint8) if len(data) == BYTES else None
