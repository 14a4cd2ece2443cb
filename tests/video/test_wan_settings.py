"""Settings of Wan clips: the paper's are the default, and nothing is accepted that the model would silently change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.presets import PRESETS, preset_named
from svta_resources.video.wan.settings import WanSettings

PAPER = {"height": 480, "width": 832, "frames": 33, "fps": 15, "quality": 6, "tea_cache_threshold": 0.08}


def test_the_papers_settings_are_the_default() -> None:
    settings = WanSettings.of(preset_named("wan2.1-t2v-14b")).to_dict()
    assert {name: settings[name] for name in PAPER} == PAPER
    assert settings["tea_cache_model_id"] == "Wan2.1-T2V-14B"
    assert settings["fp8"] == "rounded"


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"frames": 34}, "Set frames to 33 or 37"),
        ({"frames": 65 + 1}, "Set frames to 65 or 69"),
        ({"height": 100}, "Set 96 or 112"),
        ({"width": 0}, "multiple of 16"),
        ({"fp8": "int4"}, "none, storage, rounded, w8a8"),
        ({"tea_cache_threshold": 0.0}, "above 0"),
        ({"steps": 1}, "at least 2"),
        ({"quality": 11}, "0 to 10"),
        ({"size": 480}, "size"),
    ],
)
def test_what_the_model_would_change_or_ignore_is_refused(chosen: dict[str, object], says: str) -> None:
    with pytest.raises(GeneratorError, match=says):
        WanSettings.of(preset_named("wan2.1-t2v-14b"), **chosen)


@given(st.integers(1, 200), st.integers(1, 2000))
def test_the_sizes_that_are_offered_instead_are_accepted(frames: int, height: int) -> None:
    for name, value in (("frames", frames), ("height", height)):
        try:
            WanSettings.of(PRESETS["tiny"], **{name: value})
        except GeneratorError as error:
            numbers = [int(word.strip(".")) for word in str(error).split() if word.strip(".").isdigit()][-2:]
            assert numbers[0] != value
            for number in numbers:
                WanSettings.of(PRESETS["tiny"], **{name: number})


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(GeneratorError, match=r"wan:wan2\.1-t2v-14b, wan:wan2\.1-t2v-1\.3b, wan:tiny"):
        preset_named("wan3")
