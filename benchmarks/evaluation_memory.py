"""Peak memory of an evaluation against the number of pairs: `python benchmarks/evaluation_memory.py`.

Every size runs in a process of its own, with features of ViT-B/32's size that a stand-in for the towers draws. Shown is
the peak resident memory above the loaded program, less what any evaluation must hold, the (N, N) result itself; beside
it what the features of all pairs would take. The first should not grow with N.
"""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_models.evaluation import evaluate_gallery
from svta_models.gallery import FrameChoice
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.retrieval import Features
from svta_models.xclip import XClip

WIDTH, FRAMES, WORDS, SIZE = 512, 12, 32, 224
SIZES = {"clip4clip-meanP": (1000, 4000, 8000), "xclip": (250, 500, 1000)}
MB = 1 << 20


class _Gallery:
    """Clips of nothing but their number."""

    def __init__(self, pairs: int) -> None:
        self.pair_ids = self.captions = self.categories = self.clip_keys = [str(number) for number in range(pairs)]

    def frames(self, number: int, choice: FrameChoice) -> tuple[Tensor, Tensor]:
        frames = torch.full((FRAMES, 3, SIZE, SIZE), number % 251, dtype=torch.uint8)
        return frames, torch.ones(FRAMES, dtype=torch.long)


class _Encoder:
    """The real head over features drawn in place of the towers' output."""

    id, choice, device = "drawn", FrameChoice(FRAMES, SIZE), torch.device("cpu")

    def __init__(self, method: str) -> None:
        small = {"vision_layers": 1, "text_layers": 4, "vocab": 100, "max_words": WORDS, "max_frames": FRAMES}
        self.model: Any = build_model(method, preset_values("vit-b-32") | small).eval()
        self.cells_per_pair = self.model.cells_per_pair

    def text_keys(self, captions: Sequence[str]) -> list[str]:
        return list(captions)

    def texts(self, captions: Sequence[str]) -> Features:
        return self._drawn(len(captions), WORDS)

    def clips(self, frames_BTCHW: Tensor, mask_BT: Tensor) -> Features:
        return self._drawn(len(frames_BTCHW), FRAMES)

    @torch.no_grad()
    def score(self, texts: Features, clips: Features) -> Tensor:
        scored: Tensor = self.model.score(texts, clips)
        return scored

    def _drawn(self, count: int, parts: int) -> Features:
        pooled, single = torch.randn(count, WIDTH), torch.randn(count, parts, WIDTH)
        return (pooled, single) if isinstance(self.model, XClip) else (pooled,)


def measure(method: str, pairs: int) -> None:
    """Evaluate in this process and print its peak above the loaded program, in bytes."""
    torch.set_num_threads(1)
    encoder = _Encoder(method)
    evaluate_gallery(encoder, _Gallery(40))  # type: ignore[arg-type]  # imports and first allocations
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        evaluate_gallery(encoder, _Gallery(pairs), work=Path(folder))  # type: ignore[arg-type]
        features = sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors"))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(peak, features)


def main() -> None:
    """Print a line per model and size."""
    print(f"{'model':18} {'pairs':>6} {'result MB':>10} {'features MB':>12} {'peak less result MB':>20}")
    for method, sizes in SIZES.items():
        for pairs in sizes:
            command = [sys.executable, __file__, method, str(pairs)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            peak, features, result = int(said[0]), int(said[1]), 4 * pairs * pairs
            shown = f"{result / MB:10.0f} {features / MB:12.0f} {(peak - result) / MB:20.0f}"
            print(f"{method:18} {pairs:6} {shown}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main()
