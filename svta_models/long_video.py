"""Frames of long videos without decoding them whole: a packet list tells where each frame is, seeks fetch a few.

A surveillance video of ten minutes has 18,000 frames, of which a retrieval model sees twelve. Reading the packets
costs no decoding and gives every frame's time, so frame number n is the n-th in the order of presentation, the one a
sequential decoder would count to, whatever the frame rate. Then only the pictures between a key frame and a wanted
frame are decoded. A container that does not say when its frames are shown (AVI) is decoded in one pass instead.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svta_models.frames import DecodeError, VideoInfo, decode_video


@dataclass(frozen=True)
class FrameIndex:
    """A video's frames in the order of presentation.

    times: when each frame is shown, in the stream's time base, ascending; empty where the container does not say.
    keys: times at which decoding can start.
    """

    info: VideoInfo
    times: tuple[int, ...]
    keys: tuple[int, ...]


def index_video(path: str | Path) -> FrameIndex:
    """Read the packets of a video, decoding none. Raises DecodeError for a file that is none, or has no frame."""
    import av

    try:
        with av.open(str(path), "r") as container:
            if not container.streams.video:
                raise DecodeError(f"{path} holds no video stream: give an mp4")
            stream = container.streams.video[0]
            packets = [
                (packet.pts, packet.is_keyframe)
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard  # an edit list may hide frames: a decoder drops them
            ]
            fps = float(stream.average_rate or stream.guessed_rate or 0)
            info = VideoInfo(len(packets), fps, stream.codec_context.height, stream.codec_context.width)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DecodeError(f"{path} is not a readable video ({error}): fetch it again") from error
    if not packets:
        raise DecodeError(f"{path} holds no frame: fetch it again")
    times = sorted(time for time, _ in packets if time is not None)
    if len(set(times)) != len(packets):
        return FrameIndex(info, (), ())
    return FrameIndex(info, tuple(times), tuple(sorted(time for time, key in packets if key and time is not None)))


def read_frames(path: str | Path, index: FrameIndex, wanted: Sequence[int]) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 RGB by their numbers, in the order wanted, repeats allowed.

    Memory holds the wanted frames and one more. Raises DecodeError when the file is damaged or shorter.
    """
    beyond = [number for number in wanted if not 0 <= number < index.info.frames]
    if beyond or not wanted:
        raise DecodeError(f"{path} has {index.info.frames} frames; frame {beyond[0] if beyond else 'none'} was wanted")
    if not index.times:
        return decode_video(path, wanted)
    found = _sought(path, index, sorted(set(wanted)))
    if len(found) < len(set(wanted)):  # the container's times are not those of its pictures
        return decode_video(path, wanted)
    return np.stack([found[number] for number in wanted])


def _sought(path: str | Path, index: FrameIndex, numbers: list[int]) -> dict[int, np.ndarray]:
    """Decode from the key frame before each number; stay in the stream where no key frame lies between."""
    import av

    found: dict[int, np.ndarray] = {}
    try:
        with av.open(str(path), "r") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # the caller's workers are the parallelism
            frames, reached = None, -1
            for number in numbers:
                time = index.times[number]
                key = index.keys[max(0, bisect_right(index.keys, time) - 1)] if index.keys else index.times[0]
                if frames is None or key > reached:
                    container.seek(key, stream=stream, backward=True)
                    frames = container.decode(stream)
                picture = _at(frames, time)
                if picture is None:
                    return found
                found[number], reached = picture, time
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DecodeError(f"{path} does not decode ({error}): fetch it again") from error
    return found


def _at(frames: Any, time: int) -> np.ndarray | None:
    """The picture shown at `time`; None when the stream passes it or ends."""
    for frame in frames:
        if frame.pts is None or frame.pts > time:
            return None
        if frame.pts == time:
            return np.asarray(frame.to_ndarray(format="rgb24"))
    return None
