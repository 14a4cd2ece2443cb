"""From a video's audio track to the spectrograms BEATs reads.

Shape letters: V samples, S frames of 10 ms, F mel bins, A windows. The filterbank is Kaldi's: frames of 25 ms without
padding, offset removed, pre-emphasis 0.97, Povey window, power spectrum, triangles in the mel scale 1127 ln(1 + f/700)
between 20 Hz and half the rate, natural logarithm. BEATs wants samples as 16-bit numbers and fixed normalising
constants. What is missing (a short track's end, a silent clip) is 0 *after* normalisation, which is not silence but the
mean of the training set.
"""

import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from svta_models.errors import SvtaError
from svta_models.gram.frames import segments

RATE = 16_000  # samples a second
MEAN, TWICE_STD = 15.41663, 2 * 6.55582
FRAME, SHIFT, PADDED = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
PRE_EMPHASIS, LOWEST_HZ = 0.97, 20.0
_SCALE = float(2**15)
_FRAMES_AT_A_TIME = 4096  # 41 seconds: bounds memory for long tracks
_FLOOR = torch.finfo(torch.float32).eps

Window = Literal["povey", "hanning"]


class AudioError(SvtaError):
    """An audio track cannot be decoded; the message names the file."""


def read_waveform(source: str | Path | bytes) -> np.ndarray | None:
    """The first audio track as mono samples (V,) float32 in [-1, 1] at 16 kHz, or None when there is none.

    Any rate and number of channels; channels are averaged. Raises AudioError for a damaged file or track.
    """
    import av
    from av.audio.resampler import AudioResampler

    try:
        with av.open(_readable(source), "r") as container:
            if not container.streams.audio:
                return None
            # Packed floats in the track's own channels: averaged here, since FFmpeg's own mixing weighs them.
            resampler = AudioResampler(format="flt", rate=RATE)
            parts: list[np.ndarray] = []
            for frame in container.decode(container.streams.audio[0]):
                parts += [_mono(part) for part in resampler.resample(frame)]
            if parts:
                parts += [_mono(part) for part in resampler.resample(None)]
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            f"the audio of {_name(source)} does not decode ({error}): make or fetch the file again, or evaluate with "
            "audio: zero"
        ) from error
    if not parts:
        raise AudioError(f"{_name(source)} says it has an audio track, but nothing of it decodes: fetch it again")
    return np.concatenate(parts)


def filterbank(waveform_V: Tensor, mel_bins: int, window: Window = "povey") -> Tensor:
    """Log mel filterbank (S, F) float32 of samples at 16 kHz, on the scale the samples have; S may be 0."""
    if len(waveform_V) < FRAME:
        return torch.empty(0, mel_bins)
    frames_SV = waveform_V.float().unfold(0, FRAME, SHIFT)
    return torch.cat([_energies(part, mel_bins, window) for part in torch.split(frames_SV, _FRAMES_AT_A_TIME)])


def _energies(frames_SV: Tensor, mel_bins: int, window: Window) -> Tensor:
    centred = frames_SV - frames_SV.mean(dim=1, keepdim=True)
    before = torch.cat([centred[:, :1], centred[:, :-1]], dim=1)
    shaped = (centred - PRE_EMPHASIS * before) * _window(window)
    power = torch.fft.rfft(shaped, n=PADDED).abs().square()
    return torch.log((power @ _triangles(mel_bins)).clamp(min=_FLOOR))


@cache
def _window(kind: Window) -> Tensor:
    hann = torch.hann_window(FRAME, periodic=False, dtype=torch.float64)
    return (hann**0.85 if kind == "povey" else hann).float()


@cache
def _triangles(mel_bins: int) -> Tensor:
    """Weights (257, F) of the power spectrum's lines: triangles that are straight in mel, not in Hz."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    low, high = mel(torch.tensor([LOWEST_HZ, RATE / 2], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, mel_bins + 2, dtype=torch.float64)
    lines = mel(torch.arange(PADDED // 2 + 1, dtype=torch.float64) * RATE / PADDED)[:, None]
    rising = (lines - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - lines) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp(min=0.0)
    return weights.float()


def spectrogram(
    waveform_V: np.ndarray | Tensor | None,
    mel_bins: int = 64,
    length: int = 1024,
    windows: int = 1,
    random: torch.Generator | None = None,
) -> Tensor:
    """Normalised spectrograms (A, S, F) float32 of a track, A = `windows` and S = `length`.

    A longer track is cut into windows of `length`, and one of each equal segment of them is taken: the middle one, or
    any with `random`. A track with fewer windows repeats its last; without a track all is 0.
    """
    if waveform_V is None:
        return torch.zeros(windows, length, mel_bins)
    energies_SF = filterbank(torch.as_tensor(waveform_V) * _SCALE, mel_bins)
    normal_SF = (energies_SF - MEAN) / TWICE_STD
    count = max(1, math.ceil(len(normal_SF) / length))
    padded_SF = torch.cat([normal_SF, normal_SF.new_zeros(count * length - len(normal_SF), mel_bins)])
    chosen = [_one_of(first, last, random) for first, last in segments(count, windows)]
    chosen += [chosen[-1]] * (windows - len(chosen))
    return padded_SF.view(count, length, mel_bins)[chosen]


def _one_of(first: int, last: int, random: torch.Generator | None) -> int:
    if random is None:
        return (first + last) // 2
    return int(torch.randint(first, last + 1, (1,), generator=random))


def spectrograms(
    sources: Sequence[str | Path | bytes], mel_bins: int, length: int, windows: int = 1
) -> tuple[Tensor, list[bool]]:
    """Spectrograms (B, A, S, F) of files, and which of them have a track: the others' are 0. Raises AudioError."""
    tracks = [read_waveform(source) for source in sources]
    stacked = torch.stack([spectrogram(track, mel_bins, length, windows) for track in tracks])
    return stacked, [track is not None for track in tracks]


def _mono(frame: Any) -> np.ndarray:
    channels = len(frame.layout.channels)
    mono: np.ndarray = frame.to_ndarray().reshape(-1, channels).mean(axis=1).astype(np.float32)
    return mono


def _readable(source: str | Path | bytes) -> str | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def _name(source: str | Path | bytes) -> str:
    return f"a file of {len(source)} bytes" if isinstance(source, bytes) else str(source)
