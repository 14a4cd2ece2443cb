"""Captions that are the same or nearly so, by their words.

Two captions are *equal* when they have the same words in the same order (case and punctuation aside) and *near* when
the Jaccard index of their word sets, without articles, is at least `NEAR`. That finds "A man walks." and "The man
walks" but no paraphrase; it needs no model, so a split never depends on a version of one.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

NEAR = 0.8  # Jaccard index
_ARTICLES = frozenset(("a", "an", "the"))
_WORD = re.compile(r"[^\W_]+")


def same_words(caption: str) -> str:
    """A caption without case and punctuation: equal for equal captions."""
    return " ".join(_WORD.findall(caption.casefold()))


def word_set(caption: str) -> frozenset[str]:
    """The distinct words of a caption without articles; of one that has only articles, those."""
    words = frozenset(_WORD.findall(caption.casefold()))
    return words - _ARTICLES or words


def near_sets(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Index pairs (i < j) of distinct word sets whose Jaccard index is at least `NEAR`.

    Exact: two such sets share one of their rarest words (prefix filtering; Bayardo et al., WWW 2007), so only sets
    that do, and are not too different in size, are compared.
    """
    seen = Counter(word for one in sets for word in one)
    by_word: dict[str, list[int]] = {}
    for place in sorted(range(len(sets)), key=lambda index: (len(sets[index]), index)):
        one = sets[place]
        rarest = sorted(one, key=lambda word: (seen[word], word))[: len(one) - math.ceil(NEAR * len(one) - 1e-9) + 1]
        shortest = NEAR * len(one) - 1e-9
        compared: set[int] = set()
        for word in rarest:
            for other in reversed(by_word.get(word, [])):  # listed by size: the rest of them is smaller still
                if len(sets[other]) < shortest:
                    break
                if other not in compared and _jaccard(one, sets[other]) >= NEAR:
                    yield (other, place) if other < place else (place, other)
                compared.add(other)
        for word in rarest:
            by_word.setdefault(word, []).append(place)


def near_groups(captions: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of distinct captions that are equal in words or near: enough of them to connect all that belong together.

    Of several captions with one word set, each is paired with the first of them only.
    """
    by_set: dict[frozenset[str], list[str]] = {}
    for caption in sorted(set(captions)):
        by_set.setdefault(word_set(caption), []).append(caption)
    pairs = [(listed[0], other) for listed in by_set.values() for other in listed[1:]]
    sets = list(by_set)
    return pairs + [(by_set[sets[i]][0], by_set[sets[j]][0]) for i, j in near_sets(sets)]


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / max(1, len(one) + len(other) - shared)
