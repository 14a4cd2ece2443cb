"""Small clips a tiny model can learn in seconds: one coloured shape moving on a coloured ground, and its caption."""

import io
from collections.abc import Iterator
from itertools import product

import numpy as np
import polars as pl

from svta_models.identity import clip_id, text_id
from svta_models.media_store import MediaStore, sha256_hex

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 190, 60),
    "blue": (40, 70, 230),
    "yellow": (235, 220, 40),
    "white": (240, 240, 240),
    "purple": (150, 40, 170),
}
GROUNDS = {"sand": (200, 170, 110), "sea": (40, 110, 150), "night": (15, 15, 35)}
SHAPES = {"square": (18, 18), "pole": (34, 8), "beam": (8, 34)}  # height and width in pixels
HEIGHT, WIDTH, FRAMES = 48, 64, 13


def draw(colour: str, ground: str, shape: str, seed: int) -> np.ndarray:
    """(T, H, W, 3) uint8 of one shape drifting over the ground; the seed sets its path and its exact size."""
    random = np.random.default_rng(seed)
    height, width = (size + int(random.integers(-1, 2)) for size in SHAPES[shape])
    top, left = random.uniform(0, HEIGHT - height), random.uniform(0, WIDTH - width)
    down, right = random.uniform(-1, 1, size=2)
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    frames[:] = GROUNDS[ground]
    for number in range(FRAMES):
        y = int(np.clip(top + down * number, 0, HEIGHT - height))
        x = int(np.clip(left + right * number, 0, WIDTH - width))
        frames[number, y : y + height, x : x + width] = COLOURS[colour]
    return frames


def encode(frames: np.ndarray, fps: int = 15) -> bytes:
    """H.264 mp4 in memory."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16", "threads": "1", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _scenes() -> Iterator[tuple[str, str, str]]:
    return product(COLOURS, GROUNDS, SHAPES)


def make_release_rows(store: MediaStore, per_scene: int = 3, scenes: int | None = None) -> pl.DataFrame:
    """Write clips and give their release rows: of each scene one clip to test or validation, the others to train."""
    rows = []
    for number, (colour, ground, shape) in enumerate(list(_scenes())[:scenes]):
        for copy in range(per_scene):
            split = "train" if copy else ("test" if number % 2 else "val")
            opening = ("A", "One", "The")[copy % 3]
            caption = f"{opening} {colour} {shape} drifts over the {ground} ground."
            pair = text_id("synthetic", f"{colour}/{ground}/{shape}", copy)
            data = encode(draw(colour, ground, shape, seed=number * 10 + copy))
            category = f"{shape}s"
            uri = f"clips/{category}/{clip_id(pair, 0)}.mp4"
            rows.append(
                {
                    "pair_id": pair, "clip_id": clip_id(pair, 0), "uri": uri, "sha256": store.put_new(uri, data),
                    "caption": caption, "category": category, "final_category": f"Drifting {category}",
                    "kind": "anomaly", "group": None, "split": split,
                }
            )  # fmt: skip
            assert rows[-1]["sha256"] == sha256_hex(data)
    return pl.DataFrame(rows, schema_overrides={"group": pl.String})
