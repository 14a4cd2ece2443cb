"""Similarity of many captions and clips in blocks: memory stays the same however many there are.

Shape letters: N captions, M clips. Each side was encoded once; a block reads a few captions against a few clips, so
what is held beside the two sides and the (N, M) result does not grow with either. Results do not depend on the blocks.
"""

from collections.abc import Iterator
from math import isqrt

import torch
from torch import Tensor

from svta_models.retrieval import Features, RetrievalModel

CPU_CELLS = 1 << 22  # floats of temporaries a block may hold: 16 MB
DEVICE_CELLS = 1 << 28


@torch.no_grad()
def score_blocks(model: RetrievalModel, texts: Features, clips: Features, cells: int | None = None) -> Tensor:
    """Similarity (N, M) float32 in eval mode, on the features' device. `cells`: floats a block may hold at a time."""
    was_training = model.training
    model.eval()
    captions, videos = len(texts[0]), len(clips[0])
    budget = cells or (CPU_CELLS if texts[0].device.type == "cpu" else DEVICE_CELLS)
    pairs = max(1, budget // model.cells_per_pair)
    result_NM = torch.empty(captions, videos, device=texts[0].device)
    for rows, columns in _blocks(captions, videos, pairs):
        part = model.score(tuple(text[rows] for text in texts), tuple(clip[columns] for clip in clips))
        result_NM[rows, columns] = part
    model.train(was_training)
    return result_NM


def _blocks(captions: int, videos: int, pairs: int) -> Iterator[tuple[slice, slice]]:
    """Cut the matrix into blocks of at most `pairs` cells, as square as they can be: least is read per cell."""
    width = max(1, min(videos, max(isqrt(pairs), pairs // max(1, captions))))
    height = max(1, pairs // width)
    for top in range(0, captions, height):
        for left in range(0, videos, width):
            yield slice(top, top + height), slice(left, left + width)
