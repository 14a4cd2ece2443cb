"""K-means over unit vectors: a fresh fit, one that starts from known centres, a chosen k, and how good a fit is.

Legend: N names, D width of an embedding, K clusters. Everything here is a function of its arguments: seeds are fixed
and one thread sums, so the same names give the same clusters on any machine.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

SEED = 0
RESTARTS = 10
LARGE = 5000  # names; above it a restart costs 10 s and more, and two find inertia within 1% of ten
LARGE_RESTARTS = 2
SILHOUETTE_SAMPLE = 2000  # names; the silhouette compares all pairs of them
OUTLIER_DEVIATIONS = 3.0
SMALLEST_K, LARGEST_K = 2, 120


@dataclass(frozen=True)
class Quality:
    """How well clusters describe their names.

    inertia: sum over pairs of the squared distance between the pair's name and its cluster's centre.
    silhouette: mean over names (a sample of 2,000 above that), -1..1; None for one cluster or one name a cluster.
    sizes: distinct names of each cluster, largest first. outliers: names farther from their centre than three
    standard deviations above the mean distance, farthest first.
    """

    k: int
    inertia: float
    silhouette: float | None
    sizes: list[int]
    outliers: list[str]


def cluster(vectors_ND: np.ndarray, weights_N: np.ndarray, k: int, seeds_KD: np.ndarray | None = None) -> np.ndarray:
    """Cluster number (N,) of each vector. With `seeds_KD` (at most k) the fit starts there, else from ten draws."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if k >= len(vectors_ND):
        return np.arange(len(vectors_ND))
    restarts = RESTARTS if len(vectors_ND) <= LARGE else LARGE_RESTARTS
    settings: dict[str, Any] = {"n_init": restarts}
    if seeds_KD is not None and len(seeds_KD):
        settings = {"init": _farthest(vectors_ND, seeds_KD, k), "n_init": 1}
    with threadpool_limits(1):  # one thread: the same sums, so the same categories, on any machine
        fitted = KMeans(k, random_state=SEED, **settings).fit(vectors_ND, sample_weight=weights_N)
    labels: np.ndarray = fitted.labels_
    return labels


def choose_k(vectors_ND: np.ndarray, weights_N: np.ndarray) -> int:
    """The k of a fixed range with the greatest silhouette (the smaller of equal ones)."""
    scores: dict[int, float] = {}
    for k in candidates(len(vectors_ND)):
        found = silhouette(vectors_ND, cluster(vectors_ND, weights_N, k))
        if found is not None:
            scores[k] = found
    return max(scores, key=lambda k: (round(scores[k], 6), -k)) if scores else min(1, len(vectors_ND))


def candidates(names: int) -> list[int]:
    """The k that `choose_k` tries: about a quarter apart, from 2 to half the names, at most 120."""
    found, k = [], SMALLEST_K
    while k <= min(LARGEST_K, names // 2):
        found.append(k)
        k = max(k + 1, k * 5 // 4)
    return found


def silhouette(vectors_ND: np.ndarray, numbers_N: np.ndarray) -> float | None:
    """Mean silhouette of at most 2,000 vectors drawn with a fixed seed."""
    from sklearn.metrics import silhouette_score

    if len(vectors_ND) > SILHOUETTE_SAMPLE:
        chosen = np.sort(np.random.default_rng(SEED).choice(len(vectors_ND), SILHOUETTE_SAMPLE, replace=False))
        vectors_ND, numbers_N = vectors_ND[chosen], numbers_N[chosen]
    if not 2 <= len(set(numbers_N.tolist())) < len(vectors_ND):
        return None
    return float(silhouette_score(vectors_ND, numbers_N))


def centres(vectors_ND: np.ndarray, numbers_N: np.ndarray, weights_N: np.ndarray) -> np.ndarray:
    """Weighted mean (K, D) of each cluster, in the order of its number."""
    found = sorted(set(numbers_N.tolist()))
    return np.stack([np.average(vectors_ND[numbers_N == n], axis=0, weights=weights_N[numbers_N == n]) for n in found])


def measure(names: list[str], vectors_ND: np.ndarray, numbers_N: np.ndarray, weights_N: np.ndarray) -> Quality:
    """Quality of given clusters, wherever they come from."""
    order = {number: place for place, number in enumerate(sorted(set(numbers_N.tolist())))}
    places_N = np.array([order[number] for number in numbers_N.tolist()])
    centres_KD = centres(vectors_ND, places_N, weights_N)
    distance_N = np.linalg.norm(vectors_ND - centres_KD[places_N], axis=1)
    limit = distance_N.mean() + OUTLIER_DEVIATIONS * distance_N.std()
    far = [int(index) for index in np.argsort(-distance_N, kind="stable") if distance_N[index] > limit + 1e-9]
    return Quality(
        k=len(order),
        inertia=round(float((weights_N * distance_N**2).sum()), 4),
        silhouette=silhouette(vectors_ND, places_N),
        sizes=sorted(np.bincount(places_N).tolist(), reverse=True),
        outliers=[names[index] for index in far],
    )


def _farthest(vectors_ND: np.ndarray, seeds_KD: np.ndarray, k: int) -> np.ndarray:
    """Fill the seeds up to k with the vectors farthest from all seeds so far."""
    seeds = list(seeds_KD[:k])
    nearest_N = np.min([np.linalg.norm(vectors_ND - seed, axis=1) for seed in seeds], axis=0)
    while len(seeds) < k:
        seeds.append(vectors_ND[int(nearest_N.argmax())])
        nearest_N = np.minimum(nearest_N, np.linalg.norm(vectors_ND - seeds[-1], axis=1))
    return np.asarray(seeds, dtype=vectors_ND.dtype)
