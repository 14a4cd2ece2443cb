"""The grammar: distinct, readable, true to what was asked, the same everywhere."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.categories import load_categories
from svta_assets.prompts import attribute_options, attributes
from svta_resources.embedded_llm.data_files import read_data
from svta_resources.embedded_llm.grammar import GrammarError, describable, describe
from svta_resources.sampling import balanced

SEEDS = [one.key for one in load_categories() if one.origin == "seed"]
SLOTS = 200
KEYWORD = {
    "throw": "throw",
    "running": r"\b(run|sprint)",
    "falling": "fall|faint",
    "fighting": "fight|blows",
    "sleeping": "sleep",
    "crawling": "crawl",
    "having-a-seizure": "seizure",
    "laying-down": r"\blie",
    "dancing": "danc",
    "stealing": "steal",
    "rotating-360-degrees": "360 degrees",
    "shuffling": "shuffl",
    "walking-injured": "limp|injured",
    "walking-drunk": "drunk",
    "stumbling-walk": "stumbl",
    "people-and-car-accident": "struck|knocked down",
    "car-crash": "crash",
    "running-injured": r"\bruns.*(limp|injured)",
    "fire": "fire|flames|burning",
    "smoke": "smoke",
    "jaywalking": "jaywalk",
    "driving-outside-lane": "lane|across the line",
    "jumping": "jump",
}


def written(category: str, count: int = SLOTS) -> list[str]:
    return [describe(category, index, attributes(category, index)) for index in range(count)]


def test_all_seeds_of_the_paper_can_be_described():
    assert describable() == SEEDS and len(SEEDS) == 23 and set(KEYWORD) == set(SEEDS)


def test_descriptions_are_distinct_within_and_across_categories():
    everything = [caption for key in SEEDS for caption in written(key)]
    assert len(set(everything)) == len(SEEDS) * SLOTS


@pytest.mark.parametrize("category", SEEDS)
def test_description_says_what_happens_to_whom_in_what_clothes_where_and_when(category):
    common = read_data("common")
    times = "|".join(common["times"])
    colours = "|".join(common["colours"])
    for index, caption in enumerate(written(category)):
        asked = attributes(category, index)
        place = common["places"][asked["environment"]]
        assert 8 <= len(caption.split()) <= 45
        assert re.search(KEYWORD[category], caption, re.IGNORECASE), caption
        assert common["people"][asked["age"]][asked["gender"]] in caption
        assert re.search(rf"\bin an? ({colours}) ", caption), caption
        assert re.search(times, caption, re.IGNORECASE), caption
        assert any(words.lower() in caption.lower() for words in place["say"]), caption
        assert any(city in caption for city in common["cultures"][asked["culture"]]), caption
        assert caption[0].isupper() and caption.endswith(".") and "{" not in caption and "  " not in caption
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", caption), caption


def test_indoor_scenes_have_no_weather_and_no_drone():
    common = read_data("common")
    weather = [words for words in common["weather"] if words]
    for category in SEEDS:
        for index in range(SLOTS):
            asked = attributes(category, index)
            if common["places"][asked["environment"]].get("indoor"):
                caption = describe(category, index, asked)
                assert not any(words in caption for words in weather) and asked["camera"] != "drone", caption


def test_every_attribute_that_can_be_drawn_has_words():
    common = read_data("common")
    sides = {"camera": "cameras", "culture": "cultures", "age": "people", "environment": "places"}
    for category in SEEDS:
        for name, values in attribute_options(category).items():
            known = sides.get(name.split()[-1])
            assert set(values) <= (set(common[known]) if known else {"female", "male"}), (category, name)


def test_indoor_places_are_the_same_in_both_files():
    from svta_assets.prompts import _read

    places = read_data("common")["places"]
    assert {name for name, place in places.items() if place.get("indoor")} == set(_read("attributes.yaml")["indoor"])


def test_attributes_cover_their_values_evenly():
    for category in SEEDS:
        for name, values in attribute_options(category).items():
            if "camera" not in name:
                drawn = [attributes(category, index)[name] for index in range(50)]
                counts = [drawn.count(value) for value in values]
                assert max(counts) - min(counts) <= 1, (category, name, counts)


@settings(max_examples=50)
@given(st.lists(st.integers(), min_size=1, max_size=20, unique=True), st.integers(0, 200), st.text(max_size=5))
def test_balanced_draws_use_each_option_once_a_block(options, block, salt):
    start = block * len(options)
    drawn = [balanced(options, index, salt) for index in range(start, start + len(options))]
    assert sorted(drawn) == sorted(options)


def test_another_nonce_gives_another_sentence_for_the_same_request():
    asked = attributes("falling", 3)
    sentences = {describe("falling", 3, asked, nonce) for nonce in range(10)}
    assert len(sentences) == 10


def test_unknown_words_are_errors_that_name_the_file():
    asked = attributes("falling", 0)
    with pytest.raises(GrammarError, match=r"environment='moon'.*common\.yaml"):
        describe("falling", 0, {**asked, "environment": "moon"})
    with pytest.raises(GrammarError, match=r"flying.*actions\.yaml"):
        describe("flying", 0, asked)


def test_other_processes_write_the_same():
    program = (
        "from svta_assets.prompts import attributes;from svta_resources.embedded_llm.grammar import describe;"
        "print([describe(c, i, attributes(c, i)) for c in ('falling', 'fire') for i in range(20)])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.strip() == str(written("falling", 20) + written("fire", 20))
