"""GRAM's vision encoder: EVA-CLIP's transformer (Sun et al. 2023; EVA01-CLIP-g-14 as published), written plainly.

Shape letters: B frames, P tokens with the class token first, W width, C = 3 channels, H x W pixels in frames_BCHW.
Unusual: one fused projection whose bias has no part for the keys; exact GELU; a MLP 4.3637 times as wide; absolute
positions; a final LayerNorm on all tokens, which are all read. The tower's own `head` is in the published files and
read by nothing. Whole residual branches are dropped while training, more often the deeper (stochastic depth).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.gram.config import VisionConfig


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BPW: Tensor) -> Tensor:
        batch, tokens, width = x_BPW.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        fused = F.linear(x_BPW, self.qkv.weight, bias).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = fused.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out_BPW: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out_BPW


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _Block(nn.Module):
    def __init__(self, config: VisionConfig, drop: float) -> None:
        super().__init__()
        width = config.embed_dim
        self.norm1 = nn.LayerNorm(width, eps=config.layernorm_eps)
        self.attn = _Attention(width, config.num_heads)
        self.norm2 = nn.LayerNorm(width, eps=config.layernorm_eps)
        self.mlp = _Mlp(width, config.hidden)
        self.drop = drop

    def forward(self, x_BPW: Tensor) -> Tensor:
        x_BPW = x_BPW + self._kept(self.attn(self.norm1(x_BPW)))
        return x_BPW + self._kept(self.mlp(self.norm2(x_BPW)))

    def _kept(self, branch_BPW: Tensor) -> Tensor:
        """Drop the branch for some frames while training, and scale the others so that the mean stays."""
        if not (self.training and self.drop):
            return branch_BPW
        kept_B11 = torch.rand(len(branch_BPW), 1, 1, device=branch_BPW.device) >= self.drop
        return branch_BPW * kept_B11 / (1 - self.drop)


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)


class VisionTransformer(nn.Module):
    """Normalised frames (B, 3, image, image) to all their tokens (B, P, W), the class token first."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, depth = config.embed_dim, config.depth
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, config.tokens, width))
        self.patch_embed = _PatchEmbedding(width, config.patch)
        rates = [config.drop_path * number / max(1, depth - 1) for number in range(depth)]
        self.blocks = nn.ModuleList(_Block(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=config.layernorm_eps)
        self.head = nn.Linear(width, config.classes)

    def forward(self, frames_BCHW: Tensor) -> Tensor:
        patches_BPW = self.patch_embed.proj(frames_BCHW).flatten(2).transpose(1, 2)
        class_B1W = self.cls_token.to(patches_BPW.dtype).expand(len(patches_BPW), 1, -1)
        x_BPW = torch.cat([class_B1W, patches_BPW], dim=1) + self.pos_embed
        for block in self.blocks:
            x_BPW = block(x_BPW)
        tokens_BPW: Tensor = self.norm(x_BPW)
        return tokens_BPW


class VisionEncoder(nn.Module):
    """The tower under its published name, `visual`."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.visual = VisionTransformer(config)

    def forward(self, frames_BCHW: Tensor) -> Tensor:
        tokens_BPW: Tensor = self.visual(frames_BCHW)
        return tokens_BPW
