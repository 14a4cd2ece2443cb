"""The two CLIP towers, with the parameter names OpenAI published, so that public weights load unchanged.

Shape letters: B texts or images, L tokens, P patch tokens with the class token first, W tower width, D embedding,
C channels, H height, W image width where it follows H.
Unusual about CLIP: pre-norm blocks with x*sigmoid(1.702x) as activation; no dropout; the vision tower starts with a
bias-free convolution and an extra LayerNorm; the text tower is causal and its feature is read at the token with the
largest id (the end token), without any padding mask.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.presets import HEAD_WIDTH, ClipConfig


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

    def forward(self, x_BLW: Tensor, causal: bool) -> Tensor:
        batch, length, width = x_BLW.shape
        fused = F.linear(x_BLW, self.in_proj_weight, self.in_proj_bias)
        query, key, value = fused.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        out_BLW: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out_BLW


class Mlp(nn.Module):
    """Four-fold MLP with CLIP's quick GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.c_fc(x)
        out: Tensor = self.c_proj(hidden * torch.sigmoid(1.702 * hidden))
        return out


class ResidualAttentionBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = LayerNorm(width)
        self.mlp = Mlp(width)
        self.ln_2 = LayerNorm(width)

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

    def forward(self, x_BLW: Tensor, causal: bool) -> Tensor:
        x_BLW = x_BLW + self.attn(self.ln_1(x_BLW), causal)
        return torch.add(x_BLW, self.mlp(self.ln_2(x_BLW)))


class Transformer(nn.Module):
    """A stack of blocks, 64 channels a head."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualAttentionBlock(width, width // HEAD_WIDTH) for _ in range(layers))

    def initialise(self) -> None:
        """Draw every block's weights."""
        for block in self.resblocks:
            cast(ResidualAttentionBlock, block).initialise(depth=len(self.resblocks))

    def forward(self, x_BLW: Tensor, causal: bool = False) -> Tensor:
        for block in self.resblocks:
            x_BLW = block(x_BLW, causal)
        return x_BLW


class VisionTransformer(nn.Module):
    """Image tower: (B, 3, image, image) normalised pixels to (B, D), the projected class token."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width, patches = config.vision_width, (config.image // config.patch) ** 2
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(patches + 1, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, config.vision_layers)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        patches_BPW = self.conv1(image_BCHW).flatten(2).transpose(1, 2)
        class_B1W = self.class_embedding.to(patches_BPW.dtype).expand(len(image_BCHW), 1, -1)
        x_BPW = torch.cat([class_B1W, patches_BPW], dim=1) + self.positional_embedding
        x_BPW = self.transformer(self.ln_pre(x_BPW))
        image_BD: Tensor = self.ln_post(x_BPW[:, 0]) @ self.proj
        return image_BD


class Clip(nn.Module):
    """Both towers, the shared embedding space and the learned logit scale (stored as a logarithm)."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisionTransformer(config)
        self.transformer = Transformer(config.text_width, config.text_layers)
        self.token_embedding = nn.Embedding(config.vocab, config.text_width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, config.text_width))
        self.ln_final = LayerNorm(config.text_width)
        self.text_projection = nn.Parameter(torch.empty(config.text_width, config.embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw the weights as the CLIP paper's code does (Radford et al. 2021): deviations shrink with depth."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=self.config.text_width**-0.5)
        scale = self.config.vision_width**-0.5
        for tensor in (self.visual.class_embedding, self.visual.positional_embedding, self.visual.proj):
            nn.init.normal_(tensor, std=scale)
        self.transformer.initialise()
        self.visual.transformer.initialise()

    def encode_image(self, image_BCHW: Tensor) -> Tensor:
        """Normalised pixels to features (B, D), not L2-normalised."""
        image_BD: Tensor = self.visual(image_BCHW)
        return image_BD

    def encode_text_tokens(self, input_ids_BL: Tensor) -> Tensor:
        """Token ids to projected features of every position (B, L, D), not L2-normalised."""
        length = input_ids_BL.shape[1]
        if length > self.config.context:
            raise ValueError(f"captions of {length} tokens, but this model's context is {self.config.context}")
        x_BLW = self.token_embedding(input_ids_BL) + self.positional_embedding[:length]
        tokens_BLD: Tensor = self.ln_final(self.transformer(x_BLW, causal=True)) @ self.text_projection
        return tokens_BLD

    def encode_text(self, input_ids_BL: Tensor) -> Tensor:
        """Token ids to the caption feature (B, D): the position of the largest id, which is the end token."""
        tokens_BLD = self.encode_text_tokens(input_ids_BL)
        return tokens_BLD[torch.arange(len(tokens_BLD), device=tokens_BLD.device), input_ids_BL.argmax(dim=1)]
