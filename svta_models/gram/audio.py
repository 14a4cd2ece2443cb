"""GRAM's audio encoder: BEATs (Chen et al. 2022), a transformer over 16 x 16 patches of a spectrogram.

Shape letters: B spectrograms, S frames of 10 ms, F mel bins, L tokens (time-major patches), W width, H heads,
d = W / H channels of a head.
Unusual: positions come twice, from a grouped convolution over the token sequence (weight-normalised along its kernel)
and from a bucketed relative bias that layer 0 owns and all layers share; each layer scales that bias per query by a
gate read from the query itself. Layers are post-norm with the residual scaled by (2 x layers)^(1/4).
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.gram.config import AudioConfig

_GATE_CHANNELS = 8  # two gates, each the sum of four channels


def relative_buckets(length: int, buckets: int, max_distance: int) -> Tensor:
    """Bucket of every (query, key) pair of tokens (L, L): half of them for each direction.

    The first half of a direction's buckets hold one distance each, the others grow logarithmically up to
    `max_distance` (Raffel et al. 2020).
    """
    place_L = torch.arange(length)
    offset_LL = place_L[None, :] - place_L[:, None]
    each, distance_LL = buckets // 2, offset_LL.abs()
    exact = each // 2
    growth = torch.log(distance_LL.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    far_LL = (exact + (growth * (each - exact)).long()).clamp(max=each - 1)
    return (offset_LL > 0).long() * each + torch.where(distance_LL < exact, distance_LL, far_LL)


class _Attention(nn.Module):
    """Self-attention whose bias (H, L, L) is given; `relative_attention_bias` is the table it was read from."""

    def __init__(self, config: AudioConfig, table: nn.Embedding) -> None:
        super().__init__()
        width, self.heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.dropout = config.attention_dropout
        self.k_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.grep_linear = nn.Linear(width // self.heads, _GATE_CHANNELS)
        self.grep_a = nn.Parameter(torch.ones(1, self.heads, 1, 1))
        self.relative_attention_bias = table

    def forward(self, x_BLW: Tensor, bias_HLL: Tensor) -> Tensor:
        batch, length, width = x_BLW.shape
        query, key, value = (
            layer(x_BLW).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        bias_BHLL = (self._gate(query) * bias_HLL).to(query.dtype)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias_BHLL, dropout_p=dropout)
        out_BLW: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out_BLW

    def _gate(self, query_BHLd: Tensor) -> Tensor:
        """How strongly each query heeds the positions, (B, H, L, 1), between 1 and 2 + grep_a."""
        gates = self.grep_linear(query_BHLd).unflatten(-1, (2, -1)).sum(dim=-1).sigmoid()
        update, reset = gates.chunk(2, dim=-1)
        gate_BHL1: Tensor = update * (reset * self.grep_a - 1) + 2
        return gate_BHL1


class _Layer(nn.Module):
    def __init__(self, config: AudioConfig, table: nn.Embedding) -> None:
        super().__init__()
        width = config.encoder_embed_dim
        self.self_attn = _Attention(config, table)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.alpha = (2 * config.encoder_layers) ** 0.25
        self.dropout = config.dropout

    def forward(self, x_BLW: Tensor, bias_HLL: Tensor) -> Tensor:
        mixed = F.dropout(self.self_attn(x_BLW, bias_HLL), self.dropout, self.training)
        x_BLW = self.self_attn_layer_norm(x_BLW * self.alpha + mixed)
        changed = F.dropout(self.fc2(F.gelu(self.fc1(x_BLW))), self.dropout, self.training)
        out_BLW: Tensor = self.final_layer_norm(x_BLW * self.alpha + changed)
        return out_BLW


class _PositionConv(nn.Module):
    """The convolution that carries positions: kernel = weight_g x weight_v / |weight_v| at each kernel tap."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        width, kernel, self.groups = config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups
        self.weight_g = nn.Parameter(torch.ones(1, 1, kernel))
        self.weight_v = nn.Parameter(torch.empty(width, width // self.groups, kernel))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x_BLW: Tensor) -> Tensor:
        kernel = self.weight_v.shape[2]
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        out_BWL = F.conv1d(x_BLW.transpose(1, 2), weight, self.bias, padding=kernel // 2, groups=self.groups)
        # An even kernel with this padding gives one token more than went in.
        return F.gelu(out_BWL[..., : x_BLW.shape[1]]).transpose(1, 2)


class _Encoder(nn.Module):
    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.pos_conv = nn.ModuleList([_PositionConv(config)])
        table = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        self.layers = nn.ModuleList(_Layer(config, table) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)

    def forward(self, x_BLW: Tensor) -> Tensor:
        config = self.config
        x_BLW = self.layer_norm(x_BLW + self.pos_conv[0](x_BLW))
        x_BLW = F.dropout(x_BLW, config.dropout, self.training)
        buckets_LL = relative_buckets(x_BLW.shape[1], config.num_buckets, config.max_distance).to(x_BLW.device)
        table = cast(_Layer, self.layers[0]).self_attn.relative_attention_bias
        bias_HLL = table(buckets_LL).permute(2, 0, 1)
        for layer in self.layers:
            x_BLW = layer(x_BLW, bias_HLL)
        return x_BLW


class AudioEncoder(nn.Module):
    """Normalised spectrograms (B, S, F) to tokens (B, L, W), L = S / 16 x F / 16, all bins of a moment together."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        patch = config.input_patch_size
        self.post_extract_proj = nn.Linear(config.embed_dim, config.encoder_embed_dim)
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, patch, stride=patch, bias=False)
        self.encoder = _Encoder(config)
        self.layer_norm = nn.LayerNorm(config.embed_dim)

    def forward(self, spectrogram_BSF: Tensor) -> Tensor:
        patches_BLW = self.patch_embedding(spectrogram_BSF[:, None]).flatten(2).transpose(1, 2)
        tokens_BLW: Tensor = self.encoder(self.post_extract_proj(self.layer_norm(patches_BLW)))
        return tokens_BLW
