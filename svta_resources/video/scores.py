"""Quality scores of a clip, stored first; thresholds are applied afterwards and can move without rendering again.

Scores are those of the published mp4 as a player shows it: the file is decoded once, which also tells whether it is
whole, and its frames are scored one by one, so that beside them little memory is needed.
"""

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CELLS = (14, 24)  # rows and columns of the grid on which movement is looked for; 8 x 8 pixels at 112 x 192
LIVELIEST = 0.02  # share of the cells that movement is measured in: a small person fills about as much

# Chosen with benchmarks/gates.py; docs/quality.md has the figures. Every profile's gates.yaml names the same keys.
DEFAULT_THRESHOLDS: Mapping[str, Any] = {
    "motion_min": 0.02,  # below: not a pixel changes
    "movement_min": 2.0,  # below: a still picture, with or without noise on top
    "brightness_min": 8.0,  # below: black
    "brightness_max": 247.0,  # above: white
    "contrast_min": 5.0,  # below: one flat colour
    "flicker_max": 30.0,  # above: strobing from frame to frame
    "distance_min": 14.0,  # below: near-duplicate of another clip (svta_assets.videos.duplicates)
    "clip_similarity": None,  # {checkpoint: <model>/<id>, min: <cosine>}: caption and clip do not fit
}

_REASONS: tuple[tuple[str, str, str], ...] = (
    ("brightness", "brightness_min", "black"),
    ("brightness", "brightness_max", "white"),
    ("contrast", "contrast_min", "flat"),
    ("motion", "motion_min", "static"),
    ("movement", "movement_min", "static"),
    ("flicker", "flicker_max", "flickering"),
)
SCORES = tuple(dict.fromkeys(score for score, _, _ in _REASONS))


def score_clip(frames: "np.ndarray") -> dict[str, float]:
    """Score frames (T, H, W, 3) uint8 RGB; see `score_luma`."""
    import numpy as np

    weights = np.asarray(_LUMA, dtype=np.float32)
    return score_luma(np.tensordot(frame, weights, axes=1) for frame in frames)


