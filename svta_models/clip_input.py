"""The clips of a split as a training sees them: in memory or in a frame cache, without those that are broken.

A broken clip is left out, said by name, and never replaced by another; more than a given share of them is a failure.
Shape letters: N pairs, B rows of a batch, T frame slots, C = 3 channels, S x S pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svta_models.dataset import DecodedSplit, Frames
from svta_models.decode_pool import fill_cache
from svta_models.gram.hearing import SoundChoice, Tracks
from svta_models.gram.sound import AudioError
from svta_models.input_cache import ClipView, FrameCache
from svta_models.release import DamagedClip, ReleaseSplit

_NAMED = 3  # broken clips that a message names
Say = Callable[[str], None]


@dataclass(frozen=True)
class ClipInput:
    """`clips` without the broken ones; `broken`: pair id -> what is wrong with its clip."""

    clips: DecodedSplit
    broken: dict[str, str]


class CachedFrames:
    """Frames (N, T, 3, S, S) uint8 that lie in a cache; a clip that the cache has lost or never held is decoded."""

    def __init__(self, split: ReleaseSplit, rows: list[dict[str, Any]], view: ClipView, cache: FrameCache) -> None:
        self._split, self._rows, self._view, self._cache = split, rows, view, cache
        self._keys = [view.key(row["sha256"]) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> Tensor:
        """The clips of `rows` (a slice or row numbers) one after the other. Raises DamagedClip."""
        numbers = range(len(self))[rows] if isinstance(rows, slice) else [int(row) for row in rows]
        size = self._view.choice.size
        frames_BTCHW = torch.empty(len(numbers), self._view.choice.max_frames, 3, size, size, dtype=torch.uint8)
        self.read(numbers, frames_BTCHW)
        return frames_BTCHW

    def read(self, numbers: Sequence[int], into_BTCHW: Tensor) -> None:
        """The same into memory that is there already. Raises DamagedClip."""
        slots_BTCHW = into_BTCHW.numpy()
        for place, number in enumerate(numbers):
            filled = self._fill(slots_BTCHW[place], number)
            slots_BTCHW[place, filled:] = 0

    def _fill(self, slots: np.ndarray, number: int) -> int:
        count = self._cache.read_into(self._keys[number], slots)
        if count is None:
            frames = self._view.read(self._split, self._rows[number])
            self._cache.put(self._keys[number], frames)
            slots[: len(frames)] = frames
            count = len(frames)
        return count


class FrameBuffers:
    """Batches of frames in memory that is used again and again: fresh memory costs as much as reading the files.

    A slot's tensor is valid until the slot is asked for again. `pinned`: in memory that a GPU can copy from alone.
    """

    def __init__(self, frames: Frames, pinned: bool = False) -> None:
        self._frames, self._pinned = frames, pinned
        self._held: dict[int, Tensor] = {}

    def read(self, rows_B: Tensor, slot: int) -> Tensor:
        """The clips of `rows_B`, (B, T, 3, S, S) uint8. Raises DamagedClip."""
        held = self._held.get(slot)
        if held is None or len(held) != len(rows_B):
            held = self._frames[rows_B]
            self._held[slot] = held.pin_memory() if self._pinned else held
        elif isinstance(self._frames, CachedFrames):
            self._frames.read(rows_B.tolist(), held)
        else:
            held.copy_(self._frames[rows_B])
        return self._held[slot]


def read_clips(
    split: ReleaseSplit,
    view: ClipView,
    cache: FrameCache | None = None,
    workers: int = 0,
    max_broken: float = 0.0,
    say: Say = lambda line: None,
    sound: SoundChoice | None = None,
) -> ClipInput:
    """Decode a split into memory, or into `cache` with `workers` processes what it does not hold yet.

    `sound`: what is heard of the clips as well. A clip whose track does not decode is as broken as one whose pictures
    do not. Raises DamagedClip when more than the share `max_broken` of the clips is broken.
    """
    rows = split.frame.to_dicts()
    deaf = _without_sound(split, rows, sound, say) if sound else {}
    rows = [row for row in rows if row["pair_id"] not in deaf]
    frames, counts, broken = (
        _in_memory(split, rows, view) if cache is None else _in_cache(split, rows, view, cache, workers, say)
    )
    broken = deaf | broken
    if len(broken) > max_broken * len(split):
        named = "; ".join(list(broken.values())[:_NAMED])
        raise DamagedClip(f"{len(broken)} of {len(split)} {split.name} clips are broken: {named}")
    mask_NT = (torch.arange(view.choice.max_frames) < torch.tensor(counts)[:, None]).long()
    kept = split.frame.filter(~split.frame["pair_id"].is_in(list(broken))) if broken else split.frame
    columns = kept.select("caption", "pair_id", "final_category").to_dict(as_series=False)
    sounds = _tracks(split, kept.to_dicts(), sound) if sound else None
    clips = DecodedSplit(frames, mask_NT, columns["caption"], columns["pair_id"], columns["final_category"], sounds)
    return ClipInput(clips, broken)


def _tracks(split: ReleaseSplit, rows: list[dict[str, Any]], sound: SoundChoice) -> Tracks:
    return Tracks(len(rows), lambda number: split.clip_bytes(rows[number]), sound)


def _without_sound(split: ReleaseSplit, rows: list[dict[str, Any]], sound: SoundChoice, say: Say) -> dict[str, str]:
    """Decode every track once: pair id -> what is wrong with its clip. Says how many clips have a track."""
    tracks, broken, heard = _tracks(split, rows, sound), dict[str, str](), 0
    for number, row in enumerate(rows):
        try:
            heard += tracks.has_track(number)
        except DamagedClip as error:
            broken[row["pair_id"]] = str(error)
        except AudioError as error:
            broken[row["pair_id"]] = f"clip {row['clip_id']}: {error}"
    say(f"{heard} of {len(rows)} {split.name} clips have an audio track; an empty spectrogram stands for the others")
    return broken


def _in_memory(
    split: ReleaseSplit, rows: list[dict[str, Any]], view: ClipView
) -> tuple[Tensor, list[int], dict[str, str]]:
    """Frames and frame counts of the whole clips, and what is wrong with the others."""
    slots, size = view.choice.max_frames, view.choice.size
    frames_NTCHW = torch.zeros(len(rows), slots, 3, size, size, dtype=torch.uint8)
    counts: list[int] = []
    broken = {}
    for row in rows:
        try:
            frames = view.read(split, row)
        except DamagedClip as error:
            broken[row["pair_id"]] = str(error)
            continue
        frames_NTCHW[len(counts), : len(frames)] = torch.from_numpy(frames)
        counts.append(len(frames))
    return frames_NTCHW[: len(counts)], counts, broken


def _in_cache(
    split: ReleaseSplit, rows: list[dict[str, Any]], view: ClipView, cache: FrameCache, workers: int, say: Say
) -> tuple[CachedFrames, list[int], dict[str, str]]:
    keys = {row["pair_id"]: view.key(row["sha256"]) for row in rows}
    counts = {row["pair_id"]: cache.count(keys[row["pair_id"]]) for row in rows}
    missing = [row for row in rows if counts[row["pair_id"]] is None]
    cache.make_room(len(missing) * view.bytes_per_clip, set(keys.values()))
    broken: dict[str, str] = {}
    if missing:
        say(f"decoding {len(missing)} of {len(rows)} {split.name} clips into {cache.folder}")
        broken = fill_cache(split, missing, view, cache, workers)
    kept = [row for row in rows if row["pair_id"] not in broken]
    frames = CachedFrames(split, kept, view, cache)
    known = {row["pair_id"]: counts[row["pair_id"]] or cache.count(keys[row["pair_id"]]) for row in kept}
    if without := [row for row in kept if known[row["pair_id"]] is None]:
        say(f"the frame cache is full: {len(without)} of {len(rows)} {split.name} clips are decoded in every epoch")
    return frames, [known[row["pair_id"]] or len(view.read(split, row)) for row in kept], broken
