"""The reference numbers in tests/models/goldens: tiny random models under the published names, run by the published code.

Stored per model: parameters `state/*`, a batch `in/*`, and what came out. Tolerances are those the numbers came with
(float32 on another machine): features 2e-5, similarity 1e-4, loss 1e-5, gradient norms 1e-3 relative plus 1e-6,
similarity after the optimiser steps 1e-3.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from svta_models.published import load_published
from svta_models.retrieval import RetrievalModel

FOLDER = Path(__file__).parent / "goldens"
METHODS = {
    "clip4clip_meanP": "clip4clip-meanP",
    "clip4clip_seqLSTM": "clip4clip-seqLSTM",
    "clip4clip_seqTransf": "clip4clip-seqTransf",
    "clip4clip_tightTransf": "clip4clip-tightTransf",
    "xclip_patch32": "xclip",
    "xclip_patch16": "xclip",
}
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Golden:
    """One recorded model: `arrays` as stored, `facts` the json beside them."""

    name: str
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    @property
    def method(self) -> str:
        return METHODS[self.name]

    @property
    def config(self) -> dict[str, Any]:
        """The recorded configuration with the two official flags beside it."""
        return {**self.facts["config"], "sim_header": self.facts["sim_header"], "loose_type": self.facts["loose_type"]}

    @property
    def state(self) -> dict[str, torch.Tensor]:
        return {name[6:]: torch.from_numpy(self.arrays[name]) for name in self.arrays if name.startswith("state/")}

    @property
    def batch(self) -> Batch:
        """ids (B, L), mask (B, L), frames (B, T, 3, H, W), frame mask (B, T)."""
        names = ("in/input_ids", "in/input_mask", "in/video", "in/video_mask")
        ids, mask, video, video_mask = (torch.from_numpy(self.arrays[name]) for name in names)
        return ids[:, 0], mask[:, 0], video[:, 0, :, 0], video_mask[:, 0]

    def model(self) -> RetrievalModel:
        return load_published(self.method, self.state, self.config)

    def stored(self, prefix: str) -> dict[str, np.ndarray]:
        return {name[len(prefix) :]: self.arrays[name] for name in self.arrays if name.startswith(prefix)}


NOISE = 1e-5  # norm of what rounding does to a tensor that nothing else changes


@cache
def golden(name: str) -> Golden:
    torch.set_num_threads(1)
    with np.load(FOLDER / f"{name}.npz") as stored:
        return Golden(name, dict(stored), json.loads((FOLDER / f"{name}.json").read_text()))


def rows_of(batch: Batch, rows: Any) -> Batch:
    ids, mask, frames, frame_mask = batch
    return ids[rows], mask[rows], frames[rows], frame_mask[rows]


def assert_norms_equal(measured: dict[str, float], expected: dict[str, float | None]) -> None:
    """Each norm within a thousandth; no gradient reaches a key bias, so of those both sides hold rounding errors only.

    (Softmax ignores what is added to all scores of a query. Adam scales the errors up; they differ between processors.)
    """
    keys = {name for name in expected if name.endswith(("key.bias", "k_proj.bias"))}
    wrong = {
        name: (measured.get(name), norm)
        for name, norm in expected.items()
        if norm is not None
        and not abs(measured.get(name, np.inf) - norm) <= (NOISE if name in keys else 1e-3 * norm + 1e-6)
    }
    assert wrong == {}
    assert not keys or max(norm for norm in expected.values() if norm is not None) > 100 * NOISE
