"""Attributes of collected texts by the embedded rules: what the words say, and nothing that they do not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.categories import load_categories
from svta_assets.prompts import ATTRIBUTES, attributes, load_prompt
from svta_resources.embedded_llm.attributes import UNKNOWN, read_attributes
from svta_resources.embedded_llm.data_files import read_data
from svta_resources.embedded_llm.grammar import describe

LISTED = {name: load_prompt("label").schema["properties"][name]["enum"] for name in ATTRIBUTES}


def said(caption: str) -> dict[str, str]:
    """What is known of a caption."""
    return {name: value for name, value in read_attributes(caption).items() if value != UNKNOWN}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man in black robs an elderly woman in a store.", {"gender": "male", "environment": "shop"}),
        ("An elderly woman crosses the road.", {"age": "elderly", "gender": "female", "environment": "street"}),
        ("Two young men fight.", {"age": "young adult", "gender": "male"}),
        ("A young girl falls off a swing set.", {"age": "child", "gender": "female", "environment": "playground"}),
        ("A teenage boy jumps.", {"age": "teenager", "gender": "male"}),
        ("A child runs, and she falls.", {"age": "child", "gender": "female"}),
        ("Kids run about.", {"age": "child"}),
        ("A middle-aged man in a red coat waits.", {"age": "middle-aged", "gender": "male"}),
        ("The old car hits a man.", {"gender": "male"}),
        ("In the surveillance video a car turns at the intersection.", {
            "camera": "fixed security camera", "environment": "intersection",
        }),
        ("At dusk on a street in Seoul, filmed by a drone from above.", {
            "culture": "East Asian", "environment": "street", "camera": "drone",
        }),
        ("A woman manages her humanity.", {"gender": "female"}),
        ("Something happens.", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_words_decide(caption: str, expected: dict[str, str]) -> None:
    assert said(caption) == expected


@given(st.text(max_size=200))
def test_any_text_gets_values_that_the_question_lists(caption: str) -> None:
    found = read_attributes(caption)
    assert tuple(found) == ATTRIBUTES
    assert all(found[name] in LISTED[name] for name in ATTRIBUTES)


def test_every_value_of_the_word_lists_is_listed() -> None:
    data = read_data("attributes")
    people = [age for age, _ in data["people"].values() if age]
    assert {*people, *data["ages"].values()} <= set(LISTED["age"])
    assert {*data["pronouns"].values(), *(gender for _, gender in data["people"].values() if gender)} < set(
        LISTED["gender"]
    )
    for name, words in (("environment", "environments"), ("camera", "cameras"), ("culture", "cultures")):
        assert set(data[words]) == set(LISTED[name]) - {UNKNOWN}


def test_written_descriptions_are_read_as_they_were_asked_for() -> None:
    """The grammar's sentences name what was asked; "man" and "woman" say no age, and not every sentence the camera."""
    seeds = [one.key for one in load_categories() if one.origin == "seed"]
    wrong, silent, total = dict.fromkeys(ATTRIBUTES, 0), dict.fromkeys(ATTRIBUTES, 0), 0
    for key in seeds:
        for index in range(20):
            asked = attributes(key, index)
            found = read_attributes(describe(key, index, asked))
            total += 1
            for name in ATTRIBUTES:
                wrong[name] += found[name] not in (asked[name], UNKNOWN)
                silent[name] += found[name] == UNKNOWN
    assert all(count <= 0.05 * total for count in wrong.values()), wrong
    assert silent["gender"] == silent["environment"] == silent["culture"] == 0, silent
