"""Descriptions from a template grammar: an action, a person, a place and a time, put into one of a few sentences.

Whatever the caller asks for (age, gender, culture, environment, camera) is used as asked; the rest (clothes, time,
weather, wording) is drawn by the slot's index, spread evenly over the slots of a category.
"""

import re
from collections.abc import Mapping
from typing import Any

from svta_resources.embedded_llm.data_files import read_data
from svta_resources.errors import SvtaError
from svta_resources.sampling import balanced, pick

PRONOUNS = {
    "female": {"he": "she", "his": "her", "him": "her", "his2": "hers", "himself": "herself"},
    "male": {"he": "he", "his": "his", "him": "him", "his2": "his", "himself": "himself"},
}
ATTRIBUTES = ("age", "gender", "culture", "environment", "camera")


class GrammarError(SvtaError):
    """The grammar has no words for what was asked."""


def describe(category: str, index: int, attributes: Mapping[str, str], nonce: int = 0) -> str:
    """Write description number `index` of a seed category: one English sentence of 8 to 45 words.

    Args:
        attributes: age, gender, culture, environment, camera; values as in `svta_assets/prompts/attributes.yaml`.
        nonce: another number gives another sentence for the same slot.
    Raises:
        GrammarError: an unknown category or attribute value.
    """
    common = read_data("common")
    _check(attributes, common)
    draw = _Draw(category, index, nonce)
    gender, place = attributes["gender"], common["places"][attributes["environment"]]
    camera = common["cameras"][attributes["camera"]]
    city = pick(common["cultures"][attributes["culture"]], category, index, nonce, "city")
    person = common["people"][attributes["age"]][gender]
    words = {
        "who": f"a {person} in a {draw.of(common['colours'], 'colour')} {draw.of(_garments(gender), 'garment')}",
        "does": _action(category, gender, draw),
        "where": f"{draw.of(place['say'], 'place')} in {city}",
        "when": _when(common, draw, attributes["culture"], indoor=place.get("indoor", False)),
        "camera": camera["subject"],
        "filmed": camera["phrase"],
    }
    sentence = draw.of(common["frames"], "frame").format(**words)
    return _article_fixed(sentence[0].upper() + sentence[1:])


def describable() -> list[str]:
    """The seed categories the grammar knows."""
    return [key for key in read_data("actions") if key != "vehicles"]


class _Draw:
    """Draws for one slot; each kind of draw is shuffled on its own."""

    def __init__(self, category: str, index: int, nonce: int) -> None:
        self._salt: tuple[str | int, ...] = (category, nonce)
        self._index = index

    def of(self, options: Any, what: str) -> str:
        chosen: str = balanced(options, self._index, what, *self._salt)
        return chosen


def _check(attributes: Mapping[str, str], common: Mapping[str, Any]) -> None:
    known = {
        "age": list(common["people"]),
        "gender": list(PRONOUNS),
        "culture": list(common["cultures"]),
        "environment": list(common["places"]),
        "camera": list(common["cameras"]),
    }
    for name in ATTRIBUTES:
        if attributes.get(name) not in known[name]:
            raise GrammarError(
                f"the embedded grammar has no words for {name}={attributes.get(name)!r}; it knows "
                f"{', '.join(known[name])}. Add it to svta_resources/embedded_llm/data/common.yaml"
            )


def _action(category: str, gender: str, draw: _Draw) -> str:
    actions = read_data("actions")
    if category not in actions or category == "vehicles":
        raise GrammarError(
            f"the embedded grammar cannot describe {category!r}; it knows {', '.join(describable())}. "
            "Add actions to svta_resources/embedded_llm/data/actions.yaml"
        )
    action = draw.of(actions[category], "action")
    return action.format(**PRONOUNS[gender], vehicle=draw.of(actions["vehicles"], "vehicle"), other=_other_person(draw))


def _other_person(draw: _Draw) -> str:
    common = read_data("common")
    gender = draw.of(["male", "female"], "other gender")
    person = common["people"]["middle-aged"][gender]
    garment = draw.of(_garments(gender), "other garment")
    return f"a {person} in a {draw.of(common['colours'], 'other colour')} {garment}"


def _garments(gender: str) -> list[str]:
    garments: list[str] = read_data("common")["garments"][gender]
    return garments


def _when(common: Mapping[str, Any], draw: _Draw, culture: str, indoor: bool) -> str:
    time = draw.of(common["times"], "time")
    weather = "" if indoor else draw.of(common["weather"], "weather")
    if weather == common["sunny"] and time not in common["day_times"]:
        weather = ""
    if weather == common["snowy"] and culture not in common["snow_cultures"]:
        weather = ""
    return f"{time} {weather}".strip()


def _article_fixed(sentence: str) -> str:
    """Put "an" before a vowel sound ("an elderly woman", "an orange coat"); none of our words is an exception."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", sentence)
