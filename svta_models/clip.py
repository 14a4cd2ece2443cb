"""The two CLIP towers, with the parameter names OpenAI published, so that public weights load unchanged.

Shape letters: B texts or images, L tokens, P patch tokens with the class token first, W tower width, D embedding,
C channels, H height, W image width where it follows H.
Unusual about CLIP: pre-norm blocks with x*sigmoid(1.702x) as activation; no dropout; the vision tower starts with a
bias-free convolution and an extra LayerNorm; the text tower is causal and its feature is read at the token with the
largest id (the end token), without any padding mask.
"""

import math

import torch
from torch import Tensor, nn

from svta_models.presets import HEAD_WIDTH, ClipConfig
from svta_models.transformer import LayerNorm, Transformer


class VisionTransformer(nn.Module):
    """Image tower: (B, 3, image, image) normalised pixels to (B, D), the projected class token."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width, patches = config.vision_width, (config.image // config.patch) ** 2
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(patches + 1, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(width, config.vision_layers, width // HEAD_WIDTH)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        patches_BPW = self.conv1(image_BCHW).flatten(2).transpose(1, 2)
        class_B1W = self.class_embedding.to(patches_BPW.dtype).expand(len(image_BCHW), 1, -1)
        x_BPW = torch.cat([class_B1W, patches_BPW], dim=1) + self.positional_embedding
        class_BW = self.transformer.first_token(self.ln_pre(x_BPW))
        image_BD: Tensor = self.ln_post(class_BW) @ self.proj
        return image_BD


class Clip(nn.Module):
    """Both towers, the shared embedding space and the learned logit scale (stored as a logarithm)."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisionTransformer(config)
        self.transformer = Transformer(config.text_width, config.text_layers, config.text_width // HEAD_WIDTH)
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
        """Token ids to projected features of every position (B, L, D), not L2-normalised.

        Raises ValueError for captions longer than the context.
        """
        return self._text_out(self.transformer(self._embedded(input_ids_BL), causal=True))

    def encode_text(self, input_ids_BL: Tensor) -> Tensor:
        """Token ids to the caption feature (B, D): the position of the largest id, which is the end token.

        The tower is causal, so what follows the last end token of the batch is left out. Raises ValueError as above.
        """
        x_BLW, end_B = self._embedded(input_ids_BL), input_ids_BL.argmax(dim=1)
        return self._text_out(self.transformer.token_at(x_BLW[:, : int(end_B.max()) + 1], end_B))

    def _embedded(self, input_ids_BL: Tensor) -> Tensor:
        length = input_ids_BL.shape[1]
        if length > self.config.context:
            raise ValueError(f"captions of {length} tokens, but this model's context is {self.config.context}")
        return torch.add(self.token_embedding(input_ids_BL), self.positional_embedding[:length])

    def _text_out(self, x: Tensor) -> Tensor:
        return torch.matmul(self.ln_final(x), self.text_projection)


def at_end_token(tokens_BLD: Tensor, input_ids_BL: Tensor) -> Tensor:
    """The caption feature (B, D) among the features of all positions."""
    return tokens_BLD[torch.arange(len(tokens_BLD), device=tokens_BLD.device), input_ids_BL.argmax(dim=1)]
