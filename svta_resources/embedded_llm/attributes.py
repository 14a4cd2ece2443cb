"""Age, gender, culture, environment and camera of a caption by plain words; what no word says is unknown."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from svta_resources.embedded_llm.data_files import read_data

UNKNOWN = "unknown"


def read_attributes(caption: str) -> dict[str, str]:
    """Read the five attributes of a caption; of several people the first one named counts as the main person.

    Returns age, gender, culture, environment and camera, each a value of `data/attributes.yaml` or `unknown`.
    """
    said, words = caption.lower(), _vocabulary()
    age, gender = _person(said, words)
    return {
        "age": age or UNKNOWN,
        "gender": gender or UNKNOWN,
        "culture": words.cultures.first(said) or UNKNOWN,
        "environment": words.environments.first(said) or UNKNOWN,
        "camera": words.cameras.first(said) or UNKNOWN,
    }


class _Phrases:
    """Finds the phrase that comes first in a text, the longest of several at one place."""

    def __init__(self, values: Mapping[str, Iterable[str]]) -> None:
        self._value = {phrase: value for value, phrases in values.items() for phrase in phrases}
        self._pattern = re.compile(rf"\b({_alternatives(self._value)})s?\b")

    def first(self, text: str) -> str | None:
        found = self._pattern.search(text)
        return self._value[found[1]] if found else None


@dataclass(frozen=True)
class _Vocabulary:
    people: re.Pattern[str]
    cultures: _Phrases
    environments: _Phrases
    cameras: _Phrases
    data: Mapping[str, Any]


@cache
def _vocabulary() -> _Vocabulary:
    data = read_data("attributes")
    cities = read_data("common")["cultures"]
    cultures = {name: [*map(str.lower, cities[name]), *words] for name, words in data["cultures"].items()}
    adjective, noun = _alternatives(data["ages"]), _alternatives(data["people"])
    people = re.compile(rf"\b(?:({adjective})\s+(?:[\w-]+\s+){{0,2}}?)?({noun})s?\b")
    return _Vocabulary(people, _Phrases(cultures), _Phrases(data["environments"]), _Phrases(data["cameras"]), data)


def _person(said: str, words: _Vocabulary) -> tuple[str | None, str | None]:
    """Age and gender of the first person named, the gender by a pronoun where no noun gives it."""
    age: str | None = None
    gender: str | None = None
    if found := words.people.search(said):
        adjective, noun = found.groups()
        age, gender = words.data["people"][noun]
        if age is None or adjective in words.data["teenagers"]:
            age = words.data["ages"].get(adjective)
    if gender is None:
        pronoun = next((word for word in re.findall(r"[a-z]+", said) if word in words.data["pronouns"]), None)
        gender = words.data["pronouns"].get(pronoun)
    return age, gender


def _alternatives(phrases: Iterable[str]) -> str:
    return "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
