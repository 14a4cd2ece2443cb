"""Audio tracks of real files, and the filterbank BEATs reads."""

import math

import av
import numpy as np
import pytest
import torch

from svta_models.errors import SvtaError
from svta_models.gram.sound import (
    MEAN,
    RATE,
    TWICE_STD,
    AudioError,
    filterbank,
    read_waveform,
    spectrogram,
    spectrograms,
)

TONE_HZ = 440.0


def write_mp4(path, seconds=1.0, rate=16_000, channels=("left",), sound=True, silent=()):
    """A 32 x 32 video; every channel carries the same tone at a quarter of full scale, those in `silent` nothing."""
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=15)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout=layout) if sound else None
        for number in range(max(1, round(seconds * 15))):
            picture = np.full((32, 32, 3), number % 256, dtype=np.uint8)
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        container.mux(video.encode())
        if audio is not None:
            time = np.arange(round(seconds * rate)) / rate
            tone = np.sin(2 * np.pi * TONE_HZ * time).astype(np.float32) / 4
            planes = np.stack([0 * tone if name in silent else tone for name in channels])
            for start in range(0, planes.shape[1], 1024):
                part = np.ascontiguousarray(planes[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, start
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def loudness(samples):
    """Root mean square of the middle: a codec's fade at either end is not the matter."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.sqrt(np.mean(middle**2)))


def pitch(samples):
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples))


def test_a_clip_without_a_track_is_silent(tmp_path):
    path = write_mp4(tmp_path / "silent.mp4", sound=False)
    assert read_waveform(path) is None
    assert read_waveform(path.read_bytes()) is None
    stacked, heard = spectrograms([path, write_mp4(tmp_path / "tone.mp4")], mel_bins=32, length=64)
    assert heard == [False, True]
    assert stacked.shape == (2, 1, 64, 32)
    assert not stacked[0].any() and stacked[1].any()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [("left",), ("left", "right")])
def test_any_rate_and_number_of_channels_becomes_mono_at_16_khz(tmp_path, rate, channels):
    samples = read_waveform(write_mp4(tmp_path / "tone.mp4", rate=rate, channels=channels))
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) == pytest.approx(RATE, abs=RATE * 0.15), "a codec pads the ends"
    assert pitch(samples) == pytest.approx(TONE_HZ, abs=2)
    assert loudness(samples) == pytest.approx(0.25 / math.sqrt(2), rel=0.05)


def test_channels_are_averaged(tmp_path):
    path = write_mp4(tmp_path / "left.mp4", channels=("left", "right"), silent=("right",))
    assert loudness(read_waveform(path)) == pytest.approx(0.125 / math.sqrt(2), rel=0.1)


def test_a_corrupt_track_is_named_with_the_way_out(tmp_path):
    good = write_mp4(tmp_path / "good.mp4", seconds=3).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(good[: len(good) // 2])
    with pytest.raises(AudioError, match=r"cut\.mp4 does not decode .* audio: zero"):
        read_waveform(cut)
    noise = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    with pytest.raises(AudioError, match="a file of 4000 bytes"):
        read_waveform(noise)
    with pytest.raises(SvtaError):
        read_waveform(tmp_path / "missing.mp4")


def test_scrambled_packets_raise_rather_than_pass_as_sound(tmp_path):
    path = write_mp4(tmp_path / "tone.mp4", seconds=2)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        places = [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in places[1:]:
        data[start : start + size] = b"\xff" * size
    with pytest.raises(AudioError, match="does not decode"):
        read_waveform(bytes(data))


# -- the filterbank ----------------------------------------------------------------------------------------------------


def plain_filterbank(samples, bins):
    """Kaldi's definition, one frame and one bin at a time, in double precision."""

    def mel(hertz):
        return 1127.0 * math.log(1 + hertz / 700.0)

    step = (mel(8000) - mel(20)) / (bins + 1)
    rows = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400].astype(np.float64)
        frame = frame - frame.mean()
        frame = np.array([frame[i] - 0.97 * frame[max(i - 1, 0)] for i in range(400)])
        frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        row = []
        for number in range(bins):
            left, centre, right = (mel(20) + (number + shift) * step for shift in (0, 1, 2))
            energy = 0.0
            for line in range(256):
                place = mel(line * 16000 / 512)
                if left < place < right:
                    energy += power[line] * (place - left if place <= centre else right - place) / step
            row.append(math.log(max(energy, float(np.finfo(np.float32).eps))))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("bins", [64, 128])
def test_the_filterbank_is_kaldis(bins):
    time = np.arange(1600) / RATE
    random = np.random.default_rng(0)
    samples = 9000 * np.sin(2 * np.pi * (200 + 30_000 * time) * time) + 300 * random.standard_normal(1600) + 500
    measured = filterbank(torch.from_numpy(samples.astype(np.float32)), bins)
    assert measured.shape == (8, bins)
    np.testing.assert_allclose(measured, plain_filterbank(samples.astype(np.float32), bins), rtol=0, atol=2e-3)


def test_the_hanning_window_is_another():
    samples = torch.randn(800, generator=torch.Generator().manual_seed(0))
    assert (filterbank(samples, 32) - filterbank(samples, 32, "hanning")).abs().max() > 1e-2


def test_silence_is_the_floor_and_what_is_missing_is_zero():
    floor = (math.log(np.finfo(np.float32).eps) - MEAN) / TWICE_STD
    silence = spectrogram(np.zeros(1600, dtype=np.float32), mel_bins=32, length=16)
    np.testing.assert_allclose(silence[0, :8], floor, rtol=1e-5)
    assert not silence[0, 8:].any(), "padding comes after normalisation"
    assert not spectrogram(None, 32, 16, windows=2).any()
    short = spectrogram(np.ones(399, dtype=np.float32), mel_bins=32, length=16)
    assert short.shape == (1, 16, 32) and not short.any(), "less than one frame"


def test_a_long_track_gives_windows_of_its_segments():
    samples = np.random.default_rng(0).standard_normal(400 + 160 * (5 * 16 - 1)).astype(np.float32) / 10
    whole = (filterbank(torch.from_numpy(samples) * 2**15, 32) - MEAN) / TWICE_STD
    assert len(whole) == 80
    windows = whole.view(5, 16, 32)
    one = spectrogram(samples, 32, 16)
    assert torch.equal(one[0], windows[2])
    two = spectrogram(samples, 32, 16, windows=2)
    assert torch.equal(two, windows[[1, 3]]), "segments of 3 and 2 windows"
    assert torch.equal(spectrogram(samples, 32, 16, windows=7)[5:], windows[[4, 4]]), "the last is repeated"
    random = torch.Generator().manual_seed(0)
    drawn = [spectrogram(samples, 32, 16, random=random) for _ in range(40)]
    assert {next(n for n in range(5) if torch.equal(part[0], windows[n])) for part in drawn} == set(range(5))


def test_minutes_of_sound_are_computed_in_parts():
    samples = torch.randn(RATE * 60, generator=torch.Generator().manual_seed(0))
    whole = filterbank(samples, 32)
    np.testing.assert_allclose(whole[4090:4100], filterbank(samples[4090 * 160 : 4099 * 160 + 400], 32), atol=1e-4)


def test_bytes_and_paths_give_the_same_samples(tmp_path):
    path = write_mp4(tmp_path / "tone.mp4", seconds=0.5)
    np.testing.assert_array_equal(read_waveform(path), read_waveform(path.read_bytes()))
