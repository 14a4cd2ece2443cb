"""Final categories: k-means over embeddings of the distinct label names, normal and anomaly apart.

The paper clusters its labels into 30 normal and 68 anomaly categories (SVTA paper, label organisation). Names are
sorted before the fit, so the same names in any order give the same categories.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from svta_models.identity import canonical_json

KINDS = ("normal", "anomaly")
GROUPS = {"normal": "normal", "anomaly": "anomaly"}  # refined by the reviewed taxonomy
SEED = 0
RESTARTS = 10

Embed = Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class Taxonomy:
    """A taxonomy version: rows of `categories`, and (kind, name) -> final category."""

    version: str
    categories: pl.DataFrame
    members: dict[tuple[str, str], str]

    def assign(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Rows of `assignments` for labelled pairs."""
        rows = [
            {
                "pair_id": row["pair_id"],
                "category": row["category"],
                "final_category": self.members[(_kind(row["is_anomaly"]), row["name"])],
                "kind": _kind(row["is_anomaly"]),
                "group": GROUPS[_kind(row["is_anomaly"])],
                "taxonomy": self.version,
            }
            for row in labels.iter_rows(named=True)
        ]
        return pl.DataFrame(rows)


def inputs_sha(labels: pl.DataFrame, wanted: dict[str, int]) -> str:
    """Hash of what a fit depends on: the distinct names of each kind, and k."""
    names = {kind: distinct_names(labels, kind) for kind in KINDS}
    return hashlib.sha256(canonical_json({"names": names, "k": wanted}).encode()).hexdigest()[:16]


def distinct_names(labels: pl.DataFrame, kind: str) -> list[str]:
    """The distinct label names of a kind, sorted."""
    chosen = labels.filter(pl.col("is_anomaly") == (kind == "anomaly"))
    return sorted(set(chosen["name"].drop_nulls()))


def fit(labels: pl.DataFrame, wanted: dict[str, int], embed: Embed) -> Taxonomy:
    """Cluster the names of each kind into at most `wanted[kind]` categories.

    Args:
        labels: rows of `labels`. wanted: k per kind; fewer distinct names give fewer categories.
        embed: names -> unit vectors (N, D).
    """
    rows: list[dict[str, Any]] = []
    members: dict[tuple[str, str], str] = {}
    for kind in KINDS:
        names = distinct_names(labels, kind)
        counts = dict(labels.filter(pl.col("is_anomaly") == (kind == "anomaly"))["name"].value_counts().iter_rows())
        for number, (medoid, cluster) in enumerate(_clusters(names, wanted[kind], embed, counts), start=1):
            slug = f"{kind}-{number:02d}-{_slug(medoid)}"
            members.update({(kind, name): slug for name in cluster})
            pairs = sum(counts[name] for name in cluster)
            rows.append({"final_category": slug, "number": number, "name": medoid, "kind": kind, "pairs": pairs})
            rows[-1] |= {"group": GROUPS[kind], "names": cluster}
    version = hashlib.sha256(canonical_json([[row["final_category"], row["names"]] for row in rows]).encode())
    digest = version.hexdigest()[:16]
    frame = pl.DataFrame([{**row, "taxonomy": digest, "inputs_sha": inputs_sha(labels, wanted)} for row in rows])
    return Taxonomy(digest, frame, members)


def stored(categories: pl.DataFrame) -> Taxonomy:
    """Rebuild a taxonomy from rows of `categories`."""
    rows = categories.select("kind", "names", "final_category").iter_rows()
    members = {(kind, name): slug for kind, names, slug in rows for name in names}
    return Taxonomy(categories["taxonomy"][0], categories, members)


def _clusters(names: list[str], k: int, embed: Embed, counts: dict[str, int]) -> list[tuple[str, list[str]]]:
    """(medoid, members) of each cluster, largest first. Every distinct name is one point, weighted by its pairs."""
    if not names:
        return []
    vectors = embed(names)
    numbers = _kmeans(vectors, min(k, len(names)), [counts[name] for name in names])
    found = []
    for number in sorted(set(numbers.tolist())):
        inside = np.flatnonzero(numbers == number)
        centre = vectors[inside].mean(axis=0)
        medoid = names[inside[int(np.argmax(vectors[inside] @ centre))]]
        found.append((medoid, [names[index] for index in inside]))
    return sorted(found, key=lambda item: (-sum(counts[name] for name in item[1]), item[0]))


def _kmeans(vectors: np.ndarray, k: int, weights: list[int]) -> np.ndarray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if k == len(vectors):
        return np.arange(k)
    with threadpool_limits(1):  # one thread: the same sums, so the same categories, on any machine
        fitted = KMeans(k, n_init=RESTARTS, random_state=SEED).fit(vectors, sample_weight=np.asarray(weights, float))
    labels: np.ndarray = fitted.labels_
    return labels


def _kind(is_anomaly: bool) -> str:
    return "anomaly" if is_anomaly else "normal"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "unnamed"
