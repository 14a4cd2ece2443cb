"""Starting values of what a retrieval model adds to CLIP, by the published rules.

Linear and embedding weights are drawn from N(0, 0.02) and biases are zero, LayerNorm starts as the identity, the LSTM
keeps PyTorch's own; then the added transformer takes the first blocks of the *text* tower with their LayerNorms, frame
positions take the text positions, and X-CLIP's weight matrices are identities. Only `fresh` values are random.
Source: the initialisation maps recorded from the published code (tests/models/goldens, `initialisation`).
"""

import re

import torch
from torch import Tensor, nn

from svta_models.errors import SvtaError
from svta_models.transformer import Attention, LayerNorm

CLIP_PREFIX = "clip."
IDENTITY, FRESH = "identity", "fresh"
_BLOCK = re.compile(r"^(?:transformerClip|cross\.transformer)\.resblocks\.(\d+)\.(.+)$")
_POSITIONS = ("frame_position_embeddings.weight", "cross.embeddings.position_embeddings.weight")
_IDENTITIES = re.compile(r"^(?:global_mat|local_mat|(?:word|frame)_(?:logit|mat))_weight2?$")
_STD = 0.02


def head_sources(model: nn.Module) -> dict[str, str]:
    """Where every parameter outside CLIP starts: the CLIP parameter that is copied, `identity` or `fresh`."""
    names = set(model.state_dict())
    return {name: _source(name, names) for name in model.state_dict() if not name.startswith(CLIP_PREFIX)}


def _source(name: str, names: set[str]) -> str:
    if name in _POSITIONS:
        return f"{CLIP_PREFIX}positional_embedding"
    if _IDENTITIES.match(name):
        return IDENTITY
    block = _BLOCK.match(name)
    copied = f"{CLIP_PREFIX}transformer.resblocks.{block[1]}.{block[2]}" if block else ""
    # A text tower with fewer blocks than the added transformer leaves the rest as drawn.
    return copied if copied in names else FRESH


@torch.no_grad()
def initialise_head(model: nn.Module) -> None:
    """Give everything outside `clip.*` its starting value. Raises SvtaError when CLIP's text tower is too wide."""
    for name, module in model.named_modules():
        if not f"{name}.".startswith(CLIP_PREFIX):
            _draw(module)
    state = model.state_dict()
    for name, source in head_sources(model).items():
        if source == IDENTITY:
            nn.init.eye_(state[name])
        elif source != FRESH:
            _copy(state[name], state[source], name, source)


def _draw(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    if isinstance(module, Attention):
        nn.init.xavier_uniform_(module.in_proj_weight)
        nn.init.zeros_(module.in_proj_bias)
    if isinstance(module, nn.LSTM):
        module.reset_parameters()


def _copy(target: Tensor, source: Tensor, name: str, source_name: str) -> None:
    if target.shape != source.shape:
        raise SvtaError(
            f"{name} {tuple(target.shape)} cannot start from {source_name} {tuple(source.shape)}: this model needs a "
            "text tower as wide as the embedding"
        )
    target.copy_(source)
