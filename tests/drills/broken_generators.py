"""A video generator whose graphics card falls off the bus, for drills: what its driver says then, without a card."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svta_models.media_store import open_store
from svta_resources.video.clip_worker import ClipWorker
from svta_resources.video.generator import DeviceFailed

SAID = "The device failed (CUDA error: GPU is lost); its process is replaced"


class LostCard:
    """Draws noise until `lost` clips are made; then its card is gone, for this and every later process."""

    def __init__(self, gone: Path, lost: int) -> None:
        self._gone, self._left = gone, lost

    def load(self) -> None:
        if self._gone.exists():
            raise DeviceFailed(SAID)

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> np.ndarray:
        del category
        if self._left == 0:
            self._gone.touch()
            raise DeviceFailed(SAID)
        self._left -= 1
        digest = hashlib.sha256(f"{caption}/{seed}".encode()).digest()
        return np.random.default_rng(list(digest)).integers(30, 225, (33, 112, 192, 3), dtype=np.uint8)

    def recipe(self) -> dict[str, Any]:
        return {"kind": "lost", "fps": 15, "frames": 33, "height": 112, "width": 192}

    def provenance(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class LostCardFactory:
    """Makes its worker in the process of a pool."""

    generator: str
    store_url: str
    lost: int = 3

    def __call__(self) -> ClipWorker:
        generator = LostCard(Path(self.store_url) / "card-is-gone", self.lost)
        return ClipWorker(generator, open_store(self.store_url), self.generator)
