"""CLIP4Clip with the parameter-free head (MeanP): a clip is the mean of its normalised frame features.

Luo et al. 2021, section 3.3, in the form the published code has it. Shape letters: B pairs, N captions or clips,
T frame slots, L tokens, C = 3 channels, H x W pixels, D embedding.
Unusual: each frame is L2-normalised before the mean and the mean is normalised again; padded frames are excluded;
similarity carries exp(logit_scale); the loss uses the whole batch as negatives in both directions.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.clip import Clip
from svta_models.errors import SvtaError
from svta_models.presets import ClipConfig

MAX_LOGIT_SCALE = math.log(100)  # the published training loop clamps after every step, never inside forward
METHODS = ("clip4clip-meanP",)
_FIXED_BUFFERS = {"clip.input_resolution", "clip.context_length", "clip.vocab_size"}  # in OpenAI files, not weights


class WrongWeights(SvtaError):
    """A file of weights does not fit the model; the message names what is missing, unexpected or misshapen."""


class Clip4ClipMeanP(nn.Module):
    """Text and frame encoders with mean pooling. Parameters carry the published names (`clip.*`)."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.clip = Clip(config)

    def encode_text(self, input_ids_BL: Tensor, input_mask_BL: Tensor | None = None) -> Tensor:
        """Caption features (B, D), not normalised. The mask is accepted for the shared interface; MeanP needs none."""
        return self.clip.encode_text(input_ids_BL)

    def encode_frames(self, frames_BTCHW: Tensor) -> Tensor:
        """Frame features (B, T, D), not normalised, of CLIP-normalised pixels."""
        batch, slots = frames_BTCHW.shape[:2]
        return self.clip.encode_image(frames_BTCHW.flatten(0, 1)).view(batch, slots, -1)

    def pool(self, features_BTD: Tensor, frame_mask_BT: Tensor) -> Tensor:
        """Unit clip features (B, D). A clip without any real frame gives NaN, as published."""
        weight_BT1 = frame_mask_BT.unsqueeze(-1).to(features_BTD.dtype)
        unit_BTD = features_BTD / features_BTD.norm(dim=-1, keepdim=True)
        count_B1 = weight_BT1.sum(dim=1).clamp(min=1.0)
        mean_BD = (unit_BTD * weight_BT1).sum(dim=1) / count_B1
        return torch.div(mean_BD, mean_BD.norm(dim=-1, keepdim=True))

    def score(self, text_ND: Tensor, clip_MD: Tensor) -> Tensor:
        """Similarity (N captions, M clips) of caption features and pooled clip features, with the logit scale."""
        unit_ND = text_ND / text_ND.norm(dim=-1, keepdim=True)
        return torch.mul(self.clip.logit_scale.exp(), unit_ND @ clip_MD.T)

    def similarity(
        self, input_ids_BL: Tensor, input_mask_BL: Tensor, frames_BTCHW: Tensor, frame_mask_BT: Tensor
    ) -> Tensor:
        """Score every caption against every clip: (B, B), rows captions.

        ids and masks int64; frames float32, CLIP-normalised, padded frames 0.
        """
        clip_BD = self.pool(self.encode_frames(frames_BTCHW), frame_mask_BT)
        return self.score(self.encode_text(input_ids_BL, input_mask_BL), clip_BD)

    def loss(self, input_ids_BL: Tensor, input_mask_BL: Tensor, frames_BTCHW: Tensor, frame_mask_BT: Tensor) -> Tensor:
        """Scalar training loss over the batch: the mean of both directions' cross entropy (CLIP4Clip, section 3.4)."""
        return contrastive_loss(self.similarity(input_ids_BL, input_mask_BL, frames_BTCHW, frame_mask_BT))

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the logit scale at most 100; call after every optimiser step."""
        self.clip.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def published_state(self) -> dict[str, Tensor]:
        """Weights under their published names."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}


def contrastive_loss(similarity_BB: Tensor) -> Tensor:
    """Mean of caption-to-clip and clip-to-caption cross entropy with the diagonal as targets."""
    target_B = torch.arange(len(similarity_BB), device=similarity_BB.device)
    return (F.cross_entropy(similarity_BB, target_B) + F.cross_entropy(similarity_BB.T, target_B)) / 2


def load_published(method: str, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Clip4ClipMeanP:
    """Build a published model from its weights (`state`, published names) and sizes (`config`, presets.yaml's keys).

    Keys of `config` that do not describe the towers are ignored. Raises WrongWeights for a wrong or partial state.
    """
    if method not in METHODS:
        raise SvtaError(f"no published method {method!r} here: choose one of {', '.join(METHODS)}")
    model = Clip4ClipMeanP(ClipConfig.from_mapping(config))
    load_weights(model, state, origin=f"published {method}")
    return model.eval()


def load_weights(model: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy `state` into `model`, all or nothing. `origin` names the file in the error. Raises WrongWeights."""
    expected = model.state_dict()
    given = {name: tensor for name, tensor in state.items() if name not in _FIXED_BUFFERS}
    problems = {
        "missing": sorted(set(expected) - set(given)),
        "unexpected": sorted(set(given) - set(expected)),
        "of another shape": [
            f"{name} {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in sorted(set(expected) & set(given))
            if given[name].shape != expected[name].shape
        ],
    }
    found = [f"{len(names)} {kind} ({_shortened(names)})" for kind, names in problems.items() if names]
    if found:
        raise WrongWeights(f"{origin} does not fit the model: {'; '.join(found)}. Choose the matching file or preset")
    model.load_state_dict(given)


def _shortened(names: list[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f", and {len(names) - limit} more" if len(names) > limit else "")
