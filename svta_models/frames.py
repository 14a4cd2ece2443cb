"""From an mp4 to the frames a retrieval model sees: which frames, decoded once, resized and normalised.

Sampling and preprocessing follow the published CLIP4Clip / X-CLIP data path exactly (golden files
`frame_sampling.json` and `preprocess.npz`); only the decoding differs: one sequential pass instead of a seek per
frame, which yields the same frames many times faster.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from svta_models.errors import SvtaError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Fit = Literal["crop", "squash"]
"""`crop`: short side to the size, then the centre (published). `squash`: the whole picture into the square."""

Resize = Literal["exact", "fast", "bilinear"]
"""`exact`: the published transform's bits. `fast`: the same filter over all frames at once, at most one level off.
`bilinear`: GRAM's published transform, which does not smooth, rounded to 8 bits."""

RESIZES: tuple[Resize, ...] = ("exact", "fast", "bilinear")


class DecodeError(SvtaError):
    """A video could not be decoded, or has fewer frames than were asked for."""


@dataclass(frozen=True)
class VideoInfo:
    """What the container says: number of frames, frames per second, height and width in pixels."""

    frames: int
    fps: float
    height: int
    width: int


def sample_indices(
    total_frames: int, fps: float, feature_framerate: int, max_frames: int, slice_framepos: int
) -> list[int]:
    """Choose the source frames that the published loaders decode and keep, in order.

    Inside every second the first `feature_framerate` frames at a step of floor(fps / feature_framerate) are read
    (0 = every frame); fps is truncated to an integer first, so 29.97 counts as 29. When more than `max_frames` were
    read, `slice_framepos` keeps the head (0), the tail (1) or a uniform choice (2).

    Source: published CLIP4Clip and X-CLIP video reader; SVTA clips (33 frames, 15 fps) give 0, 15, 30 at 1 fps.
    Raises ValueError for a setting outside these ranges.
    """
    whole_fps = int(fps)
    if total_frames < 1 or whole_fps < 1 or max_frames < 1 or feature_framerate < 0:
        raise ValueError(
            f"cannot sample {total_frames} frames at {fps} fps with feature_framerate={feature_framerate} and "
            f"max_frames={max_frames}: frames, fps and max_frames start at 1, feature_framerate at 0"
        )
    step = max(1, whole_fps // feature_framerate) if feature_framerate else 1
    offsets = range(0, whole_fps, step)[: feature_framerate or None]
    seconds = math.ceil(total_frames / whole_fps)
    read = [
        index
        for second in range(seconds + 1)
        for index in (second * whole_fps + offset for offset in offsets)
        if index < total_frames
    ]
    return [read[position] for position in _kept_positions(len(read), max_frames, slice_framepos)]


def _kept_positions(count: int, max_frames: int, slice_framepos: int) -> list[int]:
    if slice_framepos not in (0, 1, 2):
        raise ValueError(f"slice_framepos is {slice_framepos!r}: use 0 (head), 1 (tail) or 2 (uniform)")
    if count <= max_frames:
        return list(range(count))
    if slice_framepos == 0:
        return list(range(max_frames))
    if slice_framepos == 1:
        return list(range(count - max_frames, count))
    return [int(position) for position in np.linspace(0, count - 1, num=max_frames, dtype=int)]


def uniform_indices(total_frames: int, max_frames: int) -> list[int]:
    """Spread `max_frames` over all frames: SVTA's own default, which leaves no slot of a 33-frame clip empty."""
    return sample_indices(total_frames, max(1, total_frames), 0, max_frames, 2)


def probe_video(source: str | Path | bytes) -> VideoInfo:
    """Read frame count, rate and size without decoding (packets are counted where the header has no count)."""
    import av

    try:
        with av.open(_readable(source), "r") as container:
            stream = _video_stream(container, source)
            frames = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
            fps = float(stream.average_rate or stream.guessed_rate or 0)
            return VideoInfo(frames, fps, stream.codec_context.height, stream.codec_context.width)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DecodeError(f"{_name(source)} is not a readable video ({error}): make or fetch it again") from error


def decode_video(
    source: str | Path | bytes, indices: Sequence[int] | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decode a video in one pass into (T, H, W, 3) uint8 RGB.

    `indices`: which frames, in the order wanted, repeats allowed (None = all). `size` = (height, width) lets the
    decoder resize (bicubic, not bit-equal to `preprocess`). Raises DecodeError when the file is damaged or shorter.
    """
    import av
    from av.video.reformatter import VideoReformatter

    resizer = VideoReformatter()  # keeps its scaling tables from frame to frame
    wanted = None if indices is None else set(indices)
    last = None if not wanted else max(wanted)
    found: dict[int, np.ndarray] = {}
    try:
        with av.open(_readable(source), "r") as container:
            stream = _video_stream(container, source)
            for number, frame in enumerate(container.decode(stream)):
                if wanted is None or number in wanted:
                    found[number] = _rgb(frame, size, resizer)
                if last is not None and number >= last:
                    break
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DecodeError(f"{_name(source)} does not decode ({error}): make or fetch it again") from error
    order = sorted(found) if indices is None else list(indices)
    if not order or any(number not in found for number in order):
        raise DecodeError(
            f"{_name(source)} ends early: {len(found)} of {len(set(order)) or 'all'} wanted frames could be decoded"
        )
    return np.stack([found[number] for number in order])


def preprocess(frames: np.ndarray, size: int, fit: Fit = "crop", how: Resize = "exact") -> np.ndarray:
    """Turn RGB frames (T, H, W, 3) uint8 into CLIP input (T, 3, size, size) float32, as published for all splits."""
    return normalise(resize_frames(frames, size, fit, how))


def resize_frames(frames: np.ndarray, size: int, fit: Fit = "crop", how: Resize = "exact") -> np.ndarray:
    """Resize (T, H, W, 3) uint8 to (T, 3, size, size) uint8; bicubic on 8-bit values unless `how` says otherwise."""
    height, width = frames.shape[1:3]
    if fit == "squash":
        target = (size, size)
    elif width <= height:
        target = (size, int(size * height / width))
    else:
        target = (int(size * width / height), size)
    left, top = round((target[0] - size) / 2), round((target[1] - size) / 2)
    kept = slice(top, top + size), slice(left, left + size)
    if how == "bilinear":
        return _resize_bilinear(frames, target, *kept)
    resize = _resize_at_once if how == "fast" else _resize_one_by_one
    return resize(frames, target, *kept)


def _resize_one_by_one(frames: np.ndarray, target: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    """`target` is (width, height); the rows and columns kept are square."""
    from PIL import Image

    size = rows.stop - rows.start
    resized = np.empty((len(frames), size, size, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        resized[number] = np.asarray(Image.fromarray(frame).resize(target, Image.Resampling.BICUBIC))[rows, columns]
    return np.ascontiguousarray(resized.transpose(0, 3, 1, 2))


def _resize_at_once(frames: np.ndarray, target: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    import torch
    from torch.nn import functional as F

    frames_TCHW = torch.from_numpy(frames).permute(0, 3, 1, 2)  # channels last: the vectorised 8-bit kernel wants it
    resized_TCHW = F.interpolate(frames_TCHW, target[::-1], mode="bicubic", antialias=True)
    return np.ascontiguousarray(resized_TCHW[..., rows, columns].numpy())


def _resize_bilinear(frames: np.ndarray, target: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    import torch
    from torch.nn import functional as F

    x_TCHW = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    x_TCHW = F.interpolate(x_TCHW, target[::-1], mode="bilinear", antialias=False, align_corners=False)
    return np.ascontiguousarray(x_TCHW[..., rows, columns].round().to(torch.uint8).numpy())


def normalise(frames: np.ndarray) -> np.ndarray:
    """Scale (..., 3, H, W) uint8 to float32 with CLIP's channel mean and deviation."""
    mean = np.asarray(CLIP_MEAN, dtype=np.float32)[:, None, None]
    std = np.asarray(CLIP_STD, dtype=np.float32)[:, None, None]
    return (frames.astype(np.float32) / np.float32(255) - mean) / std


def _rgb(frame: Any, size: tuple[int, int] | None, resizer: Any) -> np.ndarray:
    if size is None:
        frame = resizer.reformat(frame, format="rgb24")
    else:
        frame = resizer.reformat(frame, width=size[1], height=size[0], format="rgb24", interpolation="BICUBIC")
    return np.asarray(frame.to_ndarray())


def _video_stream(container: Any, source: str | Path | bytes) -> Any:
    if not container.streams.video:
        raise DecodeError(f"{_name(source)} holds no video stream: give an mp4")
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # many small clips: the caller's workers are the parallelism
    return stream


def _readable(source: str | Path | bytes) -> str | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def _name(source: str | Path | bytes) -> str:
    return f"a video of {len(source)} bytes" if isinstance(source, bytes) else str(source)
