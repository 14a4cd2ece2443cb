"""A release split as a PyTorch dataset, and all of it decoded once into memory.

Shape letters: N pairs, T frame slots, C = 3 channels, H and W pixels (S where square).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from svta_models.frames import DecodeError, decode_video, probe_video, resize_frames, uniform_indices
from svta_models.release import DamagedClip, ReleaseSplit


class ClipDataset(Dataset[dict[str, Any]]):
    """One dict per pair: pair_id, clip_id, caption, category, final_category, `frames` uint8, `mask` (T,) int64.

    `frames` is (T, H, W, 3) as decoded when `size` is None, else (T, 3, size, size) fitted by `crop` or `squash`;
    `svta_models.frames.normalise` turns the latter into CLIP input. The T = `max_frames` slots are spread over the
    whole clip; a shorter clip leaves zero frames at the end with mask 0. A clip that is missing, changed or does not
    decode raises DamagedClip and is never replaced by another.
    """

    def __init__(self, split: ReleaseSplit, max_frames: int = 12, size: int | None = None, fit: str = "crop") -> None:
        self.split, self.max_frames, self.size, self.fit = split, max_frames, size, fit
        self.rows = split.frame.to_dicts()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        frames, mask = self._frames(row)
        kept = ("pair_id", "clip_id", "caption", "category", "final_category")
        return {**{name: row[name] for name in kept}, "frames": frames, "mask": mask}

    def _frames(self, row: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        data = self.split.clip_bytes(row)
        try:
            decoded = decode_video(data, uniform_indices(probe_video(data).frames, self.max_frames))
        except (DecodeError, ValueError) as error:
            raise DamagedClip(
                f"clip {row['clip_id']} does not decode ({error}). Run `svta verify`, then materialize `videos` for "
                f"{row['category']!r} again"
            ) from error
        if self.size is not None:
            decoded = resize_frames(decoded, self.size, "squash" if self.fit == "squash" else "crop")
        slots = np.zeros((self.max_frames, *decoded.shape[1:]), dtype=np.uint8)
        slots[: len(decoded)] = decoded
        mask = (torch.arange(self.max_frames) < len(decoded)).long()
        return torch.from_numpy(slots), mask


class Frames(Protocol):
    """Frames of many clips, (N, T, 3, S, S) uint8, that can be asked for by rows: a tensor, or files behind it."""

    def __getitem__(self, rows: Any, /) -> torch.Tensor: ...


class Sounds(Protocol):
    """Spectrograms of many clips, (N, A, S, F) float32, that can be asked for by rows."""

    def __getitem__(self, rows: Any, /) -> torch.Tensor: ...

    def drawn(self, numbers: Sequence[int], random: torch.Generator | None) -> torch.Tensor:
        """Those of some clips, with a window drawn of each long track."""
        ...


@dataclass(frozen=True)
class DecodedSplit:
    """Every clip of a split: frames_NTCHW uint8, mask_NT int64, captions and ids in the same order.

    sounds: what is heard of them, None for a model that hears nothing.
    """

    frames_NTCHW: Frames
    mask_NT: torch.Tensor
    captions: list[str]
    pair_ids: list[str]
    final_categories: list[str]
    sounds: Sounds | None = None

    def __len__(self) -> int:
        return len(self.captions)


def decode_split(
    split: ReleaseSplit,
    max_frames: int,
    size: int,
    fit: str = "crop",
    on_progress: Callable[[int, int], None] | None = None,
) -> DecodedSplit:
    """Decode a split once (12 frames of 64 x 64 take 0.15 MB a clip). Raises DamagedClip for the first broken one."""
    dataset = ClipDataset(split, max_frames=max_frames, size=size, fit=fit)
    frames_NTCHW = torch.zeros(len(dataset), max_frames, 3, size, size, dtype=torch.uint8)
    mask_NT = torch.zeros(len(dataset), max_frames, dtype=torch.long)
    for number in range(len(dataset)):
        item = dataset[number]
        frames_NTCHW[number], mask_NT[number] = item["frames"], item["mask"]
        if on_progress is not None:
            on_progress(number + 1, len(dataset))
    columns = split.frame.select("caption", "pair_id", "final_category").to_dict(as_series=False)
    return DecodedSplit(frames_NTCHW, mask_NT, columns["caption"], columns["pair_id"], columns["final_category"])
