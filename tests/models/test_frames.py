"""Frame choice and preprocessing equal the published ones; decoding is one pass and says what is broken."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_models.frames import (
    DecodeError,
    decode_video,
    normalise,
    preprocess,
    probe_video,
    resize_frames,
    sample_indices,
    uniform_indices,
)
from tests.models.golden import FOLDER
from tests.models.synthetic import FRAMES, HEIGHT, WIDTH, draw, encode


def test_sampling_equals_the_published_loader_in_every_recorded_case():
    cases = json.loads((FOLDER / "frame_sampling.json").read_text())["clip4clip_and_xclip"]
    assert len(cases) > 100
    for case in cases:
        chosen = sample_indices(
            case["total_frames"], case["container_fps"], case["feature_framerate"], case["max_frames"],
            case["slice_framepos"],
        )  # fmt: skip
        assert chosen == case["kept_frames"], case


def test_fractional_rates_are_truncated_as_published():
    assert sample_indices(60, 29.97, 1, 12, 2) == sample_indices(60, 29, 1, 12, 2) == [0, 29, 58]


@pytest.mark.parametrize("setting", [(0, 15, 1, 12, 2), (33, 0.5, 1, 12, 2), (33, 15, -1, 12, 2), (33, 15, 15, 12, 3)])
def test_a_setting_without_meaning_is_refused(setting):
    with pytest.raises(ValueError, match=r"cannot sample|slice_framepos"):
        sample_indices(*setting)


@given(st.integers(1, 400), st.integers(1, 60), st.integers(0, 70), st.integers(1, 20), st.sampled_from([0, 1, 2]))
def test_sampled_frames_are_ascending_existing_and_at_most_the_slots(total, fps, framerate, slots, position):
    chosen = sample_indices(total, fps, framerate, slots, position)
    assert 1 <= len(chosen) <= slots
    assert chosen == sorted(set(chosen))
    assert chosen[0] >= 0
    assert chosen[-1] < total


def test_our_own_sampling_fills_every_slot_of_an_svta_clip():
    assert uniform_indices(33, 12) == [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32]
    assert uniform_indices(5, 12) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("case", ["wide", "tall", "small"])
def test_preprocessing_equals_the_published_transform(case):
    stored = np.load(FOLDER / "preprocess.npz")
    result = preprocess(stored[f"clip/{case}_rgb"][None], 32)
    np.testing.assert_allclose(result[0], stored[f"clip/{case}_out32"], atol=2e-6)


def test_squash_keeps_the_sides_that_a_centre_crop_loses():
    frame = np.zeros((1, 40, 80, 3), dtype=np.uint8)
    frame[:, :, :15] = 255
    assert resize_frames(frame, 32, "squash")[..., 0].min() > 200
    assert resize_frames(frame, 32, "crop").max() < 30


def test_normalised_black_and_white_are_clips_own_values():
    black, white = normalise(np.array([0, 255], dtype=np.uint8).repeat(3).reshape(2, 3, 1, 1))
    np.testing.assert_allclose(black[:, 0, 0], [-1.792263, -1.752097, -1.480220], atol=1e-5)
    np.testing.assert_allclose(white[:, 0, 0], [1.930336, 2.074887, 2.145897], atol=1e-5)


def test_decoding_gives_the_frames_that_were_asked_for():
    drawn = draw("red", "sea", "pole", seed=1)
    data = encode(drawn)
    info = probe_video(data)
    assert (info.frames, info.fps, info.height, info.width) == (FRAMES, 15.0, HEIGHT, WIDTH)
    everything = decode_video(data)
    assert everything.shape == drawn.shape
    assert everything.dtype == np.uint8
    assert np.abs(everything.astype(int) - drawn).mean() < 12  # H.264 with subsampled colour
    some = decode_video(data, [8, 0, 8])
    np.testing.assert_array_equal(some, everything[[8, 0, 8]])
    assert decode_video(data, size=(24, 32)).shape == (FRAMES, 24, 32, 3)


def test_a_file_decodes_like_its_bytes(tmp_path):
    data = encode(draw("blue", "sand", "square", seed=2))
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    np.testing.assert_array_equal(decode_video(path), decode_video(data))


def test_broken_videos_are_named(tmp_path):
    path = tmp_path / "broken.mp4"
    path.write_bytes(encode(draw("red", "sea", "pole", seed=1))[:300])
    with pytest.raises(DecodeError, match=r"broken.mp4"):
        decode_video(path)
    with pytest.raises(DecodeError, match="not a readable video"):
        probe_video(b"not a video at all")
    with pytest.raises(DecodeError, match="ends early"):
        decode_video(encode(draw("red", "sea", "pole", seed=1)), [0, FRAMES])
