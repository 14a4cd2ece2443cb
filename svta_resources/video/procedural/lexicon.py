"""The word lists of `lexicon.yaml`, ready for looking up phrases in captions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

LEXICON_FILE = Path(__file__).with_name("lexicon.yaml")
STRENGTHS = {"strong": 6, "usual": 3, "weak": 1}
SKIPPED = frozenset({"a", "an", "the", "his", "her", "their", "its", "my", "your", "this", "that"})
DEFINITE = frozenset({"the", "this", "that"})
_TOKEN = re.compile(r"[a-z]+|\d+")
_VOWELS = "aeiou"


@dataclass(frozen=True)
class Token:
    """A word of a caption; `definite` when "the" or "this" stood before it."""

    word: str
    definite: bool


@dataclass(frozen=True)
class Match:
    """An entry found in a caption: tokens `start` to `end` (exclusive) mean `name`."""

    start: int
    end: int
    name: str
    points: int = 1


def tokenize(caption: str) -> list[Token]:
    """Split a caption into lower-case words without articles and possessives."""
    tokens, definite = [], False
    for word in _TOKEN.findall(caption.lower().replace("'s", "").replace("\u2019s", "")):
        if word in SKIPPED:
            definite = definite or word in DEFINITE
        else:
            tokens.append(Token(word, definite))
            definite = False
    return tokens


class Vocabulary:
    """Phrases with a meaning each; finds the longest at every position of a caption."""

    def __init__(self, irregular: Mapping[str, list[str]]) -> None:
        self._irregular = irregular
        self._meanings: dict[tuple[str, ...], tuple[str, int]] = {}
        self._longest = 1

    def add(self, name: str, entries: Iterable[str], points: int = 1) -> None:
        """Let every form of every entry mean `name`; the first meaning of a phrase stays."""
        for entry in entries:
            words = [self._forms(word) for word in str(entry).replace("-", " ").split() if word not in SKIPPED]
            for phrase in product(*words):
                self._meanings.setdefault(phrase, (name, points))
                self._longest = max(self._longest, len(phrase))

    def find(self, tokens: list[Token]) -> Iterator[Match]:
        """Yield the matches from left to right; they do not overlap."""
        words, start = [token.word for token in tokens], 0
        while start < len(words):
            match = self.at(words, start)
            if match:
                yield match
            start = match.end if match else start + 1

    def at(self, words: list[str], start: int) -> Match | None:
        """Return the longest match that begins at `start`."""
        for end in range(min(len(words), start + self._longest), start, -1):
            meaning = self._meanings.get(tuple(words[start:end]))
            if meaning:
                return Match(start, end, *meaning)
        return None

    def _forms(self, word: str) -> list[str]:
        if word.endswith("~"):
            stem = word[:-1]
            return [stem, *self._irregular.get(stem, ())] if stem in self._irregular else verb_forms(stem)
        if word.endswith("+"):
            return [word[:-1], _third_person(word[:-1])]
        return [word]


def verb_forms(stem: str) -> list[str]:
    """Inflect a regular verb: (rob) -> rob, robs, robbed, robbing."""
    if stem.endswith("e"):
        return [stem, stem + "s", stem + "d", stem[:-1] + "ing"]
    if stem.endswith("y") and stem[-2] not in _VOWELS:
        return [stem, _third_person(stem), stem[:-1] + "ied", stem + "ing"]
    vowels = sum(letter in _VOWELS for letter in stem)
    doubled = vowels == 1 and stem[-2] in _VOWELS and stem[-1] not in _VOWELS + "wxy"
    base = stem + stem[-1] if doubled else stem
    return [stem, _third_person(stem), base + "ed", base + "ing"]


def _third_person(stem: str) -> str:
    if stem.endswith(("s", "x", "z", "ch", "sh")):
        return stem + "es"
    if stem.endswith("y") and stem[-2] not in _VOWELS:
        return stem[:-1] + "ies"
    return stem + "s"


@dataclass(frozen=True)
class Lexicon:
    """Every vocabulary of the lexicon file; `people` marks the plural by a `*` after the name."""

    colours: Vocabulary
    clothing: Vocabulary
    people: Vocabulary
    places: Vocabulary
    light: Vocabulary
    weather: Vocabulary
    vehicles: Vocabulary
    things: Vocabulary
    cameras: Vocabulary
    actions: Vocabulary
    action_order: tuple[str, ...]
    counts: Mapping[str, int]
    couples: frozenset[str]
    combine: tuple[tuple[str, str, str], ...]
    categories: Mapping[str, str]

    def action_of_category(self, category: str) -> str | None:
        """Return the action for a generation category: the entry that is its longest beginning."""
        begins = [key for key in self.categories if category == key or (key.endswith("-") and category.startswith(key))]
        return self.categories[max(begins, key=len)] if begins else None


@cache
def load_lexicon(path: Path = LEXICON_FILE) -> Lexicon:
    """Read a lexicon file."""
    import yaml

    data: dict[str, Any] = yaml.load(
        path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    irregular = data["irregular"]

    def plain(section: str) -> Vocabulary:
        vocabulary = Vocabulary(irregular)
        for name, entries in data[section].items():
            vocabulary.add(name, entries)
        return vocabulary

    people = Vocabulary(irregular)
    for name, forms in data["people"].items():
        people.add(name, forms["one"])
        people.add(name + "*", forms["many"])
    actions = Vocabulary(irregular)
    for strength, points in STRENGTHS.items():  # strong first: the first meaning of a phrase stays
        for name, entries in data["actions"].items():
            actions.add(name, entries.get(strength, ()), points)
    sections = ("colours", "clothing", "places", "light", "weather", "vehicles", "things", "cameras")
    return Lexicon(
        people=people,
        actions=actions,
        action_order=tuple(data["actions"]),
        counts=data["counts"],
        couples=frozenset(data["couples"]),
        combine=tuple(tuple(rule) for rule in data["combine"]),
        categories=data["categories"],
        **{section: plain(section) for section in sections},
    )
