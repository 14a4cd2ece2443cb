"""Sentence embeddings: one interface over the model and two levels of memory.

The model is the packaged all-MiniLM-L6-v2 (`embeddings/minilm.py`), or any server that speaks OpenAI's embeddings API
(`embeddings/endpoint.py`) where SVTA_EMBEDDINGS_MODEL is set. What a text's vector is decides categories, so
`Embedder.identity` goes into recipes.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from svta_models.identity import recipe_sha
from svta_resources.embeddings.disk import DiskVectors
from svta_resources.embeddings.endpoint import SETTINGS, open_endpoint
from svta_resources.embeddings.minilm import MiniLm, package_folder
from svta_resources.embeddings.model import EmbedderError, EmbeddingModel, Identity, Vectors

__all__ = ["Embedder", "EmbedderError", "Vectors", "get_embedder", "open_embedder", "package_folder"]

CACHE_TEXTS = 100_000  # about 150 MB of vectors of width 384; the oldest go first
SLICE = 4096  # texts whose vectors reach the disk together: what a killed run loses at most


class Embedder:
    """Turns texts into unit vectors; remembers every text it has seen in this process.

    Args:
        model: by default the packaged one. disk: a folder that keeps vectors for later processes, below which each
            model has its own; None to keep none.
    """

    def __init__(self, model: EmbeddingModel | None = None, disk: Path | None = None) -> None:
        self.model: EmbeddingModel = model or MiniLm()
        self._disk_folder = disk
        self._disk: DiskVectors | None = None
        self._cache: dict[str, Vectors] = {}
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed `texts` -> (N, D) float32, L2-normalised, in the given order. Raises EmbedderError."""
        with self._lock:
            known = {text: self._cache[text] for text in texts if text in self._cache}
            missing = [text for text in dict.fromkeys(texts) if text not in known]
            if missing:
                fresh = self._recall(missing)
                fresh |= self._make([text for text in missing if text not in fresh])
                known |= fresh
                self._remember(fresh)
        if not known:
            return np.zeros((0, self.model.dimension or 0), dtype=np.float32)
        self._insist_on_one_width(known)
        return np.stack([known[text] for text in texts])

    def identity(self) -> Identity:
        """Say what decides the numbers, without loading anything."""
        return self.model.identity()

    def __reduce__(self) -> tuple[type["Embedder"], tuple[EmbeddingModel, Path | None]]:
        return Embedder, (self.model, self._disk_folder)  # a spawned worker loads its own weights

    def _recall(self, texts: list[str]) -> dict[str, Vectors]:
        if self._disk_folder is None:
            return {}
        if self._disk is None:
            self._disk = DiskVectors(self._disk_folder / recipe_sha(self.identity())[:16])
        return self._disk.get(texts)

    def _make(self, texts: list[str]) -> dict[str, Vectors]:
        made: dict[str, Vectors] = {}
        for start in range(0, len(texts), SLICE):
            some = texts[start : start + SLICE]
            vectors = self.model.embed(some)
            if self._disk is not None:
                self._disk.put(some, vectors)
            made.update(zip(some, vectors, strict=True))
        return made

    def _insist_on_one_width(self, known: dict[str, Vectors]) -> None:
        """A server may change the model behind a name; vectors of before and after have nothing in common."""
        widths = sorted({vector.shape[0] for vector in known.values()})
        if len(widths) > 1:
            kept = f": delete {self._disk.folder}" if self._disk is not None else ""
            raise EmbedderError(
                f"model {self.identity()['model']!r} gave vectors of {' and '.join(map(str, widths))} numbers; its "
                f"server has changed{kept} and run again"
            )

    def _remember(self, fresh: dict[str, Vectors]) -> None:
        self._cache.update(fresh)
        for text in list(self._cache)[: max(0, len(self._cache) - CACHE_TEXTS)]:
            del self._cache[text]


def open_embedder(disk: Path | None = None, environ: Mapping[str, str] | None = None) -> Embedder:
    """Open the embedder that SVTA_EMBEDDINGS_MODEL names, else the packaged one; the same one for the same settings.

    Args:
        disk: where vectors outlive the process.
    Raises:
        EmbedderError for a setting that is missing or cannot be used.
    """
    environ = os.environ if environ is None else environ
    return _open(disk, tuple(sorted((name, environ[name]) for name in SETTINGS if environ.get(name))))


def get_embedder() -> Embedder:
    """Give this process's embedder of the packaged model, for what was tuned with it (the embedded rules)."""
    return _open(None, ())


@lru_cache(maxsize=2)  # each may remember CACHE_TEXTS
def _open(disk: Path | None, settings: tuple[tuple[str, str], ...]) -> Embedder:
    return Embedder(open_endpoint(dict(settings)) or _packaged(), disk)


@lru_cache(maxsize=1)
def _packaged() -> MiniLm:
    return MiniLm()
