"""Join the features of all training processes, with the gradient rule of the published code.

Every process sees the whole batch as negatives, but the backward pass keeps only the slice that belongs to it and sums
nothing over processes; data-parallel training then averages gradients. So encoders get 1 / processes of the gradient
of one big batch, while parameters applied after the gather (logit scale, X-CLIP's weights) get it in full.
Source: CLIP4Clip and X-CLIP training code; reference numbers `ddp2` in tests/models/goldens.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor


class _OwnSlice(torch.autograd.Function):
    """All-gather along the first axis; backward returns the own rows' gradient unchanged."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own.contiguous())
        ctx.rows = slice(dist.get_rank() * len(own), (dist.get_rank() + 1) * len(own))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][ctx.rows]


class _Share(torch.autograd.Function):
    """The features unchanged; backward gives them one part in `ranks` of their gradient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, ranks: int) -> Tensor:
        ctx.ranks = ranks
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] / ctx.ranks, None


def as_of_ranks(features: tuple[Tensor, ...], ranks: int) -> tuple[Tensor, ...]:
    """Features of one process that stands for `ranks` published ones, with the gradient these would have had."""
    if ranks == 1:
        return features
    return tuple(cast(Tensor, _Share.apply(tensor, ranks)) for tensor in features)


def gather_batch(features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Rows of all processes in rank order; the features themselves outside a process group.

    Every process must give equally many rows (a sampler with drop_last).
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return features
    return tuple(_OwnSlice.apply(tensor) for tensor in features)
