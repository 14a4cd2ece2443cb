"""A home whose anomaly names became more categories than they are: for tests of merges."""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from svta_assets.clusters.organize import organize_labels
from svta_assets.workspace import Workspace

NAMES = {"fall from ladder": 4, "fall on ice": 3, "set fire": 3, "burn house": 2, "rob shop": 2}
LIKE = {"fall on ice": "fall from ladder", "burn house": "set fire"}


class Embedder:
    """Unit vectors by name; names that are alike lie near each other."""

    def identity(self) -> dict[str, str]:
        return {"model": "toy"}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors_ND = np.stack([_noise(LIKE.get(text, text)) + 0.3 * _noise(f"{text}!") for text in texts])
        unit_ND: np.ndarray = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
        return unit_ND.astype(np.float32)


def _noise(text: str) -> np.ndarray:
    seed = list(hashlib.sha256(text.encode()).digest())
    vector_D: np.ndarray = np.random.default_rng(seed).normal(size=64) / 8
    return vector_D


def name_categories(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Labels of a home, and five anomaly categories of them, of which four are two."""
    embedder = Embedder()
    monkeypatch.setattr(Workspace, "embedder", lambda self: embedder)
    rows = [(f"{name}-{n}", name, True) for name, count in NAMES.items() for n in range(count)]
    rows += [(f"walk-{n}", "walk dog", False) for n in range(3)]
    frame = pl.DataFrame(rows, schema=["pair_id", "name", "is_anomaly"], orient="row")
    work.catalog.publish("labels", "c", frame.with_columns(category=pl.lit("c")))
    organize_labels(work, {"normal": 1, "anomaly": 5})
    work.refresh()
    return work
