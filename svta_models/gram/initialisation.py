"""Starting values of GRAM where nothing is loaded: its encoders' own rules, drawn once at construction."""

import math

import torch
from torch import Tensor, nn

_STD = 0.02
_CONE = 1.0  # of a feature: how long its common part is beside its own
_RESIDUAL = ("attn.proj.weight", "mlp.fc2.weight")
_POSITIONS = ("cls_token", "pos_embed", "frame_embedding", "type_embeddings")
_SILENCE = "post_extract_proj.bias"  # all that an empty spectrogram leaves: at 0 silence would have no direction at all


@torch.no_grad()
def initialise(model: nn.Module) -> None:
    """Draw weights, biases 0, LayerNorm the identity; a model without values (meta) is left alone.

    Matrices keep the size of what passes through them, N(0, 1 / inputs): with BERT's own 0.02 a narrow tower would
    give the same vector for every caption. What enters the vision tower's residual stream shrinks with depth; the
    audio tower's positional kernel is drawn so that a token keeps its size, and its input bias so that an empty
    spectrogram is a vector like any other.
    """
    if any(tensor.is_meta for tensor in model.parameters()):
        return
    for module in model.modules():
        if isinstance(module, (nn.Embedding, nn.Conv2d)):
            nn.init.normal_(module.weight, std=_STD)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
        bias = getattr(module, "bias", None)
        if isinstance(module, (nn.Linear, nn.Conv2d)) and isinstance(bias, Tensor):
            nn.init.zeros_(bias)
    for name, tensor in model.named_parameters():
        if name.endswith((*_POSITIONS, _SILENCE)):
            nn.init.normal_(tensor, std=_STD)
        elif name.startswith("vision_encoder.") and name.endswith(_RESIDUAL):
            tensor.div_(math.sqrt(2 * (1 + _block(name))))
        elif name.endswith("pos_conv.0.weight_v"):
            width, _, kernel = tensor.shape
            nn.init.normal_(tensor, std=math.sqrt(4 / (kernel * width)))
            model.get_parameter(name.replace("weight_v", "weight_g")).copy_(tensor.norm(dim=(0, 1), keepdim=True))


@torch.no_grad()
def point_alike(*sides: tuple[nn.LayerNorm, nn.Linear]) -> None:
    """Let features of several encoders begin in one cone: around right angles the volume is flat and teaches nothing.

    A side is an encoder's last norm and its bias-free head. The norm's bias is drawn, and the head maps that bias onto
    one direction that all sides share. Without values (meta) nothing is done.
    """
    if any(head.weight.is_meta for _, head in sides):
        return
    common_D = nn.functional.normalize(torch.randn(len(sides[0][1].weight)), dim=0) * math.sqrt(len(sides[0][1].weight))
    for norm, head in sides:
        nn.init.normal_(norm.bias)
        head.weight.add_(torch.outer(_CONE * common_D, norm.bias / norm.bias.square().sum()))


def _block(name: str) -> int:
    return int(name.split(".blocks.")[1].partition(".")[0])
