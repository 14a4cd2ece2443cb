"""GRAM's two training losses: volumes against the whole batch, and matching against its hardest wrong pairs.

Shape letters: B pairs of this process, N pairs of all processes, D embedding.
Unusual: the side that is compared *against* carries no gradient, not even in one process, so each direction of the
volume loss teaches one side only; the temperature is learned from both. Wrong pairs are drawn, likelier the smaller
their volume, from softmax(-volume / temperature) + 1e-4.
"""

from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from svta_models.gram.gramian import volume

LABEL_SMOOTHING = 0.1
_FLOOR = 1e-4  # added to every wrong pair's chance of being drawn


class Negatives(NamedTuple):
    """Wrong partners among the N pairs: for each text of this process a clip (B,), for each clip a text (B,)."""

    clip_of_text: Tensor
    text_of_clip: Tensor


class Volumes(NamedTuple):
    """Volumes over temperature (B, N): this process's texts against all clips, and its clips against all texts."""

    of_texts: Tensor
    of_clips: Tensor


class GramLosses(NamedTuple):
    """Scalars: the volume loss, the matching loss times its weight, and their sum, which is trained on."""

    area: Tensor
    matching: Tensor
    total: Tensor


def gather_detached(tensor: Tensor) -> Tensor:
    """Rows of all processes in rank order, without gradient; every process must give equally many."""
    tensor = tensor.detach()
    if not _many():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def own_rows(count: int, device: torch.device) -> Tensor:
    """Where this process's `count` pairs stand among those of all processes."""
    first = dist.get_rank() * count if _many() else 0
    return torch.arange(first, first + count, device=device)


def volumes(text_BD: Tensor, clips_BD: tuple[Tensor, ...], temperature: Tensor) -> Volumes:
    """Both directions' volumes of a batch of unit features, over the temperature."""
    all_clips = [gather_detached(feature_BD) for feature_BD in clips_BD]
    of_texts_BN = volume(text_BD, *all_clips) / temperature
    of_clips_BN = volume(gather_detached(text_BD), *clips_BD).T / temperature
    return Volumes(of_texts_BN, of_clips_BN)


def area_loss(measured: Volumes) -> Tensor:
    """Mean of both directions' cross entropy, smallest volume wanted at the own pair."""
    target_B = own_rows(len(measured.of_texts), measured.of_texts.device)
    losses = [F.cross_entropy(-side_BN, target_B, label_smoothing=LABEL_SMOOTHING) for side_BN in measured]
    return torch.stack(losses).mean()


@torch.no_grad()
def draw_negatives(measured: Volumes, generator: torch.Generator | None = None) -> Negatives:
    """Draw one wrong clip per text and one wrong text per clip. Raises ValueError for a batch of one pair."""
    if measured.of_texts.shape[1] < 2:
        raise ValueError("a batch of one pair has no wrong pairs to match against: use at least 2")

    def draw(side_BN: Tensor) -> Tensor:
        chance_BN = torch.softmax(-side_BN, dim=1) + _FLOOR
        chance_BN.scatter_(1, own_rows(len(side_BN), side_BN.device)[:, None], 0.0)
        return torch.multinomial(chance_BN, 1, generator=generator)[:, 0]

    return Negatives(draw(measured.of_texts), draw(measured.of_clips))


def matching_loss(logits_P2: Tensor, matched_P: Tensor) -> Tensor:
    """Cross entropy over pairs; label 1 = the text describes the clip."""
    return F.cross_entropy(logits_P2, matched_P.long())


def _many() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
