"""What every retrieval model here shares: encoders, the similarity of a batch, the loss, published names.

Shape letters: B pairs, N captions, M clips, T frame slots, L tokens, C = 3 channels, H x W pixels, D embedding.
A similarity has three steps, so that an evaluation encodes every caption and clip once whatever the model:
`text_side` and `clip_side` give all that one caption or one clip contributes, `score` compares the two sides.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.clip import Clip
from svta_models.errors import SvtaError
from svta_models.gather import as_of_ranks, gather_batch
from svta_models.initialisation import initialise_head
from svta_models.presets import ClipConfig, HeadConfig
from svta_models.transformer import Transformer, key_bias

MAX_LOGIT_SCALE = math.log(100)  # the published training loop clamps after every step, never inside forward
HEAD_EPS = 1e-12  # LayerNorm of everything added on top of CLIP

Features = tuple[Tensor, ...]
"""One or more tensors with one row per caption or clip; what each holds is the model's own business."""


class RetrievalModel(nn.Module, ABC):
    """Two CLIP towers and a way to compare what they give. Parameters carry the published names (`clip.*`)."""

    method: str
    gathers: ClassVar[bool] = True
    """Whether the batches of all processes are each other's negatives (Luo et al. 2021; not with tightTransf)."""

    def __init__(self, config: ClipConfig, head: HeadConfig) -> None:
        super().__init__()
        self.config, self.head = config, head
        self.clip = Clip(config)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.clip.logit_scale.device

    def initialise_head(self) -> None:
        """Give everything but `clip.*` its published starting values; called once at construction."""
        initialise_head(self)

    def encode_text(self, input_ids_BL: Tensor, input_mask_BL: Tensor | None = None) -> Tensor:
        """Caption features (B, D), not normalised. The mask is accepted for the shared interface; none is needed."""
        return self.clip.encode_text(input_ids_BL)

    def encode_frames(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor | None = None) -> Tensor:
        """Frame features (B, T, D), not normalised, of CLIP-normalised pixels, before any temporal module."""
        batch, slots = frames_BTCHW.shape[:2]
        return self.clip.encode_image(frames_BTCHW.flatten(0, 1)).view(batch, slots, -1)

    @abstractmethod
    def text_side(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Features:
        """All that captions contribute to a similarity."""

    @abstractmethod
    def clip_side(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor) -> Features:
        """All that clips contribute to a similarity; the temporal module runs here, once per clip."""

    @abstractmethod
    def score(self, texts: Features, clips: Features) -> Tensor:
        """Similarity (N captions, M clips) of two sides; any block of either side may be given."""

    @property
    @abstractmethod
    def cells_per_pair(self) -> int:
        """Floats that `score` holds at a time for every caption-clip pair: what an evaluation sizes its blocks by."""

    def similarity(
        self, input_ids_BL: Tensor, input_mask_BL: Tensor, frames_BTCHW: Tensor, frame_mask_BT: Tensor
    ) -> Tensor:
        """Score every caption against every clip: (B, B), rows captions.

        ids and masks int64; frames float32, CLIP-normalised, padded frames 0.
        """
        return self.score(self.text_side(input_ids_BL, input_mask_BL), self.clip_side(frames_BTCHW, frame_mask_BT))

    def loss(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        ranks: int = 1,
    ) -> Tensor:
        """Scalar training loss: the mean of both directions' cross entropy (CLIP4Clip, section 3.4).

        Inside a process group the batches of all processes are joined first, where the published model does that.
        `ranks`: of how many published processes this batch holds the batches, one after the other. Loss and gradients
        are then theirs after averaging: see `svta_models.gather`, and own negatives only where nothing is joined.
        """
        texts = self.text_side(input_ids_BL, input_mask_BL)
        clips = self.clip_side(frames_BTCHW, frame_mask_BT)
        if self.gathers:
            texts, clips = (as_of_ranks(gather_batch(side), ranks) for side in (texts, clips))
            return contrastive_loss(self.score(texts, clips))
        parts = zip(_parts(texts, ranks), _parts(clips, ranks), strict=True)
        return torch.stack([contrastive_loss(self.score(*sides)) for sides in parts]).mean()

    def forward(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        ranks: int = 1,
    ) -> Tensor:
        """The loss: what a data-parallel wrapper calls."""
        return self.loss(input_ids_BL, input_mask_BL, frames_BTCHW, frame_mask_BT, ranks)

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the logit scale at most 100; call after every optimiser step."""
        self.clip.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def published_state(self) -> dict[str, Tensor]:
        """Weights under their published names."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}


class LooseModel(RetrievalModel):
    """A model that compares pooled vectors: a temporal module over frames, then masked mean pooling.

    meanP has no module; seqLSTM and seqTransf add their output to the raw frame features, without a final norm. Frame
    positions of seqLSTM are in the published checkpoints although nothing reads them.
    """

    def add_temporal_module(self) -> None:
        """Create the module that `head.sim_header` names, under its published parameter names."""
        width, header = self.config.embed_dim, self.head.sim_header
        if header in ("seqLSTM", "seqTransf"):
            self.frame_position_embeddings = nn.Embedding(self.config.context, width)
        if header == "seqTransf":
            self.transformerClip = Transformer(width, self.head.cross_layers, self.head.cross_heads, HEAD_EPS)
        if header == "seqLSTM":
            self.lstm_visual = nn.LSTM(width, width, batch_first=True)

    def temporal(self, features_BTD: Tensor, frame_mask_BT: Tensor) -> Tensor:
        """Frame features (B, T, D) after the temporal module; values of padded slots mean nothing.

        The mask is 1 for real frames, which come first. Raises ValueError for more slots than positions and, as the
        published seqLSTM, for a clip without any frame.
        """
        header = self.head.sim_header
        if header == "seqTransf":
            x_BTD = features_BTD + position_rows(self.frame_position_embeddings, features_BTD.shape[1])
            return torch.add(features_BTD, self.transformerClip(x_BTD, bias_BL=key_bias(frame_mask_BT)))
        if header == "seqLSTM":
            if bool((frame_mask_BT.sum(dim=1) == 0).any()):
                raise ValueError("seqLSTM was given a clip without any frame: leave it out, or decode it again")
            # One direction only: what stands after the last real frame cannot reach it, so nothing is packed.
            hidden_BTD, _ = self.lstm_visual(features_BTD)
            return torch.add(features_BTD, hidden_BTD)
        return features_BTD

    def pool(self, features_BTD: Tensor, frame_mask_BT: Tensor) -> Tensor:
        """Unit clip features (B, D). A clip without any real frame gives NaN, as published."""
        features_BTD = features_BTD.float()
        weight_BT1 = frame_mask_BT.unsqueeze(-1).to(features_BTD.dtype)
        count_B1 = weight_BT1.sum(dim=1).clamp(min=1.0)
        return unit((unit(features_BTD) * weight_BT1).sum(dim=1) / count_B1)


def unit(x: Tensor) -> Tensor:
    """Divide the last axis by its Euclidean norm; a zero vector gives NaN, as published."""
    return torch.div(x, x.norm(dim=-1, keepdim=True))


def position_rows(embedding: nn.Embedding, count: int) -> Tensor:
    """The first `count` positions, (count, D). Raises ValueError when there are fewer."""
    if count > embedding.num_embeddings:
        raise ValueError(f"{count} positions asked of {embedding.num_embeddings}: give fewer frame slots")
    return embedding.weight[:count]


@contextmanager
def full_precision(*sides: Features) -> Iterator[list[Features]]:
    """Float32 arithmetic on float32 features inside autocast: a comparison is cheap, and bfloat16 is too coarse for it.

    A cosine times a logit scale of 100 would be off by 0.2 and more, a softmax at temperature 0.01 by half its value.
    """
    device = sides[0][0].device.type
    if not torch.is_autocast_enabled(device):
        yield list(sides)
        return
    with torch.autocast(device, enabled=False):
        yield [tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in side) for side in sides]


def _parts(side: Features, count: int) -> list[Features]:
    """Rows of a side in `count` equal parts. Raises ValueError when they do not divide."""
    if len(side[0]) % count:
        raise ValueError(f"a batch of {len(side[0])} pairs cannot stand for {count} processes: choose a multiple")
    return list(zip(*(tensor.chunk(count) for tensor in side), strict=True))


def contrastive_loss(similarity_BB: Tensor) -> Tensor:
    """Mean of caption-to-clip and clip-to-caption cross entropy with the diagonal as targets."""
    similarity_BB = similarity_BB.float()
    target_B = torch.arange(len(similarity_BB), device=similarity_BB.device)
    return (F.cross_entropy(similarity_BB, target_B) + F.cross_entropy(similarity_BB.T, target_B)) / 2


def require_header(head: HeadConfig, allowed: tuple[str, ...], method: str) -> None:
    """Raise SvtaError when a model is asked for a temporal module it does not have."""
    if head.sim_header not in allowed:
        raise SvtaError(f"{method} has no sim_header {head.sim_header!r}: choose {', '.join(allowed)}")
