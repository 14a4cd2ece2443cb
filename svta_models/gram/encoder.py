"""How an evaluation talks to GRAM: it may hear, and it reads the nearest candidates again.

Shape letters: B clips, P pairs, T frame slots, A audio windows, S frames of a spectrogram, F mel bins, L tokens.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from svta_models.augment import to_clip_input
from svta_models.checkpoint import Checkpoint
from svta_models.encoders import CheckpointEncoder
from svta_models.gram.hearing import SoundChoice
from svta_models.gram.model import ClipTokens, Condition, Extras, Gram
from svta_models.reading import ClipRead
from svta_models.retrieval import Features


class GramEncoder(CheckpointEncoder):
    """A GRAM checkpoint. `audio`: its way of sound; `candidates`: how many of each query its matching head reads."""

    method = Gram.method

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.gram = cast(Gram, checkpoint.model)
        config = self.gram.config
        self.sound, self.audio, self.candidates = SoundChoice.of(config), config.audio, config.itm_rerank_num

    @torch.no_grad()
    def clips(self, frames_BTCHW: Tensor, mask_BT: Tensor, spectrograms_BASF: Tensor | None = None) -> Features:
        return self.gram.features(self._read(frames_BTCHW, mask_BT, spectrograms_BASF))

    @torch.no_grad()
    def condition(self, frames_BTCHW: Tensor, mask_BT: Tensor, spectrograms_BASF: Tensor | None = None) -> Condition:
        """What the matching head reads of clips: frames, and sound where there is some."""
        return self.gram.condition(self._read(frames_BTCHW, mask_BT, spectrograms_BASF))

    def match(self, ids_PL: Tensor, mask_PL: Tensor, condition: Condition) -> Tensor:
        """Probability (P,) on the CPU that captions describe the one clip of `condition`."""
        return self.gram.match(ids_PL.to(self.device), mask_PL.to(self.device), condition).cpu()

    def _read(self, frames_BTCHW: Tensor, mask_BT: Tensor, spectrograms_BASF: Tensor | None) -> ClipTokens:
        extras = None if spectrograms_BASF is None else Extras(spectrograms_BASF.to(self.device))
        input_BTCHW = to_clip_input(frames_BTCHW, mask_BT).to(self.device)
        return self.gram.clip_tokens(input_BTCHW, mask_BT.to(self.device), extras)


def stacked(clips: Sequence[ClipRead]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Frames (B, T, C, H, W), masks (B, T), and spectrograms (B, A, S, F) where the clips were listened to."""
    heard = [clip.heard.spectrograms_ASF for clip in clips if clip.heard is not None]
    frames_BTCHW = torch.stack([clip.frames_TCHW for clip in clips])
    return frames_BTCHW, torch.stack([clip.mask_T for clip in clips]), torch.stack(heard) if heard else None
