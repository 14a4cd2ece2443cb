"""Captions that are the same or nearly so, by their words.

Two captions are *equal* when they have the same words in the same order (case and punctuation aside) and *near* when
the Jaccard index of their word sets, without articles, is at least `NEAR`. That finds "A man walks." and "The man
walks" but no paraphrase; it needs no model, so a split never depends on a version of one.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, combinations_with_replacement, product

NEAR = 0.8  # Jaccard index
_ROUNDING = 1e-9  # a bound that is a whole number must not be rounded up to the next
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
    """Index pairs (i < j) of distinct word sets whose Jaccard index is at least `NEAR`, each once.

    Exact, for two reasons. Such sets share one of their rarest words (prefix filtering; Bayardo et al., WWW 2007), so
    one that has its own to itself is near none. And where two sets differ in at most k words, and the vocabulary is
    divided into k + 1 parts, they have the same words of one part (Arasu et al., VLDB 2006), so only sets that do are
    compared. The first leaves little of captions with rare words, the second of captions from a small vocabulary.
    """
    ranked = _ranked(sets)
    by_size: dict[int, list[int]] = defaultdict(list)
    for index in _with_company(ranked):
        by_size[len(ranked[index])].append(index)
    found: set[tuple[int, int]] = set()
    for differing, sizes in _comparable(sorted(by_size)).items():
        members = [index for size in sorted({size for pair in sizes for size in pair}) for index in by_size[size]]
        for alike in _alike_in_a_part(ranked, members, differing + 1):
            for pair in _pairs(alike, ranked, sizes):
                if pair not in found and _jaccard(sets[pair[0]], sets[pair[1]]) >= NEAR:
                    found.add(pair)
                    yield pair


def _ranked(sets: Sequence[frozenset[str]]) -> list[list[int]]:
    """The words of each set as numbers, rarest first: 0 is the rarest word of all."""
    seen = Counter(word for one in sets for word in one)
    rank = {word: place for place, word in enumerate(sorted(seen, key=lambda word: (seen[word], word)))}
    return [sorted(rank[word] for word in one) for one in sets]


def _with_company(ranked: list[list[int]]) -> list[int]:
    """Indices of the sets that share one of their rarest words: as many as a near set may lack, and one more."""
    rarest = [words[: len(words) - math.ceil(NEAR * len(words) - _ROUNDING) + 1] for words in ranked]
    seen = Counter(word for words in rarest for word in words)
    return [index for index, words in enumerate(rarest) if any(seen[word] > 1 for word in words)]


def _comparable(sizes: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Sizes (smaller first) that near sets can have, by how many words at most are in only one of the two.

    With s words shared, s / (a + b - s) >= NEAR means s >= NEAR / (1 + NEAR) * (a + b).
    """
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for small, large in combinations_with_replacement(sizes, 2):
        shared = math.ceil(NEAR / (1 + NEAR) * (small + large) - _ROUNDING)
        if shared <= small:
            found[small + large - 2 * shared].append((small, large))
    return found


def _alike_in_a_part(ranked: list[list[int]], members: list[int], parts: int) -> Iterator[list[int]]:
    """Members, two or more, that have the same words of one of so many parts of the vocabulary.

    Words of one phrase are equally rare, so dealing words out by rank gives each part some of every phrase.
    """
    for part in range(parts):
        by_words: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index in members:
            by_words[tuple([word for word in ranked[index] if word % parts == part])].append(index)
        yield from (alike for alike in by_words.values() if len(alike) > 1)


def _pairs(alike: list[int], ranked: list[list[int]], sizes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Every two of these sets that have such sizes, the lower index first."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for index in alike:
        by_size[len(ranked[index])].append(index)
    for small, large in sizes:
        if small in by_size and large in by_size:
            every = combinations(by_size[small], 2) if small == large else product(by_size[small], by_size[large])
            yield from ((min(pair), max(pair)) for pair in every)


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