def score_luma(frames: "Iterable[np.ndarray]") -> dict[str, float]:
    """Score frames of luma (H, W), 0..255, one after the other; every score is on that scale.

    Returns:
        motion: mean absolute difference of neighbouring frames (0 for one frame).
        movement: standard deviation over time of a cell's mean luma, averaged over the liveliest 2% of the cells of a
            14 x 24 grid. The frame's median cell is taken off first, so that a picture that only brightens is still.
            Averaging within a cell takes noise away that `motion` would count as motion.
        brightness: mean luma.
        contrast: standard deviation of luma within a frame, averaged over frames.
        flicker: mean absolute second difference of the frames' mean luma (steady fades score 0).
    """
    import numpy as np

    means, deviations, steps, cells = [], [], [], []
    before = None
    for frame in frames:
        luma = frame.astype(np.float32)
        means.append(float(luma.mean()))
        deviations.append(float(luma.std()))
        cells.append(cell_means(luma, *CELLS))
        if before is not None:
            steps.append(float(np.abs(luma - before).mean()))
        before = luma
    scores = {
        "motion": np.mean(steps) if steps else 0.0,
        "movement": _movement(np.stack(cells)),
        "brightness": np.mean(means),
        "contrast": np.mean(deviations),
        "flicker": np.abs(np.diff(means, n=2)).mean() if len(means) > 2 else 0.0,
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def cell_means(plane: "np.ndarray", rows: int, columns: int) -> "np.ndarray":
    """Mean of each cell of a grid laid over a plane (H, W); a small plane has as many cells as pixels."""
    import numpy as np

    edges = [
        np.linspace(0, n, min(parts, n) + 1).astype(int) for n, parts in zip(plane.shape, (rows, columns), strict=True)
    ]
    sums = np.add.reduceat(np.add.reduceat(plane.astype(np.float32), edges[0][:-1], axis=0), edges[1][:-1], axis=1)
    return np.asarray(sums / np.outer(np.diff(edges[0]), np.diff(edges[1])).astype(np.float32))


def _movement(cells: "np.ndarray") -> float:
    """Movement from the cells' means (T, rows, columns)."""
    import numpy as np

    steady = cells - np.median(cells, axis=(1, 2), keepdims=True)
    deviation = np.sort(steady.std(axis=0), axis=None)
    return float(deviation[-max(1, round(LIVELIEST * deviation.size)) :].mean())


def verdict(scores: Mapping[str, Any], thresholds: Mapping[str, Any] | None = None) -> str | None:
    """Return why a clip with these scores is rejected (`"static: movement 0.6 < 2"`), or None when it passes.

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


def examine(mp4: bytes, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a published file once; return its scores, its fingerprint and `defect`, what is wrong with it or None.

    Args:
        mp4: bytes of the file.
        expected: any of frames, height, width (pixels) and fps; together they give the duration.

    A file that does not decode has only `defect`.
    """
    from svta_resources.video.fingerprint import fingerprint

    try:
        planes, facts = _decode(mp4)
    except _unreadable() as error:
        return {"defect": f"does not decode: {error or type(error).__name__}"}
    defect = _mismatch(facts, expected)
    if not planes or len({plane.shape for plane in planes}) > 1:
        return {"defect": defect or "changes its size"}
    height = planes[0].shape[0] * 2 // 3  # yuv420p stacks luma (H, W) on two chroma planes of a quarter each
    scores = score_luma(full_range(plane[:height]) for plane in planes)
    return {**scores, "fingerprint": fingerprint(planes), "defect": defect}


def full_range(luma: "np.ndarray") -> "np.ndarray":
    """Luma as stored (16..235, as `encode_mp4` and nearly every H.264 file have it) to what a screen shows, 0..255."""
    import numpy as np

    return np.asarray(np.clip((luma.astype(np.float32) - 16) * np.float32(255 / 219), 0, 255))


def decode_check(mp4: bytes, expected: Mapping[str, Any]) -> str | None:
    """Decode a whole file and return what is wrong with it, or None; arguments as for `examine`."""
    try:
        _, facts = _decode(mp4, keep=False)
    except _unreadable() as error:
        return f"does not decode: {error or type(error).__name__}"
    return _mismatch(facts, expected)


def _unreadable() -> tuple[type[BaseException], ...]:
    import av

    return (av.FFmpegError, IndexError, EOFError)


def _decode(mp4: bytes, keep: bool = True) -> "tuple[list[np.ndarray], dict[str, Any]]":
    """Every frame as a yuv420p array (H * 3 / 2, W) uint8 where `keep`, and what the file turned out to be."""
    import av

    planes, sizes = [], []
    with av.open(io.BytesIO(mp4), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # the caller's workers are the parallelism
        for frame in container.decode(stream):
            sizes.append((frame.height, frame.width))
            if keep:
                planes.append(frame.to_ndarray(format="yuv420p"))
        facts = {"sizes": sizes, "fps": float(stream.average_rate or 0)}
    return planes, facts


def _mismatch(facts: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    sizes, rate = facts["sizes"], facts["fps"]
    if "frames" in expected and len(sizes) != expected["frames"]:
        return f"has {len(sizes)} frames instead of {expected['frames']}"
    if not sizes:
        return "has no frames"
    for name, index in (("height", 0), ("width", 1)):
        wrong = {size[index] for size in sizes} - {expected.get(name, sizes[0][index])}
        if wrong:
            return f"has {name} {min(wrong)} instead of {expected.get(name, sizes[0][index])}"
    if "fps" in expected and abs(rate - expected["fps"]) > 0.01:  # frames by the file's duration, so that counts too
        return f"has {rate:g} frames per second instead of {expected['fps']:g}"
    return None
