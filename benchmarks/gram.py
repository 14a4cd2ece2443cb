"""GRAM's volume against the plain determinant, memory on the full gallery, and its size: `python benchmarks/gram.py`.

One thread, CPU seconds, unit vectors of 512 numbers. The plain form is what the definition says: every pair's k x k
matrix of dot products, then one determinant each; it is computed in strips of captions so that it fits into memory.
Both forms must agree, or it stops. The full gallery is SVTA's test split, 8,309 captions by 8,309 clips.
"""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_models.gram import volume
from svta_models.gram.config import gram_preset
from svta_models.gram.model import Gram

WIDTH, STRIP = 512, 200
MIB = 1 << 20
PUBLISHED = "about 1 billion"


def main() -> None:
    """Print a line per comparison."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'volume, N = 3000':28} {'plain CPU s':>12} {'ours CPU s':>11} {'ratio':>7}  wanted")
    for k in (2, 3, 4):
        plain, ours = _compare(k, 3000)
        print(f"{f'k = {k}':28} {plain:12.2f} {ours:11.3f} {plain / ours:7.1f}  >= 3", flush=True)
    seconds, peak = _full_gallery(k=4, pairs=8309)
    print(f"8,309 x 8,309, k = 4: {seconds:.1f} CPU s, {peak / MIB:.0f} MiB beside the features  wanted < 2048 MiB")
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in Gram(gram_preset("published")).parameters())
    print(f"parameters at full size: {parameters:,} (published: {PUBLISHED})")


def _unit_vectors(pairs: int, k: int) -> list[Tensor]:
    return [F.normalize(torch.randn(pairs, WIDTH), dim=1) for _ in range(k)]


def _compare(k: int, pairs: int) -> tuple[float, float]:
    vectors = _unit_vectors(pairs, k)
    plain_s, expected = _timed(lambda: _plain(vectors), 1)
    ours_s, got = _timed(lambda: volume(*vectors), 3)
    np.testing.assert_allclose(got, expected, atol=2e-6)
    return plain_s, ours_s


def _plain(vectors: list[Tensor]) -> Tensor:
    """sqrt |det G| of every pair."""
    anchor, modalities = vectors[0], vectors[1:]
    own = torch.stack(modalities, dim=1)
    own = own @ own.transpose(1, 2)
    result = torch.empty(len(anchor), len(own))
    for top in range(0, len(anchor), STRIP):
        rows = anchor[top : top + STRIP]
        matrix = torch.empty(len(rows), len(own), len(vectors), len(vectors))
        matrix[:, :, 1:, 1:] = own
        matrix[:, :, 0, 0] = (rows * rows).sum(dim=1, keepdim=True)
        for number, modality in enumerate(modalities, start=1):
            matrix[:, :, 0, number] = matrix[:, :, number, 0] = rows @ modality.T
        result[top : top + STRIP] = torch.linalg.det(matrix).abs().sqrt()
    return result


def _full_gallery(k: int, pairs: int) -> tuple[float, int]:
    """CPU seconds, and by how much the process grows beyond what it holds with the features."""
    vectors = _unit_vectors(pairs, k)
    before, peak, done = _resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, _ = _timed(lambda: volume(*vectors), 1)
    done.set()
    watcher.join()
    return seconds, peak - before


def _resident() -> int:
    """Bytes of memory this process occupies (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _timed(run: Callable[[], Tensor], rounds: int) -> tuple[float, Tensor]:
    """The least CPU seconds of `rounds` runs, and what the last one gave."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        result = run()
        best = min(best, time.thread_time() - started)
    return best, result


if __name__ == "__main__":
    main()
