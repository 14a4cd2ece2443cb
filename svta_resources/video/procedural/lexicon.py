"""The word lists of `words/`, ready for looking up phrases in captions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from pathlib import Path

from svta_resources.video.procedural.lexicon_file import STRENGTHS, LexiconError, Sections, read_sections

WORDS = Path(__file__).with_name("words")
NOTHING = "nothing"  # the meaning of a phrase that holds an action's word but is none
PERSON, VEHICLE = "<person>", "<vehicle>"
SKIPPED = frozenset({"a", "an", "the", "his", "her", "their", "its", "my", "your", "this", "that"})
DEFINITE = frozenset({"the", "this", "that"})
STOP = "."  # the token between sentences
_TOKEN = re.compile(r"[a-z]+|\d+|[.!?](?!\S)")
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
    """Split a caption into lower-case words without articles and possessives, with a `STOP` after each sentence."""
    tokens, definite = [], False
    for word in _TOKEN.findall(caption.lower().replace("'s", "").replace("\u2019s", "")):
        if word in ".!?":
            tokens.append(Token(STOP, False))
        elif word in SKIPPED:
            definite = definite or word in DEFINITE
        else:
            tokens.append(Token(word, definite))
            definite = False
    return tokens


class Vocabulary:
    """Phrases with a meaning each; finds the longest at every position of a caption."""

    def __init__(
        self,
        irregular: Mapping[str, list[str]],
        classes: Mapping[str, list[str]] | None = None,
        fillers: Iterable[str] = (),
    ) -> None:
        """Begin empty; `classes` are the words that "<person>" and the like stand for, `fillers` may be passed over."""
        self._irregular, self._classes, self._fillers = irregular, classes or {}, frozenset(fillers)
        self._meanings: dict[tuple[str, ...], tuple[str, int]] = {}
        self._kept: set[tuple[str, str]] = set()  # neighbours in an entry of which one is a filler ("red light")
        self._longest = 1

    def add(self, name: str, entries: Iterable[str], points: int = 1) -> None:
        """Let every form of every entry mean `name`; the first meaning of a phrase stays."""
        for entry in entries:
            words = [self.forms(word) for word in str(entry).replace("-", " ").split() if word not in SKIPPED]
            for phrase in product(*words):
                self._meanings.setdefault(phrase, (name, points))
                self._longest = max(self._longest, len(phrase))
                self._kept.update(pair for pair in pairwise(phrase) if self._fillers.intersection(pair))

    def without_fillers(self, tokens: list[Token]) -> list[Token]:
        """Leave out fillers that no entry needs: "hits another young man" becomes "hits man"."""
        words = ["", *(token.word for token in tokens), ""]
        return [
            token
            for place, token in enumerate(tokens, start=1)
            if token.word not in self._fillers
            or (words[place], words[place + 1]) in self._kept
            or (words[place - 1], words[place]) in self._kept
        ]

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

    def forms(self, word: str) -> list[str]:
        """Return every word that one word of an entry stands for."""
        if word in self._classes:
            return self._classes[word]
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
    """Every vocabulary of the word lists; `people` marks the plural by a `*` after the name.

    Attributes:
        traffic: words of traffic besides vehicles. on_foot: what an action of traffic means without any of them.
        on_wheels: what an action of people means where vehicles are named and nobody.
        combine: two actions of one caption that together mean a third. categories: beginning of a key -> action.
        names: section -> the names that its entries stand for.
    """

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
    traffic: Vocabulary
    on_foot: Mapping[str, str]
    on_wheels: Mapping[str, str]
    action_order: tuple[str, ...]
    counts: Mapping[str, int]
    couples: frozenset[str]
    adjectives: frozenset[str]  # what may stand between "the" and a noun
    pronouns: Mapping[str, tuple[str, int]]
    combine: tuple[tuple[str, str, str], ...]
    categories: Mapping[str, str]
    names: Mapping[str, frozenset[str]]

    def action_of_category(self, category: str) -> str | None:
        """Return the action for a generation category: the entry that is its longest beginning."""
        begins = [key for key in self.categories if category == key or (key.endswith("-") and category.startswith(key))]
        return self.categories[max(begins, key=len)] if begins else None


PLAIN_SECTIONS = ("colours", "clothing", "places", "light", "weather", "vehicles", "things", "cameras")


@cache
def load_lexicon(folder: Path = WORDS) -> Lexicon:
    """Read the word lists (every .yaml file) of a folder.

    Raises:
        LexiconError: a file or entry cannot be used; the message names both.
    """
    data = read_sections(folder)
    plain = {section: _vocabulary(data, data[section]) for section in PLAIN_SECTIONS}
    traffic = Vocabulary(data["irregular"])
    traffic.add("traffic", data["traffic"])
    return Lexicon(
        people=_people(data),
        actions=_actions(data),
        traffic=traffic,
        on_foot=data["on_foot"],
        on_wheels=data["on_wheels"],
        action_order=tuple(data["actions"]),
        counts=data["counts"],
        couples=frozenset(data["couples"]),
        adjectives=frozenset(data["fillers"]),
        pronouns={word: (kind, count) for word, (kind, count) in data["pronouns"].items()},
        combine=tuple((first, second, third) for first, second, third in data["combine"]),
        categories=data["categories"],
        names={section: frozenset(data[section]) for section in (*PLAIN_SECTIONS, "people", "actions")},
        **plain,
    )


def _vocabulary(data: Sections, section: Mapping[str, list[str]]) -> Vocabulary:
    vocabulary = Vocabulary(data["irregular"])
    for name, entries in section.items():
        vocabulary.add(name, entries)
    return vocabulary


def _people(data: Sections) -> Vocabulary:
    people = Vocabulary(data["irregular"])
    for name, forms in data["people"].items():
        people.add(name, forms["one"])
        people.add(name + "*", forms["many"])
    return people


def _actions(data: Sections) -> Vocabulary:
    people = [word for forms in data["people"].values() for word in (*forms["one"], *forms["many"]) if " " not in word]
    vehicles = [entry for entries in data["vehicles"].values() for entry in entries if " " not in entry]
    plain = Vocabulary({})
    classes = {PERSON: people, VEHICLE: [form for entry in vehicles for form in plain.forms(entry)]}
    actions = Vocabulary(data["irregular"], classes, data["fillers"])
    actions.add(NOTHING, data["nothing"], 0)
    for strength, points in STRENGTHS.items():  # strong first: the first meaning of a phrase stays
        for name, entries in data["actions"].items():
            actions.add(name, entries.get(strength, ()), points)
    return actions


def check_names(lexicon: Lexicon, drawn: Mapping[str, Iterable[str]], folder: Path = WORDS) -> None:
    """Check that everything the word lists can say is drawn: `drawn` gives the names of a section that are.

    Raises:
        LexiconError: a name that nothing draws, with those that are.
    """
    for section, known in drawn.items():
        unknown = sorted(lexicon.names[section] - frozenset(known))
        if unknown:
            raise LexiconError(
                f"{folder}: {section} has {unknown[0]!r}, which the generator cannot draw. "
                f"Use one of: {', '.join(sorted(known))}."
            )
