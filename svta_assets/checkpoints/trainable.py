"""The retrieval models of the paper's tables that this version trains, and how each is trained by each recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from svta_resources.errors import SvtaError

SCRATCH = "scratch"


@dataclass(frozen=True)
class TrainableModel:
    """A partition of `model_checkpoints`.

    Attributes:
        method: its name in `svta_models.published`.
        scratch: settings of the recipe `scratch` that differ for it from the recipe's defaults.
        published: the same of the recipes `paper` and `svta`: which weights, and the official batch.
    """

    method: str
    scratch: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, recipe: str) -> dict[str, Any]:
        """What this model changes in a recipe."""
        return dict(self.scratch if recipe == SCRATCH else self.published)


# X-CLIP has weights for every frame slot and does not mask empty ones, so it sees all of its slots in training, too.
_ALL_SLOTS = {"max_frames": 6, "train_frames": 6, "epochs": 24}
_B32 = {"preset": "vit-b-32", "batch_size": 128}
TRAINABLE = {
    "clip4clip-meanp": TrainableModel("clip4clip-meanP", {}, _B32),
    "clip4clip-seqlstm": TrainableModel("clip4clip-seqLSTM", {"epochs": 32}, _B32),
    "clip4clip-seqtransf": TrainableModel("clip4clip-seqTransf", {"epochs": 32}, _B32),
    "clip4clip-tighttransf": TrainableModel("clip4clip-tightTransf", {"epochs": 36}, _B32),
    "xclip-vit-b-32": TrainableModel(
        "xclip", {**_ALL_SLOTS, "preset": "tiny-32"}, {"preset": "vit-b-32", "batch_size": 300}
    ),
    "xclip-vit-b-16": TrainableModel("xclip", _ALL_SLOTS, {"preset": "vit-b-16", "batch_size": 80}),
    "gram": TrainableModel("gram"),  # its recipes are classes of their own: svta_models/recipe.py
}


def trainable(model: str) -> TrainableModel:
    """Return how to train a model. Raises SvtaError with the models there are."""
    if model not in TRAINABLE:
        raise SvtaError(f"model {model} is not part of this version yet; available: {', '.join(TRAINABLE)}")
    return TRAINABLE[model]
