"""The published optimiser of CLIP4Clip and X-CLIP: BertAdam with its groups, schedule, double clipping and freezing.

A training step is `published_step`: clip the gradient of the whole model to norm 1, let the optimiser clip every
tensor to norm 1 again and step, clamp the logit scale. What surprises: there is no bias correction; the first step has
learning rate 0; after warm-up the rate jumps to 0.5 (1 + cos(pi x)), which counts from the very first step; weight
decay spares biases only, so LayerNorm weights, embeddings and the logit scale are decayed; "clip." is matched with its
case, so the added `transformerClip.*` learns at the full rate.
Source: the published training code; reference steps in tests/models/goldens (`optimizer`, `opt/*`).
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from svta_models.retrieval import RetrievalModel

LEARNING_RATE, CLIP_FACTOR = 1e-4, 1e-3  # `lr` of everything new and `coef_lr` of CLIP's own parameters
WEIGHT_DECAY, WARMUP, MAX_GRAD_NORM = 0.2, 0.1, 1.0
_OUTSIDE_BLOCKS_TRAINED = re.compile(
    r"^clip\.(?:ln_final\.|text_projection$|logit_scale$|visual\.ln_post\.|visual\.proj$)"
)
_BLOCK = re.compile(r"^clip\.(?:visual\.)?transformer\.resblocks\.(\d+)\.")


def warmup_cosine(progress: float, warmup: float) -> float:
    """Share of the learning rate at `progress` (0..1) of the whole training."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1.0 + math.cos(math.pi * progress))


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction, weight decay inside the step, gradients clipped per tensor.

    t_total: steps of the whole training, -1 for a constant rate. State names (`step`, `next_m`, `next_v`) are those of
    published `pytorch_opt.bin` files. Parameters without gradient are left alone, decay included.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = LEARNING_RATE,
        warmup: float = WARMUP,
        t_total: int = -1,
        b1: float = 0.9,
        b2: float = 0.98,
        e: float = 1e-6,
        weight_decay: float = WEIGHT_DECAY,
        max_grad_norm: float = MAX_GRAD_NORM,
    ) -> None:
        if lr < 0 or not 0 <= warmup < 1 or not 0 <= b1 < 1 or not 0 <= b2 < 1 or e < 0:
            raise ValueError(f"lr {lr}, warmup {warmup}, b1 {b1}, b2 {b2}, e {e}: rates are >= 0, shares in [0, 1)")
        defaults = {
            "lr": lr, "schedule": "warmup_cosine", "warmup": warmup, "t_total": t_total, "b1": b1, "b2": b2, "e": e,
            "weight_decay": weight_decay, "max_grad_norm": max_grad_norm,
        }  # fmt: skip
        super().__init__(params, defaults)

    def rates(self) -> list[float]:
        """The learning rate that the next step uses, per group (0 before a group has any gradient)."""
        return [
            next((_rate(group, self.state[tensor].get("step", 0)) for tensor in group["params"]), 0.0)
            for group in self.param_groups
        ]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient (dense, real). Returns what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for tensor in group["params"]:
                if tensor.grad is not None:
                    self._update(tensor, group)
        return loss

    def _update(self, tensor: Tensor, group: dict[str, Any]) -> None:
        state = self.state[tensor]
        if not state:
            state["step"], state["next_m"], state["next_v"] = 0, torch.zeros_like(tensor), torch.zeros_like(tensor)
        gradient = cast(Tensor, tensor.grad)
        if group["max_grad_norm"] > 0:
            nn.utils.clip_grad_norm_(tensor, group["max_grad_norm"])
        first, second = state["next_m"], state["next_v"]
        first.mul_(group["b1"]).add_(gradient, alpha=1 - group["b1"])
        second.mul_(group["b2"]).addcmul_(gradient, gradient, value=1 - group["b2"])
        update = first / second.sqrt().add_(group["e"])
        if group["weight_decay"] > 0:
            update.add_(tensor, alpha=group["weight_decay"])
        tensor.sub_(update, alpha=_rate(group, state["step"]))
        state["step"] += 1


def _rate(group: dict[str, Any], step: int) -> float:
    if group["t_total"] < 0:
        return float(group["lr"])
    return float(group["lr"]) * warmup_cosine(step / group["t_total"], group["warmup"])


def published_groups(
    model: nn.Module,
    lr: float = LEARNING_RATE,
    coef_lr: float = CLIP_FACTOR,
    weight_decay: float = WEIGHT_DECAY,
) -> list[dict[str, Any]]:
    """Parameter groups for BertAdam: decayed CLIP, decayed new, undecayed CLIP, undecayed new.

    CLIP's parameters learn at lr * coef_lr. Frozen parameters (`requires_grad` False) are listed too and stay as they
    are for want of a gradient.
    """
    named = list(model.named_parameters())

    def group(clip: bool, bias: bool) -> dict[str, Any]:
        chosen = [tensor for name, tensor in named if ("clip." in name) == clip and ("bias" in name) == bias]
        rate = lr * coef_lr if clip else lr
        return {"params": chosen, "lr": rate, "weight_decay": 0.0 if bias else weight_decay}

    return [group(clip, bias) for bias in (False, True) for clip in (True, False)]


def published_optimizer(
    model: nn.Module,
    t_total: int,
    lr: float = LEARNING_RATE,
    coef_lr: float = CLIP_FACTOR,
    warmup: float = WARMUP,
    weight_decay: float = WEIGHT_DECAY,
) -> BertAdam:
    """The optimiser of a run of `t_total` steps (batches an epoch x epochs)."""
    groups = [group for group in published_groups(model, lr, coef_lr, weight_decay) if group["params"]]
    return BertAdam(groups, lr=lr, warmup=warmup, t_total=t_total, weight_decay=weight_decay)


def published_step(model: RetrievalModel, optimizer: BertAdam, max_grad_norm: float = MAX_GRAD_NORM) -> float:
    """Step after `loss.backward()`: clip, update, clear gradients, clamp the logit scale.

    Returns the norm of the whole gradient before clipping.
    """
    norm = nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    model.clamp_logit_scale()
    return float(norm)


def freeze_layers(model: nn.Module, freeze_layer_num: int) -> list[str]:
    """Freeze CLIP as the published `freeze_layer_num` does; returns the names of what is frozen.

    -1 freezes nothing. 0 (published setting) freezes what lies before the blocks: token, positional and class
    embeddings, the patch convolution and ln_pre. k also freezes the first k blocks of both towers.
    """
    if freeze_layer_num < -1:
        raise ValueError(
            f"freeze_layer_num is {freeze_layer_num}: use -1 (nothing), 0 (embeddings) or a number of blocks"
        )
    frozen = []
    for name, tensor in model.named_parameters():
        if freeze_layer_num >= 0 and name.startswith("clip.") and not _trained(name, freeze_layer_num):
            tensor.requires_grad_(False)
            frozen.append(name)
    return frozen


def _trained(name: str, freeze_layer_num: int) -> bool:
    block = _BLOCK.match(name)
    return int(block[1]) >= freeze_layer_num if block else bool(_OUTSIDE_BLOCKS_TRAINED.match(name))
