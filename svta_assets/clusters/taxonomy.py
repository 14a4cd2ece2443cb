"""Final categories: k-means over embeddings of the distinct label names, normal and anomaly apart.

The paper clusters its labels into 30 normal and 68 anomaly categories (SVTA paper, label organisation). Names are
sorted before the fit, so the same names in any order give the same categories. Once people have approved a version,
the next one is built on it: new names join the nearest category (`extend`), or, when asked for, the fit is repeated
from its centres (`refit`), and a category that keeps most of its names keeps its number, name and group.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from svta_assets.clusters.groups import Embed, propose
from svta_assets.clusters.kmeans import Quality, choose_k, cluster, measure
from svta_models.identity import canonical_json

KINDS = ("normal", "anomaly")
CHOOSE = 0  # as k: chosen by silhouette


@dataclass(frozen=True)
class FinalCategory:
    """One final category. `labelled_kind` is the kind of the label names in it; `kind` is what people made of it."""

    slug: str
    number: int
    name: str
    kind: str
    group: str
    labelled_kind: str
    names: tuple[str, ...]

    def renamed(self, name: str) -> "FinalCategory":
        """The same category under another name; its number stays."""
        return replace(self, name=name, slug=slug_of(self.kind, self.number, name))


@dataclass(frozen=True)
class Taxonomy:
    """A taxonomy version: rows of `categories`, and (label's kind, name) -> final category."""

    version: str
    categories: pl.DataFrame
    members: dict[tuple[str, str], str]

    def assign(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Rows of `assignments` for labelled pairs."""
        facts = {slug: (kind, group) for slug, kind, group in self._facts()}
        rows = []
        for row in labels.iter_rows(named=True):
            slug = self.members[(kind_of(row["is_anomaly"]), row["name"])]
            kind, group = facts[slug]
            rows.append(
                {
                    "pair_id": row["pair_id"],
                    "category": row["category"],
                    "final_category": slug,
                    "kind": kind,
                    "group": group,
                    "taxonomy": self.version,
                }
            )
        return pl.DataFrame(rows)

    def _facts(self) -> Iterable[tuple[str, str, str]]:
        return self.categories.select("final_category", "kind", "group").iter_rows()


def inputs_sha(labels: pl.DataFrame, wanted: dict[str, int], embedding: Mapping[str, Any] | None = None) -> str:
    """Hash of what a fit depends on: the distinct names of each kind, k, and the identity of the embedding model."""
    names = {kind: distinct_names(labels, kind) for kind in KINDS}
    inputs = {"names": names, "k": wanted, "embedding": dict(embedding or {})}
    return hashlib.sha256(canonical_json(inputs).encode()).hexdigest()[:16]


def distinct_names(labels: pl.DataFrame, kind: str) -> list[str]:
    """The distinct label names of a kind, sorted."""
    return sorted(name_counts(labels, kind))


def name_counts(labels: pl.DataFrame, kind: str) -> dict[str, int]:
    """Pairs of each distinct label name of a kind."""
    chosen = labels.filter(pl.col("is_anomaly") == (kind == "anomaly"))["name"].drop_nulls()
    return dict(chosen.value_counts().iter_rows())


def fit(labels: pl.DataFrame, wanted: dict[str, int], embed: Embed) -> Taxonomy:
    """Cluster the names of each kind into at most `wanted[kind]` categories, numbered by size.

    Args:
        labels: rows of `labels`. wanted: k per kind; fewer distinct names give fewer categories, 0 chooses k.
        embed: names -> unit vectors (N, D).
    """
    found = [row for kind in KINDS for row in fit_kind(name_counts(labels, kind), kind, wanted[kind], embed)]
    return as_taxonomy(found, labels, inputs_sha(labels, wanted))


def fit_kind(counts: dict[str, int], kind: str, wanted: int, embed: Embed, taken: int = 0) -> list[FinalCategory]:
    """A fresh fit of one kind, numbered from `taken` + 1.

    `counts`: pairs of each distinct name; each name is one point, weighted by its pairs.
    """
    if not counts:
        return []
    names = sorted(counts)
    vectors_ND, weights_N = embed(names), _weights(names, counts)
    numbers = cluster(vectors_ND, weights_N, wanted or choose_k(vectors_ND, weights_N))
    found = _clusters(names, vectors_ND, numbers)
    ordered = sorted(found, key=lambda item: (-sum(counts[name] for name in item[1]), item[0]))
    return [_new(kind, number, *item, embed) for number, item in enumerate(ordered, start=taken + 1)]


def extend(base: list[FinalCategory], counts: dict[str, int], embed: Embed) -> tuple[list[FinalCategory], list[str]]:
    """Keep every category, put new names into the nearest one, drop names that are gone.

    A category without a name left disappears. Also returns the new names that lie far from every category: nothing
    like them was there when people approved the version, so somebody may want a fit anew.
    """
    new = sorted(set(counts) - {name for one in base for name in one.names})
    joined: dict[str, list[str]] = {one.slug: [name for name in one.names if name in counts] for one in base}
    far = []
    if new:
        centres_KD, reach = _centres_of(base, counts, embed)
        vectors_ND = embed(new)
        squared_NK = (vectors_ND**2).sum(1)[:, None] - 2 * vectors_ND @ centres_KD.T + (centres_KD**2).sum(1)[None]
        distance_NK = np.sqrt(np.maximum(squared_NK, 0))
        for name, distance_K in zip(new, distance_NK, strict=True):
            joined[base[int(distance_K.argmin())].slug].append(name)
            if distance_K.min() > reach:
                far.append(name)
    kept = [replace(one, names=tuple(sorted(joined[one.slug]))) for one in base if joined[one.slug]]
    return kept, far


def refit(
    base: list[FinalCategory], counts: dict[str, int], kind: str, k: int, embed: Embed, taken: int
) -> list[FinalCategory]:
    """Fit one kind anew from the centres of `base` (the largest k of them; farthest names fill up to k).

    `taken`: the highest number in use; categories that are new get the next ones.
    """
    names = sorted(counts)
    seeds_KD, _ = _centres_of(base, counts, embed)
    sizes = [sum(counts.get(name, 0) for name in one.names) for one in base]
    largest = sorted(range(len(base)), key=lambda index: (-sizes[index], base[index].slug))[:k]
    vectors_ND = embed(names)
    numbers = cluster(vectors_ND, _weights(names, counts), k, seeds_KD[sorted(largest)])
    return _inherit(base, _clusters(names, vectors_ND, numbers), kind, embed, taken)


def quality(categories: Iterable[FinalCategory], counts: dict[str, int], embed: Embed) -> Quality | None:
    """How well categories (of one labelled kind) describe their names; None when there are none."""
    places = {name: place for place, one in enumerate(categories) for name in one.names}
    names = sorted(places)
    if not names:
        return None
    return measure(names, embed(names), np.array([places[name] for name in names]), _weights(names, counts))


def as_taxonomy(categories: Iterable[FinalCategory], labels: pl.DataFrame, inputs: str) -> Taxonomy:
    """Number a version: the hash of its categories and members."""
    ordered = list(categories)
    counts = {kind: name_counts(labels, kind) for kind in KINDS}
    content = [[one.slug, one.name, one.kind, one.group, one.labelled_kind, list(one.names)] for one in ordered]
    version = hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]
    rows: list[dict[str, Any]] = [
        {
            "taxonomy": version,
            "final_category": one.slug,
            "number": one.number,
            "name": one.name,
            "kind": one.kind,
            "group": one.group,
            "labelled_kind": one.labelled_kind,
            "names": list(one.names),
            "pairs": sum(counts[one.labelled_kind].get(name, 0) for name in one.names),
            "inputs_sha": inputs,
        }
        for one in ordered
    ]
    return stored(pl.DataFrame(rows))


def stored(categories: pl.DataFrame) -> Taxonomy:
    """Rebuild a taxonomy from rows of `categories`."""
    members = {(one.labelled_kind, name): one.slug for one in final_categories(categories) for name in one.names}
    return Taxonomy(categories["taxonomy"][0], categories, members)


def final_categories(categories: pl.DataFrame) -> list[FinalCategory]:
    """Rows of `categories` as objects, in order of kind (normal first) and number."""
    rows = sorted(categories.iter_rows(named=True), key=lambda row: (KINDS.index(row["kind"]), row["number"]))
    return [
        FinalCategory(
            row["final_category"], row["number"], row["name"], row["kind"], row["group"],
            row.get("labelled_kind") or row["kind"], tuple(row["names"]),
        )
        for row in rows
    ]  # fmt: skip


def kind_of(is_anomaly: bool) -> str:
    """normal or anomaly."""
    return "anomaly" if is_anomaly else "normal"


def slug_of(kind: str, number: int, name: str) -> str:
    """Slug of a final category: anomaly-03-fall-from-ladder."""
    return f"{kind}-{number:02d}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:40] or 'unnamed'}"


def medoid(names: list[str], vectors_ND: np.ndarray) -> str:
    """The name nearest to the mean of all."""
    return names[int(np.argmax(vectors_ND @ vectors_ND.mean(axis=0)))]


def _new(kind: str, number: int, name: str, names: list[str], embed: Embed) -> FinalCategory:
    group = propose([name], kind, embed)[0]
    return FinalCategory(slug_of(kind, number, name), number, name, kind, group, kind, tuple(names))


def _weights(names: list[str], counts: dict[str, int]) -> np.ndarray:
    return np.asarray([counts.get(name, 1) for name in names], float)


def _clusters(names: list[str], vectors_ND: np.ndarray, numbers_N: np.ndarray) -> list[tuple[str, list[str]]]:
    """(medoid, members) of each cluster, in the order of its number."""
    found = []
    for number in sorted(set(numbers_N.tolist())):
        inside = np.flatnonzero(numbers_N == number)
        members = [names[index] for index in inside]
        found.append((medoid(members, vectors_ND[inside]), members))
    return found


def _centres_of(base: list[FinalCategory], counts: dict[str, int], embed: Embed) -> tuple[np.ndarray, float]:
    """Centres (K, D) of categories, and the distance beyond which a name is an outlier of them."""
    centres, distances = [], []
    for one in base:
        vectors_ND = embed(list(one.names))
        centre = np.average(vectors_ND, axis=0, weights=_weights(list(one.names), counts))
        centres.append(centre)
        distances.append(np.linalg.norm(vectors_ND - centre, axis=1))
    all_N = np.concatenate(distances)
    return np.stack(centres), float(all_N.mean() + 3 * all_N.std())


def _inherit(
    base: list[FinalCategory], found: list[tuple[str, list[str]]], kind: str, embed: Embed, taken: int
) -> list[FinalCategory]:
    """Give each cluster the identity of the category it shares most names with, once each; others get new numbers."""
    shared = sorted(
        (-len(set(one.names) & set(names)), place, index)
        for place, one in enumerate(base)
        for index, (_, names) in enumerate(found)
        if set(one.names) & set(names)
    )
    heir: dict[int, int] = {}
    for _, place, index in shared:
        if place not in heir.values() and index not in heir:
            heir[index] = place
    result = []
    for index, (name, names) in enumerate(found):
        if index in heir:
            result.append(replace(base[heir[index]], names=tuple(names)))
            continue
        taken += 1
        result.append(_new(kind, taken, name, names, embed))
    return result
