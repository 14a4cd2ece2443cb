"""Give each OOPS! text its generation category: the one whose prototype sentence is nearest by embedding.

OOPS! names no classes, and its texts are 58% of all anomalies: without named keys they could only be regenerated all
at once. `categories.yaml` holds the prototypes.
"""

from collections.abc import Callable, Sequence

import numpy as np

from svta_assets.categories import OOPS_FALLBACK, Category, load_categories

Embed = Callable[[list[str]], np.ndarray]

# Cosine similarity (all-MiniLM-L6-v2) below which a text is near none of the prototypes. Of 44 made-up failures, the
# seven below it ("he forgot his lines", "nothing went wrong", ...) belonged to none; those that did lay at 0.46-0.80.
MIN_SIMILARITY = 0.45


def assign_oops(captions: Sequence[str], embed: Embed, min_similarity: float = MIN_SIMILARITY) -> list[str]:
    """The category key of each caption (N); each distinct caption is embedded once.

    `embed` maps N sentences to (N, D) floats, of any length: they are normalised here.
    """
    if not captions:
        return []
    homes = [one for one in load_categories() if one.prototypes and not one.retired]
    prototypes_PD, owner_P = _prototypes(homes, embed)
    distinct = sorted(set(captions))
    similarity_NP = _unit(embed(distinct)) @ prototypes_PD.T
    best_N = similarity_NP.argmax(axis=1)
    near_N = similarity_NP.max(axis=1) >= min_similarity
    keys = [homes[owner_P[best]].key if near else OOPS_FALLBACK for best, near in zip(best_N, near_N, strict=True)]
    of = dict(zip(distinct, keys, strict=True))
    return [of[caption] for caption in captions]


def _prototypes(homes: Sequence[Category], embed: Embed) -> tuple[np.ndarray, list[int]]:
    """All prototype sentences' unit vectors (P, D), and the index of the category each stands for (P)."""
    sentences = [sentence for home in homes for sentence in home.prototypes]
    owners = [index for index, home in enumerate(homes) for _ in home.prototypes]
    return _unit(embed(sentences)), owners


def _unit(vectors_ND: np.ndarray) -> np.ndarray:
    vectors_ND = np.asarray(vectors_ND, dtype=np.float32)
    lengths = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    unit_ND: np.ndarray = vectors_ND / np.maximum(lengths, 1e-12)
    return unit_ND
