"""Similarity of many captions and clips in blocks: memory stays the same however many there are.

Shape letters: N captions, M clips. Each side was encoded once; a block reads a few captions against a few clips, so
what is held beside the two sides and the (N, M) result does not grow with either. Results do not depend on the blocks.
"""

from collections.abc import Callable, Iterator
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from svta_models.feature_blocks import HeldSide, Side
from svta_models.retrieval import Features, RetrievalModel

CPU_CELLS = 1 << 22  # floats of temporaries a block may hold: 16 MB
DEVICE_CELLS = 1 << 28

Score = Callable[[Features, Features], Tensor]


@torch.no_grad()
def score_blocks(model: RetrievalModel, texts: Features, clips: Features, cells: int | None = None) -> Tensor:
    """Similarity (N, M) float32 in eval mode, on the features' device. `cells`: floats a block may hold at a time."""
    was_training = model.training
    model.eval()
    device = texts[0].device
    result_NM = torch.empty(len(texts[0]), len(clips[0]), device=device)
    pairs = block_pairs(model.cells_per_pair, device, cells)
    for rows, columns, part in _scored(model.score, HeldSide(texts), HeldSide(clips), pairs):
        result_NM[rows, columns] = part
    model.train(was_training)
    return result_NM


@torch.no_grad()
def score_sides(score: Score, texts: Side, clips: Side, pairs: int) -> np.ndarray:
    """Similarity (N, M) float32 of sides that may lie on disk, in blocks of at most `pairs` caption-clip pairs."""
    result_NM = np.empty((len(texts), len(clips)), dtype=np.float32)
    for rows, columns, part in _scored(score, texts, clips, pairs):
        result_NM[rows, columns] = part.float().cpu().numpy()
    return result_NM


def block_pairs(cells_per_pair: int, device: torch.device | str, cells: int | None = None) -> int:
    """How many caption-clip pairs a block may hold on a device, by the floats that each of them takes."""
    budget = cells or (CPU_CELLS if torch.device(device).type == "cpu" else DEVICE_CELLS)
    return max(1, budget // cells_per_pair)


def _scored(score: Score, texts: Side, clips: Side, pairs: int) -> Iterator[tuple[slice, slice, Tensor]]:
    held: tuple[slice, Features] | None = None
    for rows, columns in _blocks(len(texts), len(clips), pairs):
        if held is None or held[0] != rows:  # blocks come row by row: captions are read once
            held = rows, texts.take(rows)
        yield rows, columns, score(held[1], clips.take(columns))


def _blocks(captions: int, videos: int, pairs: int) -> Iterator[tuple[slice, slice]]:
    """Cut the matrix into blocks of at most `pairs` cells, as square as they can be: least is read per cell."""
    width = max(1, min(videos, max(isqrt(pairs), pairs // max(1, captions))))
    height = max(1, pairs // width)
    for top in range(0, captions, height):
        for left in range(0, videos, width):
            yield slice(top, top + height), slice(left, left + width)
