"""What GRAM hears of clips when its way of sound is `real`: the tracks of a release's files, as spectrograms.

Shape letters: R clips, A windows, S frames of 10 ms, F mel bins. A clip without a track gets an empty spectrogram; a
track that does not decode raises, it is never taken for silence.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from svta_models.gram.config import GramConfig
from svta_models.gram.sound import read_waveform, spectrogram

HELD_BYTES = 1 << 28
"""Tracks kept in memory: 32 minutes of sound; what was unused longest is decoded again."""

REAL = "real"


class Heard(NamedTuple):
    """Spectrograms (A, S, F) of a clip, and whether it has a track at all."""

    spectrograms_ASF: Tensor
    has_track: bool


@dataclass(frozen=True)
class SoundChoice:
    """Size of a spectrogram, and how many of a clip."""

    mel_bins: int
    length: int
    windows: int = 1

    @classmethod
    def of(cls, config: GramConfig) -> "SoundChoice | None":
        """What a model wants to hear; None unless its way of sound is `real`."""
        if config.audio != REAL:
            return None
        return cls(config.audio_melbins, config.audio_target_length, config.max_audio_sample_num)

    def hear(self, source: str | Path | bytes) -> Heard:
        """A file as an evaluation hears it: the middle window of a long track. Raises AudioError."""
        waveform = read_waveform(source)
        return Heard(self.seen(waveform), waveform is not None)

    def seen(self, waveform_V: np.ndarray | None, random: torch.Generator | None = None) -> Tensor:
        """Spectrograms of a track; with `random` any window of a long one."""
        return spectrogram(waveform_V, self.mel_bins, self.length, self.windows, random)


class Tracks:
    """The tracks of many clips, decoded when they are asked for. `read(number)` gives a clip's file."""

    def __init__(self, count: int, read: Callable[[int], bytes], choice: SoundChoice, held: int = HELD_BYTES) -> None:
        self._count, self._read, self._choice, self._limit = count, read, choice, held
        self._held: OrderedDict[int, np.ndarray | None] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return self._count

    def has_track(self, number: int) -> bool:
        """Whether a clip has one; decodes it, so that a damaged one is found. Raises AudioError."""
        return self._waveform(number) is not None

    def __getitem__(self, rows: slice | Sequence[int] | Tensor, /) -> Tensor:
        """Spectrograms (R, A, S, F) of clips as an evaluation hears them."""
        numbers = range(self._count)[rows] if isinstance(rows, slice) else [int(row) for row in rows]
        return self.drawn(numbers, None)

    def drawn(self, numbers: Sequence[int], random: torch.Generator | None) -> Tensor:
        """The same with a window drawn of each long track, as while training."""
        return torch.stack([self._choice.seen(self._waveform(number), random) for number in numbers])

    def _waveform(self, number: int) -> np.ndarray | None:
        with self._lock:
            if number in self._held:
                self._held.move_to_end(number)
                return self._held[number]
        waveform = read_waveform(self._read(number))  # two threads may decode the same track: what is kept is the same
        with self._lock:
            self._bytes += _size(waveform) - _size(self._held.pop(number, None))
            self._held[number] = waveform
            while self._bytes > self._limit and len(self._held) > 1:
                self._bytes -= _size(self._held.popitem(last=False)[1])
        return waveform


def _size(waveform_V: np.ndarray | None) -> int:
    return 0 if waveform_V is None else waveform_V.nbytes
