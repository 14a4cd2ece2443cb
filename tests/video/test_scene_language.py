"""The scene language: what of a caption reaches the clip's row, and word lists that people can extend."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.texts.collect import read_sources
from svta_resources.video.procedural.generator import ProceduralGenerator
from svta_resources.video.procedural.lexicon import WORDS, check_names, load_lexicon
from svta_resources.video.procedural.lexicon_file import LexiconError
from svta_resources.video.procedural.reading import read_caption

KEYS = {
    "action", "action_from", "neutral", "people", "vehicles", "things", "place", "place_named", "indoors", "light",
    "weather", "camera",
}  # fmt: skip
PERSON = {"kind", "gender", "age", "top", "bottom", "hat", "hair", "mask", "bag", "long"}


def describe(caption: str, category: str | None = None) -> dict[str, Any]:
    return ProceduralGenerator().describe(caption, category=category)


def test_who_is_described_by_age_gender_clothes_and_number() -> None:
    scene = describe("An elderly woman in a red coat and two boys in blue shirts walk along a street.")
    assert [(one["gender"], one["age"], one["top"]) for one in scene["people"]] == [
        ("female", "old", "red"),
        ("male", "child", "blue"),
        ("male", "child", "blue"),
    ]
    assert set(scene["people"][0]) == PERSON


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ("in a kitchen", "indoors", True),
        ("in the park", "indoors", False),
        ("in the rain", "weather", "rain"),
        ("in thick fog", "weather", "fog"),
        ("at night", "light", "night"),
        ("at dawn", "light", "morning"),
        ("seen from a ceiling camera", "camera", "cctv"),
        ("filmed with a handheld phone", "camera", "handheld"),
        ("in a close-up", "camera", "close"),
        ("filmed by a drone from above", "camera", "wide"),
        ("recorded by a dashboard camera", "camera", "dashcam"),
    ],
)
def test_where_and_how_it_is_filmed_is_described(words: str, key: str, value: object) -> None:
    assert describe(f"A man walks {words}.")[key] == value


@pytest.mark.parametrize(
    ("words", "thing"),
    [
        ("a knife", "knife"), ("a pistol", "gun"), ("a black bag", "bag"), ("the shelves", "shelf"), ("a door", "door"),
        ("flames", "fire"), ("smoke", "smoke"), ("a puddle", "water"), ("a dog", "dog"), ("a horse", "horse"),
    ],
)  # fmt: skip
def test_things_are_described(words: str, thing: str) -> None:
    assert thing in describe(f"A man stands beside {words}.")["things"]


def test_vehicles_are_described_with_their_colour() -> None:
    assert describe("A man walks past a green van.")["vehicles"] == [{"kind": "van", "colour": "green"}]


def test_the_place_that_is_drawn_is_told_from_one_that_is_named() -> None:
    named, usual = describe("A man eats in an office."), describe("A man eats.")
    assert (named["place"], named["place_named"]) == ("office", True)
    assert (usual["place"], usual["place_named"]) == ("restaurant", False)


@pytest.mark.parametrize(
    ("caption", "category", "origin", "neutral"),
    [
        ("A man runs.", "fire", "caption", False),
        ("A man in red.", "fire", "category", True),
        ("A man in red.", "normal-03", "default", True),
        ("Above", None, "default", True),
    ],
)
def test_the_scene_says_what_the_action_was_read_from(
    caption: str, category: str | None, origin: str, neutral: bool
) -> None:
    scene = describe(caption, category)
    assert (scene["action_from"], scene["neutral"]) == (origin, neutral)


@given(st.text(max_size=80), st.sampled_from(["fire", "normal-00", "unintentional-fall", "no such category"]))
def test_every_text_has_a_scene_of_the_same_keys_that_json_keeps(caption: str, category: str) -> None:
    scene = describe(caption, category)
    assert set(scene) == KEYS
    assert json.loads(json.dumps(scene)) == scene


def _words(folder: Path, file: str, old: str, new: str) -> Path:
    """Copy the word lists and change one text in them."""
    shutil.copytree(WORDS, folder / "words")
    path = folder / "words" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder / "words"


def test_people_can_add_words(tmp_path: Path) -> None:
    words = _words(tmp_path, "actions.yaml", "strong: [seizure+,", "strong: [flops about, seizure+,")
    scene = read_caption("A man flops about on the floor.", load_lexicon(words))
    assert (scene.action, scene.action_from) == ("having-a-seizure", "caption")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("entities.yaml", "umbrella: [umbrella+]", "umbrella: umbrella+", r"entities\.yaml: things -> umbrella is 'umb"),
        ("entities.yaml", "umbrella: [umbrella+]", "umbrella: [yes]", r"things -> umbrella has True, which is no text"),
        ("entities.yaml", "umbrella: [umbrella+]", "umbrella: ['~']", r"things -> umbrella has the entry '~'"),
        ("entities.yaml", "umbrella: [umbrella+]", "umbrella: [<persons>]", r"umbrella has the entry '<persons>'"),
        ("entities.yaml", "umbrella: [umbrella+]", "umbrella: [umbrella+", r"entities\.yaml is no valid YAML"),
        ("entities.yaml", "five: 5,", "five: many,", r"counts -> five is 'many'\. Give a number"),
        ("entities.yaml", "\nweather:", "\nwether:", r"unknown section 'wether'"),
        ("actions.yaml", "strong: [seizure+,", "sure: [seizure+,", r"actions -> having-a-seizure has 'sure'"),
        ("actions.yaml", "  throw: throw", "  throw: thro", r"categories -> throw names the action 'thro'"),
        ("actions.yaml", "[stumbling-walk, trip, trip]", "[stumbling-walk, trip]", r"combine has \['stumbling-walk"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_word_lists_is_named(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        load_lexicon(_words(tmp_path, file, old, new))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    shutil.copytree(WORDS, tmp_path / "words")
    (tmp_path / "words" / "actions.yaml").unlink()
    with pytest.raises(LexiconError, match="no file has the section 'fillers'"):
        load_lexicon(tmp_path / "words")


def test_a_name_that_nothing_draws_is_refused(tmp_path: Path) -> None:
    words = _words(tmp_path, "entities.yaml", "\n  beach: [", "\n  moon: [moon]\n  beach: [")
    with pytest.raises(LexiconError, match=r"places has 'moon', which the generator cannot draw\. Use one of: .*beach"):
        check_names(load_lexicon(words), {"places": load_lexicon().names["places"]})


@pytest.fixture(scope="module")
def real_captions() -> list[str]:
    """Every UCA and UCFCrime-AR text; skips where the sources are not."""
    folder = os.environ.get("SVTA_SOURCES_DIR")
    if not folder:
        pytest.skip("needs SVTA_SOURCES_DIR")
    readings = read_sources(Path(folder))
    return [text for reading in readings for text in reading.records["raw"]]


def test_most_real_sentences_name_an_entity_and_an_action(real_captions: list[str]) -> None:
    assert len(real_captions) >= 25_442
    lexicon = load_lexicon()
    understood = sum(read_caption(caption, lexicon).understood for caption in real_captions)
    assert understood >= 0.7 * len(real_captions)
