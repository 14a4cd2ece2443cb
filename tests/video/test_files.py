"""Encoding, scores and contact sheets."""

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from svta_resources.video.encode import EncodeError, encode_mp4, quality_to_crf
from svta_resources.video.scores import decode_check, score_clip, verdict
from svta_resources.video.sheet import MAX_BYTES, contact_sheet, sheet_markdown

SHAPE = {"frames": 33, "height": 64, "width": 96, "fps": 15}


def moving(frames: int = 33, height: int = 64, width: int = 96) -> np.ndarray:
    """A bright square that crosses a gradient."""
    clip = np.zeros((frames, height, width, 3), np.uint8)
    clip[:] = np.linspace(30, 160, width, dtype=np.uint8)[None, None, :, None]
    for number in range(frames):
        left = number * (width - 16) // max(frames, 1)
        clip[number, 20:36, left : left + 16] = (240, 60, 40)
    return clip


def test_the_file_is_h264_with_every_frame_at_its_rate_and_the_index_in_front() -> None:
    mp4 = encode_mp4(moving(), 15)
    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, float(stream.average_rate)) == (33, 15.0)
        assert len(list(container.decode(stream))) == 33
    assert mp4.index(b"moov") < mp4.index(b"mdat")


def test_equal_frames_give_equal_bytes() -> None:
    assert encode_mp4(moving(), 15) == encode_mp4(moving(), 15)


@pytest.mark.parametrize("frames", [1, 2, 400])
def test_clips_of_any_length_fit_the_room_for_the_index(frames: int) -> None:
    assert decode_check(encode_mp4(moving(frames), 15), {"frames": frames}) is None


def test_more_quality_is_closer_to_the_frames_and_larger() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 64, 96, 3), dtype=np.uint8)
    assert [quality_to_crf(quality) for quality in (0, 6, 10)] == [51, 20, 0]
    assert len(encode_mp4(noise, 15, 9)) > len(encode_mp4(noise, 15, 5)) > len(encode_mp4(noise, 15, 1))


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((3, 63, 96, 3), np.uint8), "even"),
        (np.zeros((3, 64, 95, 3), np.uint8), "even"),
        (np.zeros((0, 64, 96, 3), np.uint8), "no frames"),
        (np.zeros((3, 64, 96), np.uint8), "T, H, W, 3"),
        (np.zeros((3, 64, 96, 3), np.float32), "uint8"),
    ],
)
def test_frames_that_cannot_be_encoded_are_named(frames: np.ndarray, words: str) -> None:
    with pytest.raises(EncodeError, match=words):
        encode_mp4(frames, 15)


def test_a_whole_file_passes_the_decode_check() -> None:
    assert decode_check(encode_mp4(moving(), 15), SHAPE) is None


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_found(keep: float) -> None:
    mp4 = encode_mp4(moving(), 15)
    assert decode_check(mp4[: int(len(mp4) * keep)], SHAPE) is not None


def test_bytes_that_are_no_video_are_found() -> None:
    assert "does not decode" in decode_check(b"not a video" * 100, SHAPE)


@pytest.mark.parametrize(("name", "value"), [("frames", 34), ("height", 66), ("width", 98), ("fps", 25)])
def test_another_shape_than_promised_is_found(name: str, value: int) -> None:
    reason = decode_check(encode_mp4(moving(), 15), {**SHAPE, name: value})
    assert reason is not None
    assert str(value) in reason


def test_damaged_clips_fail_for_their_own_reason() -> None:
    clip = moving()
    frozen = np.repeat(clip[:1], len(clip), axis=0)
    strobe = clip.copy()
    strobe[::2] = 255 - strobe[::2] // 8
    bright = np.where(np.all(clip == (240, 60, 40), axis=-1, keepdims=True), np.uint8(0), np.full_like(clip, 255))
    bright[:, 26:] = 255
    reasons = [verdict(score_clip(frames)) for frames in (clip, frozen, clip // 40, strobe, bright)]
    assert reasons[0] is None
    assert [reason.partition(":")[0] for reason in reasons[1:]] == ["static", "black", "flickering", "white"]


def test_a_moved_threshold_changes_the_verdict_and_not_the_scores() -> None:
    scores = score_clip(moving())
    assert verdict(scores, {"motion_min": scores["motion"] + 1}).startswith("static")
    assert verdict(scores, {"motion_min": scores["motion"] - 0.1}) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 255), st.integers(1, 6))
def test_a_flat_clip_scores_its_own_brightness(level: int, frames: int) -> None:
    scores = score_clip(np.full((frames, 8, 8, 3), level, np.uint8))
    assert scores["brightness"] == pytest.approx(level, abs=0.01)
    assert (scores["motion"], scores["contrast"], scores["flicker"]) == pytest.approx((0, 0, 0), abs=0.01)


@pytest.mark.parametrize("clips", [1, 3, 8, 12])
def test_a_contact_sheet_is_small_and_moves(clips: int) -> None:
    noisy = [np.random.default_rng(n).integers(0, 255, (33, 112, 192, 3), dtype=np.uint8) for n in range(clips)]
    webp = contact_sheet(noisy, [f"clip number {n}" for n in range(clips)])
    assert len(webp) <= MAX_BYTES
    with Image.open(io.BytesIO(webp)) as picture:
        assert picture.is_animated
        assert picture.n_frames >= 4


def test_a_sheet_shows_its_clips_and_fits_markdown() -> None:
    webp = contact_sheet([moving(), np.full((33, 64, 96, 3), (0, 200, 0), np.uint8)])
    with Image.open(io.BytesIO(webp)) as picture:
        right = np.asarray(picture.convert("RGB"))[:, picture.width // 2 + 10 : -10]
    assert right[20:60].mean(axis=(0, 1)).argmax() == 1
    assert sheet_markdown(webp).startswith("![clips](data:image/webp;base64,")


def test_a_sheet_without_clips_or_with_odd_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="labels"):
        contact_sheet([moving()], ["a", "b"])
