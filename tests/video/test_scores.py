"""Scores of the published file: what is still, what moves slowly, what repeats another clip."""

import io

import av
import numpy as np
import pytest

from svta_models.frames import decode_video
from svta_resources.video import fingerprint as prints
from svta_resources.video.encode import encode_mp4
from svta_resources.video.scores import DEFAULT_THRESHOLDS, SCORES, examine, score_clip, verdict

SHAPE = {"frames": 33, "height": 112, "width": 192, "fps": 15}


def scene(seed: int, frames: int = 33, speed: float = 2.0) -> np.ndarray:
    """A textured place in which a person-sized block walks at `speed` pixels a frame."""
    random = np.random.default_rng(seed)
    tiles = random.integers(60, 200, (7, 12, 3)).astype(np.float64)
    ground = np.kron(tiles, np.ones((16, 16, 1)))
    clip = np.repeat(ground[None], frames, axis=0)
    top, left, colour = random.integers(40, 60), random.integers(10, 60), random.integers(0, 255, 3)
    for number in range(frames):
        x = int(left + speed * number)
        clip[number, top : top + 40, x : x + 14] = colour
    return np.rint(clip).astype(np.uint8)


def with_noise(frames: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def frozen(seed: int) -> np.ndarray:
    return np.repeat(scene(seed)[10:11], 33, axis=0)


def judged(frames: np.ndarray, quality: float = 6) -> str:
    return (verdict(examine(encode_mp4(frames, 15, quality), SHAPE)) or "accepted").partition(":")[0]


@pytest.mark.parametrize("seed", range(3))
def test_noise_on_a_frozen_clip_is_not_movement_and_a_slow_walk_is(seed: int) -> None:
    noisy, slow = with_noise(frozen(seed), 6), scene(seed, speed=0.25)
    assert score_clip(noisy)["motion"] > 5 * score_clip(slow)["motion"], (
        "the mean difference has it the wrong way round"
    )
    assert judged(noisy) == judged(frozen(seed)) == "static"
    assert judged(slow) == "accepted"


def test_a_still_picture_that_brightens_is_still() -> None:
    fading = frozen(1).astype(np.float64) * 0.8 + np.linspace(0, 25, 33)[:, None, None, None]
    assert judged(fading.astype(np.uint8)) == "static"


def test_scores_are_those_of_the_file_as_a_viewer_sees_it() -> None:
    """At the lowest quality the file differs from the frames that went in."""
    frames = with_noise(scene(2), 20)
    mp4 = encode_mp4(frames, 15, 1)
    stored, seen, drawn = examine(mp4, SHAPE), score_clip(decode_video(mp4)), score_clip(frames)
    for name in SCORES:
        assert stored[name] == pytest.approx(seen[name], abs=1.5)
    assert abs(stored["motion"] - drawn["motion"]) > 5


def test_a_whole_file_has_every_score_and_no_defect() -> None:
    found = examine(encode_mp4(scene(0), 15), SHAPE)
    assert found["defect"] is None
    assert set(SCORES) < set(found)
    assert found["fingerprint"]


def test_a_file_without_scores_says_why() -> None:
    mp4 = encode_mp4(scene(0), 15)
    assert list(examine(mp4[: len(mp4) // 2], SHAPE)) == ["defect"]
    assert examine(encode_mp4(scene(0, frames=20), 15), SHAPE)["defect"] == "has 20 frames instead of 33"


def test_a_file_that_lasts_longer_than_its_frames_is_found() -> None:
    """33 frames at 15 a second with a gap of a second in the middle."""
    target = io.BytesIO()
    with av.open(io.BytesIO(encode_mp4(scene(0), 15))) as source, av.open(target, "w", format="mp4") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux() if packet.dts is not None):
            later = int(1 / packet.time_base) if number > 16 else 0
            packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, stream
            container.mux(packet)
    assert "frames per second instead of 15" in examine(target.getvalue(), SHAPE)["defect"]


def test_a_score_that_a_card_lacks_rejects_nothing() -> None:
    """Cards of clips made before a score existed."""
    scores = {"motion": 0.1, "brightness": 90.0, "contrast": 30.0, "flicker": 1.0}
    assert verdict(scores) is None
    assert verdict({**scores, "movement": None}) is None
    assert verdict({**scores, "movement": DEFAULT_THRESHOLDS["movement_min"] - 0.1}).startswith("static: movement")


# -- fingerprints ----------------------------------------------------------------------------------------------------


def _distance(one: np.ndarray, other: np.ndarray, quality: float = 6) -> int:
    left, right = (
        prints.unpack(examine(encode_mp4(frames, 15, q), SHAPE)["fingerprint"])
        for frames, q in ((one, 6), (other, quality))
    )
    assert left is not None and right is not None
    return int(np.abs(left.astype(int) - right.astype(int)).max())


LIMIT = DEFAULT_THRESHOLDS["distance_min"]


def test_the_same_frames_stay_near_through_encoding_noise_and_brightness() -> None:
    clip = scene(5)
    assert _distance(clip, clip) == 0
    assert _distance(clip, clip, quality=4.5) < LIMIT
    assert _distance(clip, with_noise(clip, 8)) < LIMIT
    brighter = np.clip(clip * 1.05 + 4, 0, 255).astype(np.uint8)
    assert _distance(clip, brighter) < LIMIT


def test_the_same_place_with_another_person_or_movement_is_far() -> None:
    clip = scene(5)
    faster = scene(5, speed=3.5)
    recoloured = clip.copy()
    person = (clip != np.median(clip, axis=0)).any(axis=-1)
    recoloured[person] = 255 - recoloured[person]
    assert _distance(clip, faster) > LIMIT
    assert _distance(clip, recoloured) > LIMIT


def test_clips_of_other_places_are_far() -> None:
    assert min(_distance(scene(seed), scene(seed + 1)) for seed in range(4)) > 2 * LIMIT


def test_a_fingerprint_is_small_and_one_of_another_make_is_none() -> None:
    text = examine(encode_mp4(scene(0), 15), SHAPE)["fingerprint"]
    value = prints.unpack(text)
    assert value is not None and value.shape == (prints.BYTES,)
    assert len(text) < 600, "it stands on every recipe card"
    for other in (None, "", "AAAA", "not base64!"):
        assert prints.unpack(other) is None
    assert prints.fingerprint([np.zeros((12, 8), np.uint8)]) is None, "a picture of 8 by 8 has too few pixels"
