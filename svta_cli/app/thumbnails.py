"""Small pictures of a clip: a looping animated WebP and a still."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH = 224  # pixels: a grid of four to six shows it at about this size
FRAMES = 8
FRAME_MS = 250  # the whole clip in two seconds, whatever its length
QUALITY = 55


def draw_thumbnail(mp4: bytes) -> bytes:
    """A moving picture of frames spread over the clip (about 15 kB). Raises DecodeError."""
    first, *others = _pictures(mp4, FRAMES)
    buffer = io.BytesIO()
    first.save(
        buffer, "WEBP", save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=QUALITY, method=2
    )
    return buffer.getvalue()


def draw_still(mp4: bytes) -> bytes:
    """The frame in the middle of the clip. Raises DecodeError."""
    pictures = _pictures(mp4, 3)
    buffer = io.BytesIO()
    pictures[len(pictures) // 2].save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def _pictures(mp4: bytes, count: int) -> "list[Image]":
    from PIL import Image

    from svta_models.frames import decode_video, probe_video, uniform_indices

    info = probe_video(mp4)
    # libwebp and the decoder want even sizes; a clip that is smaller than a thumbnail stays as it is
    width = min(WIDTH, max(2, info.width // 2 * 2))
    height = max(2, round(info.height * width / max(1, info.width)) // 2 * 2)
    frames = decode_video(mp4, uniform_indices(info.frames, count), (height, width))
    return [Image.fromarray(frame) for frame in frames]
