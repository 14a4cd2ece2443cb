"""Pre-norm transformer blocks as CLIP has them, shared by both towers and by the heads added on top.

Shape letters: B sequences, L tokens, W width. Attention masks: `causal` for the text tower; `bias_BL` for the heads, a
number added to every attention score of a key (0 = seen, -1e6 = padded, so its weight is exactly 0 in float32).
Parameter names are those of the published checkpoints (`attn.in_proj_weight`, `mlp.c_fc`, ...).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PADDED = -1e6  # added to the attention scores of padded keys, as published


class LayerNorm(nn.LayerNorm):
    """LayerNorm computed in float32 whatever the input, as CLIP does under reduced precision."""

    def forward(self, input: Tensor) -> Tensor:
        normed = F.layer_norm(input.float(), self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.to(input.dtype)


class Attention(nn.Module):
    """Multi-head self-attention with the fused `in_proj` and `out_proj` names of the published checkpoints."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def project(self, x_BLW: Tensor) -> Tensor:
        """Queries, keys and values of every token: (3, B, heads, L, W / heads)."""
        batch, length, width = x_BLW.shape
        fused = F.linear(x_BLW, self.in_proj_weight, self.in_proj_bias)
        return fused.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)

    def mix(self, query: Tensor, key: Tensor, value: Tensor, causal: bool, bias_BL: Tensor | None) -> Tensor:
        """Attend and project back: (B, queries, W)."""
        batch, heads, length, part = query.shape
        mask = None if bias_BL is None else bias_BL[:, None, None, :].to(query.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        out_BLW: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, heads * part))
        return out_BLW

    def attend_one(self, asking_BW: Tensor, x_BLW: Tensor, bias_BL: Tensor | None) -> Tensor:
        """What one token of each sequence attends to, (B, W); queries of the others are not computed."""
        batch, length, width = x_BLW.shape
        part = width // self.heads
        weight, bias = self.in_proj_weight, self.in_proj_bias
        query = F.linear(asking_BW, weight[:width], bias[:width]).view(batch, self.heads, 1, part)
        fused = F.linear(x_BLW, weight[width:], bias[width:]).view(batch, length, 2, self.heads, part)
        key, value = fused.permute(2, 0, 3, 1, 4)
        return self.mix(query, key, value, False, bias_BL)[:, 0]

    def attend_first(self, x_BLW: Tensor, bias_BL: Tensor) -> Tensor:
        """`attend_one` for token 0, without projecting the other tokens: for many pairs of few tokens, in float32.

        The key projection is applied to the one query instead of to L keys (its bias adds the same to all scores and
        drops out), and the value projection to the weighted mean instead of to L values. H heads of d channels.
        """
        width = x_BLW.shape[2]
        part = width // self.heads
        query_HdW, key_HdW, value_HdW = self.in_proj_weight.view(3, self.heads, part, width)
        query_Hd, _, value_Hd = self.in_proj_bias.view(3, self.heads, part)
        asked_BHd = torch.einsum("bw,hdw->bhd", x_BLW[:, 0], query_HdW) + query_Hd
        asked_BHW = torch.einsum("bhd,hdw->bhw", asked_BHd, key_HdW)
        weight_BHL = torch.softmax(asked_BHW @ x_BLW.transpose(1, 2) * part**-0.5 + bias_BL[:, None], dim=-1)
        mixed_BHd = torch.einsum("bhw,hdw->bhd", weight_BHL @ x_BLW, value_HdW) + value_Hd
        out_BW: Tensor = self.out_proj(mixed_BHd.flatten(1))
        return out_BW

    def forward(self, x_BLW: Tensor, causal: bool, bias_BL: Tensor | None = None) -> Tensor:
        query, key, value = self.project(x_BLW)
        return self.mix(query, key, value, causal, bias_BL)


class Mlp(nn.Module):
    """Four-fold MLP with CLIP's quick GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(quick_gelu(self.c_fc(x)))
        return out


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), by SiLU(x) = x * sigmoid(x): one pass over memory, forward and backward, instead of two."""
    return F.silu(1.702 * x) / 1.702


class ResidualAttentionBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = LayerNorm(width, eps=eps)
        self.mlp = Mlp(width)
        self.ln_2 = LayerNorm(width, eps=eps)

    @torch.no_grad()
    def initialise(self, depth: int) -> None:
        """Draw the weights for a tower of `depth` blocks: what enters the residual stream shrinks with depth."""
        width = self.attn.out_proj.in_features
        residual_std = width**-0.5 * (2 * depth) ** -0.5
        nn.init.normal_(self.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(self.attn.out_proj.weight, std=residual_std)
        nn.init.normal_(self.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.mlp.c_proj.weight, std=residual_std)
        for layer in (self.attn.out_proj, self.mlp.c_fc, self.mlp.c_proj):
            nn.init.zeros_(layer.bias)

    def finish(self, x_BLW: Tensor, mixed_BLW: Tensor) -> Tensor:
        """What follows attention: both residual connections and the MLP."""
        x_BLW = x_BLW + mixed_BLW
        return torch.add(x_BLW, self.mlp(self.ln_2(x_BLW)))

    def forward(self, x_BLW: Tensor, causal: bool = False, bias_BL: Tensor | None = None) -> Tensor:
        return self.finish(x_BLW, self.attn(self.ln_1(x_BLW), causal, bias_BL))

    def forward_one(self, x_BLW: Tensor, at_B: Tensor, bias_BL: Tensor | None) -> Tensor:
        """The block's output at token `at_B` of each sequence, (B, W): the others are only attended to."""
        rows_B, normed_BLW = torch.arange(len(at_B), device=at_B.device), self.ln_1(x_BLW)
        mixed_BW = self.attn.attend_one(normed_BLW[rows_B, at_B], normed_BLW, bias_BL)
        return self.finish(x_BLW[rows_B, at_B], mixed_BW)

    def forward_first(self, x_BLW: Tensor, bias_BL: Tensor) -> Tensor:
        """The block's output at token 0 by `Attention.attend_first`, (B, W)."""
        return self.finish(x_BLW[:, 0], self.attn.attend_first(self.ln_1(x_BLW), bias_BL))


class Transformer(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, layers: int, heads: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualAttentionBlock(width, heads, eps) for _ in range(layers))

    @property
    def blocks(self) -> list[ResidualAttentionBlock]:
        """The blocks, first to last."""
        return [cast(ResidualAttentionBlock, block) for block in self.resblocks]

    def initialise(self) -> None:
        """Draw every block's weights."""
        for block in self.blocks:
            block.initialise(depth=len(self.resblocks))

    def forward(self, x_BLW: Tensor, causal: bool = False, bias_BL: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x_BLW = block(x_BLW, causal, bias_BL)
        return x_BLW

    def first_token(self, x_BLW: Tensor, bias_BL: Tensor | None = None) -> Tensor:
        """The output at the first token of each sequence, (B, W), the same to rounding.

        Where nothing reads the last block's output at the others, it need not be computed.
        """
        *before, last = self.blocks
        for block in before:
            x_BLW = block(x_BLW, bias_BL=bias_BL)
        return last.forward_one(x_BLW, torch.zeros(len(x_BLW), dtype=torch.long, device=x_BLW.device), bias_BL)

    def token_at(self, x_BLW: Tensor, at_B: Tensor) -> Tensor:
        """Likewise the causal output at one token of each sequence, (B, W)."""
        *before, last = self.blocks
        for block in before:
            x_BLW = block(x_BLW, causal=True)
        later_BL = torch.arange(x_BLW.shape[1], device=at_B.device) > at_B[:, None]
        return last.forward_one(x_BLW, at_B, later_BL.float() * PADDED)


def key_bias(mask_BL: Tensor) -> Tensor:
    """What `bias_BL` wants, from a mask with 1 = real token: (B, L) float32."""
    return (1.0 - mask_BL.float()) * PADDED
