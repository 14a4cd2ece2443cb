"""Quality scores of a clip, stored first; thresholds are applied afterwards and can move without rendering again."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

# Chosen so that a frozen, black, white or strobing clip fails and a quiet night scene passes (units: 0..255 of luma).
DEFAULT_THRESHOLDS: Mapping[str, float] = {
    "motion_min": 0.15,  # below: a still picture (encoding noise alone gives less)
    "brightness_min": 8.0,  # below: black
    "brightness_max": 247.0,  # above: white
    "contrast_min": 5.0,  # below: one flat colour
    "flicker_max": 30.0,  # above: strobing from frame to frame
}

_REASONS: tuple[tuple[str, str, str], ...] = (
    ("brightness", "brightness_min", "black"),
    ("brightness", "brightness_max", "white"),
    ("contrast", "contrast_min", "flat"),
    ("motion", "motion_min", "static"),
    ("flicker", "flicker_max", "flickering"),
)


def score_clip(frames: "np.ndarray") -> dict[str, float]:
    """Score frames (T, H, W, 3) uint8; every score is on the 0..255 scale of luma.

    Returns:
        motion: mean absolute difference of neighbouring frames (0 for one frame).
        brightness: mean luma.
        contrast: standard deviation of luma within a frame, averaged over frames.
        flicker: mean absolute second difference of the frames' mean luma (steady fades score 0).
    """
    import numpy as np

    luma = np.tensordot(frames, np.asarray(_LUMA, dtype=np.float32), axes=1)
    means = luma.mean(axis=(1, 2))
    motion = np.abs(np.diff(luma, axis=0)).mean() if len(frames) > 1 else 0.0
    flicker = np.abs(np.diff(means, n=2)).mean() if len(frames) > 2 else 0.0
    scores = {
        "motion": motion,
        "brightness": means.mean(),
        "contrast": luma.std(axis=(1, 2)).mean(),
        "flicker": flicker,
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def verdict(scores: Mapping[str, float], thresholds: Mapping[str, float] | None = None) -> str | None:
    """Return why a clip with these scores is rejected (`"static: motion 0.02 < 0.15"`), or None when it passes.

    Args:
        scores: what `score_clip` returned; a score that is missing rejects nothing.
        thresholds: replaces single values of `DEFAULT_THRESHOLDS`; keys as there.
    """
    limits = {**DEFAULT_THRESHOLDS, **(thresholds or {})}
    for score, limit, reason in _REASONS:
        value = scores.get(score)
        if value is None:
            continue
        if limit.endswith("_min") and value < limits[limit]:
            return f"{reason}: {score} {value:g} < {limits[limit]:g}"
        if limit.endswith("_max") and value > limits[limit]:
            return f"{reason}: {score} {value:g} > {limits[limit]:g}"
    return None


def decode_check(mp4: bytes, expected: Mapping[str, Any]) -> str | None:
    """Decode a whole file and return what is wrong with it, or None.

    Args:
        mp4: bytes of the file.
        expected: any of frames, height, width (pixels) and fps.
    """
    import av

    try:
        with av.open(io.BytesIO(mp4), "r") as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            sizes = [(frame.height, frame.width) for frame in container.decode(stream)]
    except (av.FFmpegError, IndexError, EOFError) as error:
        return f"does not decode: {error or type(error).__name__}"
    return _mismatch(sizes, rate, expected)


def _mismatch(sizes: list[tuple[int, int]], rate: float, expected: Mapping[str, Any]) -> str | None:
    if "frames" in expected and len(sizes) != expected["frames"]:
        return f"has {len(sizes)} frames instead of {expected['frames']}"
    if not sizes:
        return "has no frames"
    for name, index in (("height", 0), ("width", 1)):
        wrong = {size[index] for size in sizes} - {expected.get(name, sizes[0][index])}
        if wrong:
            return f"has {name} {min(wrong)} instead of {expected.get(name, sizes[0][index])}"
    if "fps" in expected and abs(rate - expected["fps"]) > 0.01:
        return f"has {rate:g} frames per second instead of {expected['fps']:g}"
    return None
