"""GRAM's published optimiser: AdamW as BERT had it, three groups of rates, linear warm-up and decay.

What surprises: epsilon is added to the uncorrected root of the second moment; weight decay comes after the step and
uses its result; a step's rate is set from its number counted from 1, so the first is above 0 and the last is 0; the
vision tower learns at its own, much smaller rate; there is no gradient clipping and no bound on the temperature.
Names containing "bias" are not decayed, which spares BEATs' `relative_attention_bias` too; LayerNorms are spared only
where the name says `LayerNorm`, that is, in BERT.
Source: reference steps in tests/models/goldens (`optimizer`, `opt/*`).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

LEARNING_RATE, VISION_RATE = 1e-4, 5e-7
WEIGHT_DECAY, WARMUP, BETAS, EPS = 0.01, 0.1, (0.9, 0.98), 1e-6
_UNDECAYED = ("bias", "LayerNorm.weight")
_VISION = "visual"


def warmup_linear(step: int, total: int, warmup: float = WARMUP) -> float:
    """Share of the learning rate at step 1 ... total."""
    progress = step / total
    return progress / warmup if progress < warmup else max(0.0, (1 - progress) / (1 - warmup))


class GramAdamW(torch.optim.Optimizer):
    """AdamW with bias correction in the rate; parameters without gradient are left alone, decay included.

    total_steps: steps of the whole training; each group's `init_lr` is what its rate is a share of.
    """

    def __init__(self, params: Iterable[Any], total_steps: int, warmup: float = WARMUP) -> None:
        if total_steps < 1 or not 0 < warmup < 1:
            raise ValueError(f"total_steps {total_steps}, warmup {warmup}: steps start at 1, warm-up is inside (0, 1)")
        defaults = {
            "lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY, "betas": BETAS, "eps": EPS,
            "total_steps": total_steps, "warmup": warmup,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            group.setdefault("init_lr", group["lr"])
            group.setdefault("step", 0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient. Returns what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["step"] += 1
            group["lr"] = group["init_lr"] * warmup_linear(group["step"], group["total_steps"], group["warmup"])
            for tensor in group["params"]:
                if tensor.grad is not None:
                    self._update(tensor, group)
        return loss

    def _update(self, tensor: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[tensor], cast(Tensor, tensor.grad)
        if not state:
            state["step"], state["exp_avg"], state["exp_avg_sq"] = 0, torch.zeros_like(tensor), torch.zeros_like(tensor)
        state["step"] += 1
        first, second, (b1, b2) = state["exp_avg"], state["exp_avg_sq"], group["betas"]
        first.mul_(b1).add_(gradient, alpha=1 - b1)
        second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        correction = math.sqrt(1 - b2 ** state["step"]) / (1 - b1 ** state["step"])
        tensor.addcdiv_(first, second.sqrt().add_(group["eps"]), value=-group["lr"] * correction)
        if group["weight_decay"] > 0:
            tensor.sub_(tensor, alpha=group["lr"] * group["weight_decay"])


def gram_groups(
    model: nn.Module, lr: float = LEARNING_RATE, vision_lr: float = VISION_RATE, weight_decay: float = WEIGHT_DECAY
) -> list[dict[str, Any]]:
    """Parameter groups: decayed and undecayed outside the vision tower, then inside it."""
    named = list(model.named_parameters())

    def group(vision: bool, decayed: bool) -> dict[str, Any]:
        chosen = [
            tensor
            for name, tensor in named
            if (_VISION in name) == vision and decayed != any(part in name for part in _UNDECAYED)
        ]
        return {"params": chosen, "lr": vision_lr if vision else lr, "weight_decay": weight_decay if decayed else 0.0}

    return [group(vision, decayed) for vision in (False, True) for decayed in (True, False)]


def gram_optimizer(
    model: nn.Module,
    total_steps: int,
    lr: float = LEARNING_RATE,
    vision_lr: float = VISION_RATE,
    warmup: float = WARMUP,
    weight_decay: float = WEIGHT_DECAY,
) -> GramAdamW:
    """The optimiser of a run of `total_steps` steps (batches an epoch x epochs). Step it after `loss.backward()`."""
    groups = [group for group in gram_groups(model, lr, vision_lr, weight_decay) if group["params"]]
    return GramAdamW(groups, total_steps, warmup)
