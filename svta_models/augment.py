"""What a training step does to clips and captions before the model sees them (the `scratch` recipe).

Shape letters: B clips, S frame slots in memory, T chosen slots, C = 3 channels, H x W pixels, L tokens.
Every random choice comes from the generator that is passed in. Colours are left alone: captions name them.
"""

import re

import torch
from torch import Tensor
from torch.nn import functional as F

from svta_models.frames import CLIP_MEAN, CLIP_STD

_SIDES = re.compile(r"\b(left|right|leftwards?|rightwards?|clockwise|anticlockwise|counterclockwise)\b", re.IGNORECASE)
UNKNOWN_ID = 1  # CaptionTokenizer's [unk]


def mirrorable(caption: str) -> bool:
    """Whether a mirrored clip still fits the caption: false as soon as a side is named."""
    return _SIDES.search(caption) is None


def pick_slots(mask_BS: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Choose `count` slots a clip, (B, count) int64 ascending: one drawn from each equal part of its real frames."""
    real_B1 = mask_BS.sum(dim=1, keepdim=True).clamp(min=1)
    draws_BT = torch.rand(len(mask_BS), count, generator=random)
    positions_BT = (torch.arange(count) + draws_BT) / count * real_B1
    return torch.minimum(positions_BT.long(), real_B1 - 1)


def augment_frames(frames_BTCHW: Tensor, mirror_B: Tensor, shift: int, random: torch.Generator) -> Tensor:
    """Mirror half of the clips that may be, and move each clip by up to `shift` pixels; one draw for all its frames."""
    batch, _, _, height, width = frames_BTCHW.shape
    flip_B = mirror_B & (torch.rand(batch, generator=random) < 0.5)
    frames_BTCHW = torch.where(flip_B[:, None, None, None, None], frames_BTCHW.flip(-1), frames_BTCHW)
    if not shift:
        return frames_BTCHW
    offsets_B2 = torch.randint(0, 2 * shift + 1, (batch, 2), generator=random)
    # Edge pixels are repeated: a black border would be a cue of its own.
    padded = F.pad(frames_BTCHW.flatten(0, 1).float(), (shift,) * 4, mode="replicate")
    padded_BTCHW = padded.view(batch, -1, 3, height + 2 * shift, width + 2 * shift)
    moved = [
        clip[..., top : top + height, left : left + width]
        for clip, (top, left) in zip(padded_BTCHW, offsets_B2.tolist(), strict=True)
    ]
    return torch.stack(moved)


def to_clip_input(frames_BTCHW: Tensor, mask_BT: Tensor) -> Tensor:
    """0..255 pixels to CLIP-normalised float32, with padded slots set to exactly 0 as the models expect."""
    mean = torch.tensor(CLIP_MEAN, device=frames_BTCHW.device).view(3, 1, 1)
    std = torch.tensor(CLIP_STD, device=frames_BTCHW.device).view(3, 1, 1)
    scaled_BTCHW = (frames_BTCHW.float() / 255 - mean) / std
    return scaled_BTCHW * mask_BT[:, :, None, None, None]


def drop_words(ids_BL: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Replace a share of the caption tokens by the unknown token; start, end and padding stay."""
    if not share:
        return ids_BL
    end_B1 = ids_BL.argmax(dim=1, keepdim=True)
    position_1L = torch.arange(ids_BL.shape[1])[None]
    inner_BL = (position_1L > 0) & (position_1L < end_B1)
    chosen_BL = torch.rand(ids_BL.shape, generator=random) < share
    return ids_BL.masked_fill(inner_BL & chosen_BL, UNKNOWN_ID)
