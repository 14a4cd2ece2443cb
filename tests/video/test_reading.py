"""Captions to scenes: who, what, where, when, in which colours."""

from pathlib import Path

import pytest

from svta_assets.texts.readers.packaged import __file__ as _packaged_reader
from svta_resources.video.procedural.lexicon import Vocabulary, load_lexicon, tokenize, verb_forms
from svta_resources.video.procedural.reading import read_caption
from svta_resources.video.procedural.scene import Scene

PACKAGED = Path(_packaged_reader).parents[1] / "packaged"


def read(caption: str, category: str | None = None) -> Scene:
    return read_caption(caption, load_lexicon(), category)


@pytest.mark.parametrize(
    ("caption", "action"),
    [
        ("A man punches another man in a fight.", "fighting"),
        ("A boy lies asleep under a coat.", "sleeping"),
        ("A man runs with a limp and holds his injured leg.", "running-injured"),
        ("A woman walks drunk and sways.", "walking-drunk"),
        ("A man fires a pistol at a car.", "shooting"),
        ("A man sets fire to a bin.", "arson"),
        ("A car drives along the street.", "driving"),
        ("A white car stops at a petrol station and a man gets fuel.", "driving"),
        ("A red car hits a man on a bicycle at a crossing.", "road-accidents"),
        ("A man is struck by a red car.", "people-and-car-accident"),
        ("An old man strolls through the park in the afternoon.", "walking"),
        ("A woman waits at the bus stop.", "standing"),
        # words that mean another thing than they seem to
        ("A man moves two washing machines.", "walking"),
        ("A policeman enters the room.", "walking"),
        ("A police car chases a black car.", "driving"),
        ("A wide shot of two girls running on a beach.", "running"),
        ("A man turns around and walks to the door.", "walking"),
        ("A woman pushes a trolley through the shop.", "shopping"),
        ("A man pushes another man.", "fighting"),
        ("A man in white clothes walks along.", "walking"),
        # the same words with and without a vehicle
        ("A man hits a woman.", "assault"),
        ("A red car hits a woman.", "people-and-car-accident"),
        ("Two men run into each other.", "bump"),
        ("A horse runs across a field.", "dog"),
        # a failed action and what goes before it
        ("The dancer fell over while dancing.", "dance-fall"),
        ("The boy fell off his bicycle.", "ride-crash"),
    ],
)
def test_the_action_is_what_the_caption_says(caption: str, action: str) -> None:
    assert read(caption).action == action


def test_clothes_belong_to_whoever_is_mentioned_before_them() -> None:
    first, second = read("A man in a red jacket and blue jeans hits a woman wearing a yellow dress.").figures
    assert (first.kind, first.top, first.bottom) == ("man", "red", "blue")
    assert (second.kind, second.top, second.long) == ("woman", "yellow", "dress")


def test_the_man_again_is_the_same_man_and_another_man_is_not() -> None:
    assert len(read("A man in black enters. The man sits down.").figures) == 1
    assert len(read("The man in grey pushed the man in blue.").figures) == 2
    assert len(read("A man in black talks to another man.").figures) == 2


def test_a_colour_before_its_wearer_is_the_wearers() -> None:
    first, second = read("The green half-sleeved man talks to the red-haired woman.").figures
    assert (first.kind, first.top) == ("man", "green")
    assert (second.kind, second.hair, second.top) == ("woman", "red", None)


def test_who_wears_a_colour_keeps_it_beside_a_vehicle() -> None:
    assert read("A man in red gets off the truck.").figures[0].top == "red"
    assert read("A man in a red truck.").figures[0].top is None


def test_one_person_may_have_two_words() -> None:
    assert [figure.kind for figure in read("A female customer pays.").figures] == ["woman"]
    assert [figure.kind for figure in read("Two male waiters talk.").figures] == ["man", "man"]


def test_nobody_is_there_when_the_caption_says_so() -> None:
    assert read("There are no pedestrians on the street.").figures == ()


def test_pronouns_stand_for_people_only_when_nobody_is_named() -> None:
    assert [figure.kind for figure in read("She dropped the thing she was carrying.").figures] == ["woman"]
    assert [figure.kind for figure in read("The boy says that she runs.").figures] == ["boy"]


def test_who_acts_comes_first_also_in_the_passive() -> None:
    figures = read("A woman in a red coat is robbed of her handbag by a man in grey.").figures
    assert [figure.top for figure in figures] == ["grey", "red"]


@pytest.mark.parametrize(
    ("words", "count"),
    [("Two men", 2), ("Three young girls", 3), ("An elderly couple", 2), ("A boy", 1), ("4 women", 4)],
)
def test_numbers_count_people(words: str, count: int) -> None:
    assert len(read(f"{words} walk in the park.").figures) == count


def test_a_colour_before_a_vehicle_is_the_vehicles() -> None:
    scene = read("A man in a green coat watches a red car and two yellow taxis.")
    assert [(one.kind, one.colour) for one in scene.vehicles] == [
        ("car", "red"),
        ("taxi", "yellow"),
        ("taxi", "yellow"),
    ]
    assert scene.figures[0].top == "green"


def test_place_time_weather_and_camera_are_read() -> None:
    scene = read("A fixed security camera shows a man who walks through a parking lot after midnight in the snow.")
    assert (scene.place, scene.light, scene.weather, scene.camera) == ("parking-lot", "night", "snow", "cctv")


def test_a_place_is_no_action() -> None:
    assert read("A man in the park.").action_from == "default"
    assert read("A man in the park.", "unintentional-slip").action == "slip"


def test_a_caption_without_anything_draws_a_neutral_scene_and_says_so() -> None:
    scene = read("Above")
    assert (scene.action, scene.action_from, scene.understood) == ("standing", "default", False)


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("rob", {"rob", "robs", "robbed", "robbing"}),
        ("carry", {"carry", "carries", "carried", "carrying"}),
        ("dance", {"dance", "dances", "danced", "dancing"}),
        ("punch", {"punch", "punches", "punched", "punching"}),
        ("sway", {"sway", "sways", "swayed", "swaying"}),
    ],
)
def test_verbs_are_inflected(verb: str, forms: set[str]) -> None:
    assert set(verb_forms(verb)) == forms


def test_the_longest_phrase_wins_and_articles_do_not_matter() -> None:
    words = Vocabulary({})
    words.add("fire", ["fire"])
    words.add("shooting", ["fire pistol"])
    assert [match.name for match in words.find(tokenize("They fire a pistol near the fire"))] == ["shooting", "fire"]


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("*.txt")), ids=lambda path: path.stem)
def test_packaged_sentences_show_their_own_category(path: Path) -> None:
    lexicon = load_lexicon()
    sentences = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    scenes = [read(sentence) for sentence in sentences]
    expected = {"normal-00": {"walking"}, "normal-01": {"driving", "parking", "cycling"}}
    actions = expected.get(path.stem) or {lexicon.action_of_category(path.stem) or ""}
    assert sum(scene.action in actions for scene in scenes) >= 0.6 * len(scenes)
    assert all(scene.figures or scene.vehicles for scene in scenes)
