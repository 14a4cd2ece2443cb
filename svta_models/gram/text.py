"""GRAM's text encoder, which is its multimodal encoder too: BERT (Devlin et al. 2019) that may read a clip.

Shape letters: B texts, L tokens, K condition tokens of a clip, W width.
Unusual: one set of weights works in two ways. Without condition tokens it is plain BERT. With them, every layer attends
to the clip between its self-attention and its MLP, by weights that bert-base does not have. Published files call it a
decoder, but nothing is causal: every token sees every real token. The language-model head (`cls`) is in them too, its
weight shared with the word embeddings, and read by nothing here.
Written plainly: importing transformers' BERT takes each process some ten seconds, twice what importing torch does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.gram.config import BertConfig

PADDED = -1e4  # added to the attention scores of padding, as published


class _Projections(nn.Module):
    """Multi-head attention without its output projection."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width, self.heads, self.dropout = (
            config.hidden_size,
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
        )
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x_BLW: Tensor, read_BKW: Tensor, bias_B11K: Tensor | None) -> Tensor:
        query, key, value = (
            layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, tokens in ((self.query, x_BLW), (self.key, read_BKW), (self.value, read_BKW))
        )
        if len(key) != len(query):  # all texts read one clip, whose keys and values were computed once
            key, value = (tensor.expand(len(query), -1, -1, -1) for tensor in (key, value))
        bias = None if bias_B11K is None else bias_B11K.to(query.dtype)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        return mixed.transpose(1, 2).flatten(2)


class _Output(nn.Module):
    """Back to the width, then the residual connection and LayerNorm."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, changed: Tensor, x_BLW: Tensor) -> Tensor:
        out_BLW: Tensor = self.LayerNorm(self.dropout(self.dense(changed)) + x_BLW)
        return out_BLW


class _Attention(nn.Module):
    """Attention to the text itself, or to a clip; `self` is the published name of either's projections."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.add_module("self", _Projections(config))
        self.output = _Output(config, config.hidden_size)

    def forward(self, x_BLW: Tensor, read_BKW: Tensor, bias_B11K: Tensor | None) -> Tensor:
        out_BLW: Tensor = self.output(self.get_submodule("self")(x_BLW, read_BKW, bias_B11K), x_BLW)
        return out_BLW


class _Intermediate(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, x_BLW: Tensor) -> Tensor:
        return F.gelu(self.dense(x_BLW))


class _Layer(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention, self.crossattention = _Attention(config), _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _Output(config, config.intermediate_size)

    def forward(
        self, x_BLW: Tensor, bias_B11L: Tensor, condition_BKW: Tensor | None, condition_bias: Tensor | None
    ) -> Tensor:
        x_BLW = self.attention(x_BLW, x_BLW, bias_B11L)
        if condition_BKW is not None:
            x_BLW = self.crossattention(x_BLW, condition_BKW, condition_bias)
        out_BLW: Tensor = self.output(self.intermediate(x_BLW), x_BLW)
        return out_BLW


class _Embeddings(nn.Module):
    position_ids: Tensor

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width, positions = config.hidden_size, config.max_position_embeddings
        self.word_embeddings = nn.Embedding(config.vocab_size, width)
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.register_buffer("position_ids", torch.arange(positions)[None])  # in the published files

    def forward(self, input_ids_BL: Tensor) -> Tensor:
        places_1L = self.position_ids[:, : input_ids_BL.shape[1]]
        x_BLW = self.word_embeddings(input_ids_BL) + self.position_embeddings(places_1L)
        out_BLW: Tensor = self.dropout(self.LayerNorm(x_BLW + self.token_type_embeddings.weight[0]))
        return out_BLW


class _Layers(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Bert(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.embeddings, self.encoder = _Embeddings(config), _Layers(config)

    def forward(
        self, input_ids_BL: Tensor, bias_B11L: Tensor, condition_BKW: Tensor | None, condition_bias: Tensor | None
    ) -> Tensor:
        x_BLW: Tensor = self.embeddings(input_ids_BL)
        for layer in self.encoder.layer:
            x_BLW = layer(x_BLW, bias_B11L, condition_BKW, condition_bias)
        return x_BLW


class _WordHead(nn.Module):
    """The language-model head under its published names."""

    def __init__(self, config: BertConfig, words: nn.Embedding) -> None:
        super().__init__()
        self.predictions = nn.Module()
        self.predictions.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.predictions.transform = nn.Module()
        self.predictions.transform.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.predictions.transform.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.predictions.decoder = nn.Module()
        self.predictions.decoder.weight = words.weight
        self.predictions.decoder.bias = self.predictions.bias


class TextEncoder(nn.Module):
    """BERT with cross-attention under the published names (`bert.*`, `cls.*`)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = _Bert(config)
        self.cls = _WordHead(config, self.bert.embeddings.word_embeddings)

    @property
    def last_norm(self) -> nn.LayerNorm:
        """What the tokens leave through."""
        norm: nn.LayerNorm = self.bert.encoder.layer[-1].output.LayerNorm  # type: ignore[assignment,union-attr]
        return norm

    def forward(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        condition_BKW: Tensor | None = None,
        condition_mask_BK: Tensor | None = None,
    ) -> Tensor:
        """All tokens (B, L, W) of texts, read alone or with the condition tokens of a clip each.

        Masks are 1 for what is real; without a condition mask all condition tokens are (published). Condition tokens of
        one clip (1, K, W) are read by all texts.
        Raises ValueError for texts longer than the encoder's positions.
        """
        positions = self.bert.embeddings.position_ids.shape[1]
        if input_ids_BL.shape[1] > positions:
            raise ValueError(f"texts of {input_ids_BL.shape[1]} tokens, but this encoder has {positions} positions")
        condition_bias = None if condition_mask_BK is None else _bias(condition_mask_BK)
        tokens_BLW: Tensor = self.bert(input_ids_BL, _bias(input_mask_BL), condition_BKW, condition_bias)
        return tokens_BLW


def _bias(mask_BL: Tensor) -> Tensor:
    """What is added to the attention scores of every key: (B, 1, 1, L) float32."""
    return ((1.0 - mask_BL.float()) * PADDED)[:, None, None]
