"""How an evaluation talks to a model: encode captions, encode clips, compare the two sides.

`CheckpointEncoder` is a model trained here; `svta_models.own_model` makes one of anybody's file.
"""

from collections.abc import Hashable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from svta_models.augment import to_clip_input
from svta_models.checkpoint import Checkpoint
from svta_models.gallery import FrameChoice, frame_choice
from svta_models.retrieval import Features


class Encoder(Protocol):
    """A model ready to be evaluated. `id` names it with its weights; features carry one row per caption or clip."""

    @property
    def id(self) -> str: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def choice(self) -> FrameChoice: ...
    @property
    def cells_per_pair(self) -> int:
        """Floats that `score` holds at a time for every caption-clip pair."""
        ...

    def text_keys(self, captions: Sequence[str]) -> list[Hashable]:
        """Equal keys: captions that the model cannot tell apart. Each is encoded and scored once."""
        ...

    def texts(self, captions: Sequence[str]) -> Features:
        """Encode captions."""
        ...

    def clips(self, frames_BTCHW: Tensor, mask_BT: Tensor) -> Features:
        """Encode clips given as uint8 frames, empty slots zero with mask 0."""
        ...

    def score(self, texts: Features, clips: Features) -> Tensor:
        """Similarity (N captions, M clips), higher = nearer."""
        ...


def encoder_of(checkpoint: Checkpoint) -> "CheckpointEncoder":
    """How a checkpoint of any method is evaluated."""
    from svta_models.gram.encoder import GramEncoder  # which is a CheckpointEncoder

    return (GramEncoder if checkpoint.config["method"] == GramEncoder.method else CheckpointEncoder)(checkpoint)


class CheckpointEncoder:
    """A trained checkpoint, in eval mode where its model is."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._model = checkpoint, checkpoint.model.eval()
        config = checkpoint.model.config
        self.id = checkpoint.id
        self.choice = frame_choice(checkpoint.recipe, config.image, config.fit)
        self.cells_per_pair = checkpoint.model.cells_per_pair

    @property
    def device(self) -> torch.device:
        return self._model.device

    def text_keys(self, captions: Sequence[str]) -> list[Hashable]:
        """The tokens: captions that differ beyond `max_words`, or in case, are the same to the model."""
        ids_NL, _ = self.tokens(captions)
        return [tuple(row) for row in ids_NL.tolist()]

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Features:
        ids_BL, mask_BL = self.tokens(captions)
        return self._model.text_side(ids_BL.to(self.device), mask_BL.to(self.device))

    @torch.no_grad()
    def clips(self, frames_BTCHW: Tensor, mask_BT: Tensor) -> Features:
        return self._model.clip_side(to_clip_input(frames_BTCHW, mask_BT).to(self.device), mask_BT.to(self.device))

    @torch.no_grad()
    def score(self, texts: Features, clips: Features) -> Tensor:
        return self._model.score(texts, clips)

    def tokens(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask (N, L) int64 of captions."""
        return self._checkpoint.tokenizer.encode(list(captions), self._checkpoint.recipe["max_words"])
