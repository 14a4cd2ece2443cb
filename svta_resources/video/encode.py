"""H.264 files that any player opens, with the same bytes for the same frames."""

import io
from fractions import Fraction
from typing import TYPE_CHECKING

from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    import numpy as np

MAX_CRF = 51  # x264's worst quality
PRESET = "veryfast"  # a third less time than "medium" on these clips, files within 5%
# Without it the same frames gave 14 different files in 60 encodings in one process, depending on what the memory held
# before. (Turning x264's mbtree or its vector code off also cures it; mbtree saves a quarter of the bytes.)
EXACT = "cpu-independent=1"


class EncodeError(SvtaError):
    """The frames cannot become an H.264 file."""


def quality_to_crf(quality: float) -> int:
    """Map quality 0 (worst) .. 10 (best) to x264's crf; diffsynth's `save_video` counts the same way."""
    if not 0 <= quality <= 10:
        raise EncodeError(f"Video quality {quality} is outside 0..10. Set a quality between 0 and 10 (usual: 6).")
    return int((1 - quality / 10) * MAX_CRF)


def encode_mp4(frames: "np.ndarray", fps: float, quality: float = 6) -> bytes:
    """Encode frames (T, H, W, 3) uint8 RGB as an H.264 yuv420p mp4 whose index comes first.

    One x264 thread, exact arithmetic and no muxer stamps: equal frames give equal bytes with one build of the
    libraries (x264's output depends on its number of threads).

    Raises:
        EncodeError: no frames, another shape or type, uneven height or width (yuv420p halves both).
    """
    import av

    _check(frames, fps)
    buffer = io.BytesIO()
    # `faststart` rewrites the file by name and so needs a disk; room for the index in front does the same in memory
    options = {"fflags": "+bitexact", "moov_size": str(_index_bytes(len(frames)))}
    with av.open(buffer, "w", format="mp4", options=options) as container:
        stream = container.add_stream(
            "libx264",
            rate=Fraction(fps).limit_denominator(1001),
            options={"crf": str(quality_to_crf(quality)), "preset": PRESET, "threads": "1", "x264-params": EXACT},
        )
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _index_bytes(frames: int) -> int:
    """Bound the size of the mp4 index: about 1 kB fixed, at most 32 bytes a frame."""
    return 1536 + 32 * frames


def _check(frames: "np.ndarray", fps: float) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3 or str(frames.dtype) != "uint8":
        raise EncodeError(f"Frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}. Convert them first.")
    if len(frames) == 0:
        raise EncodeError("There are no frames to encode. Ask the generator for at least one.")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise EncodeError(f"H.264 yuv420p needs even sizes, got {height}x{width}. Set an even height and width.")
    if fps <= 0:
        raise EncodeError(f"Frames per second must be positive, got {fps}. Set fps, for example 15.")
