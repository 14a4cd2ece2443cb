"""CLIP4Clip (Luo et al. 2021): three loose heads that compare pooled vectors, and the tight one that reads both sides.

Sections 3.3 and 3.4 in the form the published code has them. Shape letters: B pairs, N captions, M clips, P pairs of a
block, T frame slots, L tokens, S = 1 + T tokens of a pair, C = 3 channels, H x W pixels, D embedding.
Unusual: each frame is L2-normalised before the mean and the mean is normalised again; padded frames are excluded;
loose similarity carries exp(logit_scale); the loss uses the whole batch as negatives in both directions. tightTransf
normalises nothing, has no logit scale and never joins the batches of several processes.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.presets import ClipConfig, HeadConfig
from svta_models.retrieval import (
    HEAD_EPS,
    Features,
    LooseModel,
    RetrievalModel,
    full_precision,
    position_rows,
    require_header,
    unit,
)
from svta_models.transformer import LayerNorm, Transformer, key_bias, quick_gelu

LOOSE_HEADERS = ("meanP", "seqLSTM", "seqTransf")
TIGHT_HEADER = "tightTransf"


class Clip4Clip(LooseModel):
    """CLIP4Clip with a loose head: `head.sim_header` is meanP, seqLSTM or seqTransf.

    Sides: raw caption features (N, D); unit clip features (M, D).
    """

    def __init__(self, config: ClipConfig, head: HeadConfig) -> None:
        require_header(head, LOOSE_HEADERS, "CLIP4Clip")
        super().__init__(config, head)
        self.method = f"clip4clip-{head.sim_header}"
        self.add_temporal_module()
        self.initialise_head()

    def text_side(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Features:
        return (self.encode_text(input_ids_BL, input_mask_BL),)

    def clip_side(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor) -> Features:
        features_BTD = self.temporal(self.encode_frames(frames_BTCHW), frame_mask_BT)
        return (self.pool(features_BTD, frame_mask_BT),)

    def score(self, texts: Features, clips: Features) -> Tensor:
        with full_precision(texts, clips) as ((text_ND,), (clip_MD,)):
            return torch.mul(self.clip.logit_scale.exp(), unit(text_ND) @ clip_MD.T)

    @property
    def cells_per_pair(self) -> int:
        return 1


class Clip4ClipTight(RetrievalModel):
    """CLIP4Clip with tightTransf: a transformer reads [caption; frames] of every pair and says how well they fit.

    Sides: raw caption features (N, D); raw frame features (M, T, D) and their mask (M, T). A pair costs a whole forward
    pass, so `score` does once per caption or clip what the first block computes of one token alone, and in the last
    block computes nothing for the tokens whose output is not read; values are the same to rounding.
    """

    gathers = False

    def __init__(self, config: ClipConfig, head: HeadConfig) -> None:
        require_header(head, (TIGHT_HEADER,), "CLIP4Clip-tight")
        super().__init__(config, head)
        self.method = f"clip4clip-{TIGHT_HEADER}"
        self.cross = _Cross(config, head)
        self.similarity_dense = nn.Linear(config.embed_dim, 1)
        self.initialise_head()

    def text_side(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Features:
        return (self.encode_text(input_ids_BL, input_mask_BL),)

    def clip_side(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor) -> Features:
        return self.encode_frames(frames_BTCHW), frame_mask_BT

    def score(self, texts: Features, clips: Features) -> Tensor:
        (text_ND,), (frames_MTD, mask_MT) = texts, clips
        # Dropout is drawn for every pair anew, so while training nothing can be shared between pairs.
        cross = self.cross.pairs if self.training else self.cross.pairs_shared
        pooled_PD = self.cross.pooler(cross(text_ND, frames_MTD, mask_MT))
        return cast(Tensor, self.similarity_dense(pooled_PD)).view(len(text_ND), len(frames_MTD))

    @property
    def cells_per_pair(self) -> int:
        return 8 * (1 + self.head.max_frames) * self.config.embed_dim  # the MLP's four-fold width, twice


class _Cross(nn.Module):
    """The cross transformer with its positions and pooler, under the published names."""

    def __init__(self, config: ClipConfig, head: HeadConfig) -> None:
        super().__init__()
        self.embeddings = _Positions(config)
        self.transformer = Transformer(config.embed_dim, head.cross_layers, head.cross_heads, HEAD_EPS)
        self.pooler = _Pooler(config.embed_dim)
        self.dropout = head.dropout

    def _placed(self, text_ND: Tensor, frames_MTD: Tensor) -> tuple[Tensor, Tensor]:
        """Captions (N, 1, D) and frames (M, T, D) with their positions added: the caption stands first."""
        positions_SD = position_rows(self.embeddings.position_embeddings, 1 + frames_MTD.shape[1])
        return text_ND[:, None] + positions_SD[:1], frames_MTD + positions_SD[1:]

    def pairs(self, text_ND: Tensor, frames_MTD: Tensor, mask_MT: Tensor) -> Tensor:
        """Token 0 of every pair (N * M, D), each pair computed alone."""
        first_N1D, rest_MTD = self._placed(text_ND, frames_MTD)
        x_PSD = F.dropout(_pair(first_N1D, rest_MTD), self.dropout, self.training)
        return self.transformer.first_token(x_PSD, bias_BL=_pair_bias(mask_MT, len(text_ND)))

    def pairs_shared(self, text_ND: Tensor, frames_MTD: Tensor, mask_MT: Tensor) -> Tensor:
        """The same without what pairs have in common: see `Clip4ClipTight`."""
        # Padded frames have weight 0 as keys and are never read: slots that no clip of the block fills are left out.
        slots = max(1, int((mask_MT.sum(dim=0) > 0).nonzero().max() + 1)) if bool(mask_MT.any()) else 1
        frames_MTD, mask_MT = frames_MTD[:, :slots], mask_MT[:, :slots]
        sides = self._placed(text_ND, frames_MTD)
        bias_PS = _pair_bias(mask_MT, len(text_ND))
        blocks = self.transformer.blocks
        if len(blocks) == 1:
            return blocks[0].forward_first(_pair(*sides), bias_PS)
        first = blocks[0]
        text_parts, frame_parts = (first.attn.project(first.ln_1(side)) for side in sides)
        query, key, value = (
            _pair(text_part.transpose(1, 2), frame_part.transpose(1, 2)).transpose(1, 2)
            for text_part, frame_part in zip(text_parts, frame_parts, strict=True)
        )
        x_PSD = first.finish(_pair(*sides), first.attn.mix(query, key, value, False, bias_PS))
        for block in blocks[1:-1]:
            x_PSD = block(x_PSD, bias_BL=bias_PS)
        return blocks[-1].forward_first(x_PSD, bias_PS)


class _Positions(nn.Module):
    """One position per token of a pair; published type embeddings do not exist."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(config.context, config.embed_dim)


class _Pooler(nn.Module):
    """What is read from token 0: LayerNorm, a linear layer, quick GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_pool = LayerNorm(width, eps=HEAD_EPS)
        self.dense = nn.Linear(width, width)

    def forward(self, x_PD: Tensor) -> Tensor:
        return quick_gelu(self.dense(self.ln_pool(x_PD)))


def _pair(text_N1: Tensor, frames_MT: Tensor) -> Tensor:
    """Every caption's token before every clip's: (N, 1, ...) and (M, T, ...) to (N * M, 1 + T, ...)."""
    texts, clips = len(text_N1), len(frames_MT)
    left = text_N1[:, None].expand(-1, clips, *text_N1.shape[1:])
    right = frames_MT[None].expand(texts, *frames_MT.shape)
    return torch.cat([left, right], dim=2).flatten(0, 1)


def _pair_bias(mask_MT: Tensor, texts: int) -> Tensor:
    """The key bias of every pair (N * M, 1 + T): the caption is always seen."""
    bias_MS = F.pad(key_bias(mask_MT), (1, 0))
    return bias_MS.repeat(texts, 1)
