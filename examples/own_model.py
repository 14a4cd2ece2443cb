"""A retrieval model of your own as one file: `svta evaluate --model examples/own_model.py --release latest`.

SVTA reads the clips, encodes every caption and clip once, and writes the same tables as for its own models. This one
knows a few colour words: it compares the colours that a caption names with the clip's mean colour. Put yours in its
place and keep the names.
"""

import re

import torch
from torch import Tensor

name = "colour-words"
max_frames, size, fit = 4, 16, "squash"  # what `frames` below holds

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}


class ColourWords:
    """Captions and clips as one colour each; SVTA compares the two by cosine."""

    def __init__(self, device: str) -> None:
        self.device = device

    def encode_text(self, captions: list[str]) -> Tensor:
        """(N, 3): the mean of the colours named, grey for none."""
        rows = []
        for caption in captions:
            named = [COLOURS[word] for word in re.findall(r"[a-z]+", caption.lower()) if word in COLOURS]
            rows.append(torch.tensor(named or [(0.5, 0.5, 0.5)], dtype=torch.float32).mean(dim=0))
        return torch.stack(rows).to(self.device)

    def encode_frames(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, 3) from frames (B, T, 3, size, size) uint8; slots with mask 0 are empty."""
        weight = mask[:, :, None, None, None].float()
        pixels = weight.sum(dim=(1, 2, 3, 4)) * frames.shape[-1] * frames.shape[-2]
        return (frames.float() / 255 * weight).sum(dim=(1, 3, 4)) / pixels[:, None]


def load(device: str) -> ColourWords:
    """Called once; `device` is "cuda" where SVTA has leased a GPU."""
    return ColourWords(device)
