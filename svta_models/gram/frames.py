"""Which frames of a clip GRAM sees, and how they become its input.

A clip is cut into equal segments and gives one frame of each: the middle one when evaluated, any while training. A
clip of 33 frames gives [2, 6, 10, 14, 18, 22, 26, 30]. Shape letters: T frames, H x W pixels, S the input's side.
Source: reference numbers in tests/models/goldens (`frame_sampling.json`, `preprocess.npz`).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from svta_models.frames import CLIP_MEAN, CLIP_STD

EVAL_FRAMES, TRAIN_FRAMES = 8, 4  # published for MSR-VTT


def segments(total_frames: int, count: int) -> list[tuple[int, int]]:
    """First and last frame of each of `count` equal segments, the longer ones first.

    A clip with fewer frames has one segment a frame. Raises ValueError for a number below 1.
    """
    if total_frames < 1 or count < 1:
        raise ValueError(f"cannot cut {total_frames} frames into {count} segments: both start at 1")
    parts = np.array_split(np.arange(total_frames), min(count, total_frames))
    return [(int(part[0]), int(part[-1])) for part in parts]


def eval_indices(total_frames: int, count: int = EVAL_FRAMES) -> list[int]:
    """The middle frame of each segment."""
    return [(first + last) // 2 for first, last in segments(total_frames, count)]


def train_indices(total_frames: int, random: torch.Generator, count: int = TRAIN_FRAMES) -> list[int]:
    """A random frame of each segment."""
    bounds = segments(total_frames, count)
    return [int(torch.randint(first, last + 1, (1,), generator=random)) for first, last in bounds]


def preprocess_eval(frames: np.ndarray, size: int, antialias: bool = False) -> Tensor:
    """RGB frames (T, H, W, 3) uint8 to input (T, 3, S, S) float32: short side to `size`, bilinear, then the centre.

    `antialias` False is what the published code did with the torchvision it names; newer versions smooth.
    """
    x_TCHW = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    height, width = x_TCHW.shape[2:]
    target = (size, int(size * width / height)) if height <= width else (int(size * height / width), size)
    x_TCHW = F.interpolate(x_TCHW, target, mode="bilinear", antialias=antialias, align_corners=False)
    top, left = round((target[0] - size) / 2), round((target[1] - size) / 2)
    return _normalised(x_TCHW[:, :, top : top + size, left : left + size])


def preprocess_train(frames: np.ndarray, size: int, random: torch.Generator, antialias: bool = False) -> Tensor:
    """The same for training: one square of 80 to 100% of the picture's area and one choice of mirroring for the clip.

    Where the picture is not square enough for that area, the largest square that fits is taken.
    """
    x_TCHW = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    height, width = x_TCHW.shape[2:]
    share, down, right, mirror = torch.rand(4, generator=random).tolist()
    side = min(height, width, round((height * width * (0.8 + 0.2 * share)) ** 0.5))
    top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
    x_TCHW = x_TCHW[:, :, top : top + side, left : left + side]
    x_TCHW = F.interpolate(x_TCHW, (size, size), mode="bilinear", antialias=antialias, align_corners=False)
    return _normalised(x_TCHW.flip(3) if mirror < 0.5 else x_TCHW)


def _normalised(x_TCHW: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (x_TCHW - mean) / std
