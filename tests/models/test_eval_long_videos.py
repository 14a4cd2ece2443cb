"""Frames of long videos: the right ones, without decoding or holding the video."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from svta_models.frames import DecodeError, decode_video, probe_video, sample_indices
from svta_models.gallery import FrameChoice, VideoGallery
from svta_models.long_video import FrameIndex, index_video, read_frames
from tests.models.long_videos import HEIGHT, RATE_29_97, RATE_30, WIDTH, number_shown, write_long_video

TEN_MINUTES = 18_000


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_video(tmp_path_factory.mktemp("long") / "Abuse028_x264.mp4", TEN_MINUTES)


@pytest.fixture(scope="module")
def ntsc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_video(tmp_path_factory.mktemp("ntsc") / "Normal_Videos_003_x264.mp4", 2_000, RATE_29_97)


def test_the_index_counts_what_a_decoder_would(long_video: Path, ntsc_video: Path) -> None:
    for path, frames, rate in ((long_video, TEN_MINUTES, RATE_30), (ntsc_video, 2_000, RATE_29_97)):
        index = index_video(path)
        assert index.info.frames == len(index.times) == frames
        assert index.info.fps == pytest.approx(float(rate))
        assert (index.info.height, index.info.width) == (HEIGHT, WIDTH)
        assert 1 < len(index.keys) < frames / 100, "seeks have somewhere to go, and pictures to decode from there"


@pytest.mark.parametrize("wanted", [[0], [17_999], [5, 4, 5, 251, 250, 249, 9_000], list(range(240, 262))])
def test_every_frame_is_the_one_asked_for(long_video: Path, wanted: list[int]) -> None:
    frames = read_frames(long_video, index_video(long_video), wanted)
    assert frames.shape == (len(wanted), HEIGHT, WIDTH, 3)
    assert [number_shown(frame) for frame in frames] == wanted


@pytest.mark.parametrize("rate", [None, 1])
def test_a_models_twelve_frames_are_those_of_the_published_sampling(
    long_video: Path, ntsc_video: Path, rate: int | None
) -> None:
    choice = FrameChoice(12, 32, feature_framerate=rate)
    for path in (long_video, ntsc_video):
        index = index_video(path)
        wanted = choice.indices(index.info)
        assert len(wanted) == 12
        if rate:  # 29.97 counts as 29: seconds drift against the clock, as published
            assert wanted == sample_indices(index.info.frames, index.info.fps, 1, 12, 2)
            assert all(number % int(index.info.fps) == 0 for number in wanted)
        assert [number_shown(frame) for frame in read_frames(path, index, wanted)] == wanted


def test_seeking_gives_the_pixels_of_a_sequential_decode(ntsc_video: Path) -> None:
    wanted = [1_999, 0, 750, 751, 1_249]
    sought = read_frames(ntsc_video, index_video(ntsc_video), wanted)
    np.testing.assert_array_equal(sought, decode_video(ntsc_video, wanted))


def test_few_pictures_of_a_long_video_are_decoded(long_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve frames of ten minutes need at most one group of pictures each."""
    import svta_models.long_video as module

    seen = []
    original = module._at

    def counting(frames, time):
        def counted():
            for frame in frames:
                seen.append(frame.pts)
                yield frame

        return original(counted(), time)

    monkeypatch.setattr(module, "_at", counting)
    index = index_video(long_video)
    read_frames(long_video, index, FrameChoice(12, 32).indices(index.info))
    assert 12 <= len(seen) <= 12 * 251 < TEN_MINUTES / 4


def test_a_container_without_usable_times_is_read_in_one_pass(ntsc_video: Path) -> None:
    index = index_video(ntsc_video)
    for times, keys in (((), ()), (tuple(time + 1 for time in index.times), index.keys)):
        broken = FrameIndex(index.info, times, keys)
        assert [number_shown(frame) for frame in read_frames(ntsc_video, broken, [600, 3])] == [600, 3]


def test_memory_does_not_grow_with_the_length_of_a_video(long_video: Path, ntsc_video: Path) -> None:
    def peak(path: Path) -> int:
        gallery = VideoGallery(["p"], ["caption"], ["Abuse"], [path])
        tracemalloc.start()
        frames, mask = gallery.frames(0, FrameChoice(12, 32))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert tuple(frames.shape) == (12, 3, 32, 32) and int(mask.sum()) == 12
        return used

    peak(ntsc_video)  # imports
    # 18,000 against 2,000 frames: the packet list grows by a few words a frame, decoded they would be 9 kB each.
    assert peak(long_video) - peak(ntsc_video) < 16_000 * 300


def test_broken_and_foreign_files_are_named(tmp_path: Path, ntsc_video: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DecodeError, match=r"text.mp4 is not a readable video"):
        index_video(tmp_path / "text.mp4")
    with pytest.raises(DecodeError, match=r"has 2000 frames; frame 2000 was wanted"):
        read_frames(ntsc_video, index_video(ntsc_video), [2_000])
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(ntsc_video.read_bytes()[:5_000])
    with pytest.raises(DecodeError, match=r"cut.mp4"):
        index_video(cut)


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001)])
def test_header_and_packets_agree(tmp_path: Path, rate: Fraction) -> None:
    path = write_long_video(tmp_path / "v.mp4", 90, rate, bf="0", g="30")
    assert probe_video(path) == index_video(path).info
