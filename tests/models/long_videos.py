"""Surveillance-length videos in seconds: every frame shows its own number, so that a reader can be held to it."""

from fractions import Fraction
from pathlib import Path

import numpy as np

HEIGHT, WIDTH, STRIPE = 48, 64, 4
BITS = WIDTH // STRIPE
RATE_30, RATE_29_97 = Fraction(30), Fraction(30000, 1001)


def picture(number: int) -> np.ndarray:
    """(H, W) uint8: the number as vertical stripes, dark for 0 and bright for 1."""
    bits = (number >> np.arange(BITS)) & 1
    return np.repeat(np.repeat(bits * 180 + 40, STRIPE)[None], HEIGHT, axis=0).astype(np.uint8)


def number_shown(frame: np.ndarray) -> int:
    """Read the number from a decoded frame (H, W, 3)."""
    middles = frame[HEIGHT // 2, STRIPE // 2 :: STRIPE].mean(axis=-1)
    return int(((middles > 130).astype(np.int64) << np.arange(BITS)).sum())


def write_long_video(path: Path, frames: int, rate: Fraction = RATE_30, shift: int = 0, **options: str) -> Path:
    """Write an mp4 (H.264, with B-frames and a key frame every 250). `shift`: added to the numbers shown."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = {"preset": "superfast", "crf": "28", "g": "250", "bf": "2", "threads": "1", **options}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=chosen)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number + shift), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
