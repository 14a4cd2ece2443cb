"""GRAM's reference numbers in tests/models/goldens: a tiny random model under the published names, run by the published
code. Tolerances as in `golden`; volumes of unit vectors 2e-6, and 1e-3 where the true volume is 0.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from svta_models.gram.losses import Negatives
from svta_models.gram.model import Extras, Gram
from svta_models.published import load_published
from tests.models.golden import FOLDER

MODALITIES = ("va", "vas", "vasd")


@dataclass(frozen=True)
class GramGolden:
    """`arrays` as stored, `facts` the json beside them."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])

    @property
    def state(self) -> dict[str, torch.Tensor]:
        return {name[6:]: self.tensor(name) for name in self.arrays if name.startswith("state/")}

    def model(self, **settings: Any) -> Gram:
        config = {**self.facts, "config": self.facts["config"] | settings}
        model = load_published("gram", self.state, config)
        assert isinstance(model, Gram)
        return model

    def batch(self, prefix: str = "in/") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids, mask, frames and frame mask; every slot is filled."""
        ids, mask, frames = (
            self.tensor(prefix + name) for name in ("caption_input_ids", "caption_attention_mask", "vision_pixels")
        )
        return ids, mask, frames, torch.ones(frames.shape[:2], dtype=torch.long)

    def extras(self, modalities: str, prefix: str = "in/") -> Extras:
        names = {
            "a": ["audio_spectrograms"],
            "s": ["subtitle_input_ids", "subtitle_attention_mask"],
            "d": ["depth_pixels"],
        }
        return Extras(*(self.tensor(prefix + name) for letter in modalities[1:] for name in names[letter]))

    def negatives(self, modalities: str) -> Negatives:
        names = ("negative_video_index_per_text", "negative_text_index_per_video")
        return Negatives(*(self.tensor(f"{modalities}/{name}") for name in names))


@cache
def gram_golden() -> GramGolden:
    torch.set_num_threads(1)
    with np.load(FOLDER / "gram_full.npz") as stored:
        return GramGolden(dict(stored), json.loads((FOLDER / "gram_full.json").read_text()))
