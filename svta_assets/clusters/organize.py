"""From labels to the current taxonomy version and every pair's final category."""

from dataclasses import dataclass

import polars as pl

from svta_assets.clusters import versions
from svta_assets.clusters.groups import Embed
from svta_assets.clusters.kmeans import Quality
from svta_assets.clusters.taxonomy import (
    CHOOSE,
    KINDS,
    FinalCategory,
    Taxonomy,
    as_taxonomy,
    extend,
    final_categories,
    fit_kind,
    inputs_sha,
    name_counts,
    quality,
    refit,
    stored,
)
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError


@dataclass(frozen=True)
class Organized:
    """What `clusters` found: rows of `categories` and `assignments`; new names that resemble no category."""

    categories: pl.DataFrame
    assignments: pl.DataFrame
    far: list[str]


class NoLabels(SvtaError):
    """There is nothing to organize yet."""


def organize_labels(work: Workspace, wanted: dict[str, int] | None = None, anew: bool = False) -> Organized:
    """Find (or keep) the current taxonomy version and write `categories` and `assignments`.

    Unchanged label names and k return the existing version. Otherwise a version that people approved or edited is
    built on: new names join their nearest category, or, with `anew` or another k, k-means starts from its centres. A
    version that nobody has looked at is fitted from nothing. Args:

        wanted: k per kind, 0 to choose it; None keeps that of the current version (at first the profile's).
        anew: fit again although the names are the same.
    """
    labels = labelled(work)
    before = versions.current(work)
    figures = _figures(work)
    goal = wanted or asked_k(work, figures)
    embedder = work.embedder()
    inputs = inputs_sha(labels, goal, embedder.identity())
    if before.height and before["inputs_sha"][0] == inputs and not anew:
        return Organized(before, work.catalog.publish("assignments", "all", stored(before).assign(labels)), [])
    held = final_categories(before) if before.height and versions.is_held(work) else []
    step = _Step(embedder.encode, held, goal, figures, anew)
    found = [one for kind in KINDS for one in step.kind(labels, kind)]
    taxonomy = _ordered(found, labels, inputs)
    after = {kind: versions.Figures(goal[kind], step.k[kind], step.quality(labels, kind, found)) for kind in KINDS}
    versions.record(work, taxonomy, step.origin, after)
    assignments = work.catalog.publish("assignments", "all", taxonomy.assign(labels))
    return Organized(versions.current(work), assignments, step.far)


def labelled(work: Workspace) -> pl.DataFrame:
    """Labels that have a name. Raises NoLabels."""
    from svta_assets.labels.labelling import UNNAMED

    rows = work.catalog.read("labels").filter(pl.col("name") != UNNAMED)  # those wait for a valid answer
    if rows.is_empty():
        raise NoLabels("there are no labels yet: materialize labels for some categories first")
    return rows


def asked_k(work: Workspace, figures: dict[str, dict[str, int]]) -> dict[str, int]:
    """The k per kind that a version was asked to have (0: chosen); the profile's for one without figures."""
    profile = {"normal": work.profile.normal_categories, "anomaly": work.profile.anomaly_categories}
    return {kind: figures.get(kind, {}).get("wanted", profile[kind]) for kind in KINDS}


def current_k(work: Workspace) -> dict[str, int]:
    """The k per kind that the current version was asked to have."""
    return asked_k(work, _figures(work))


def _figures(work: Workspace) -> dict[str, dict[str, int]]:
    now = versions.current(work)
    return versions.fit_figures(versions.last_entry(work, now["taxonomy"][0]) if now.height else None)


class _Step:
    """One new version while it is made; `k`, `far` and `origin` say afterwards what was done."""

    def __init__(
        self, embed: Embed, held: list[FinalCategory], wanted: dict[str, int], figures: dict[str, dict[str, int]],
        anew: bool,
    ) -> None:  # fmt: skip
        self._embed, self._held, self._wanted, self._figures, self._anew = embed, held, wanted, figures, anew
        self.k: dict[str, int] = {}
        self.far: list[str] = []
        self.origin = versions.TEXTS if held else versions.FIT

    def kind(self, labels: pl.DataFrame, kind: str) -> list[FinalCategory]:
        """Categories of the names labelled `kind`."""
        counts = name_counts(labels, kind)
        base = [one for one in self._held if one.labelled_kind == kind]
        taken = max((one.number for one in self._held if one.kind == kind), default=0)
        if not base or not counts:
            found = fit_kind(counts, kind, self._wanted[kind], self._embed, taken)
            self.k[kind] = len(found)
            return found
        fitted = self._figures.get(kind, {}).get("k", len(base))
        goal = self._goal(kind, fitted, len(counts))
        if goal == fitted and not self._anew:
            self.k[kind] = fitted
            kept, far = extend(base, counts, self._embed)
            self.far += far
            return kept
        self.origin = versions.REFIT
        self.k[kind] = goal
        clusters = max(1, len(base) + goal - fitted)  # what people merged and split off stays merged and split off
        return refit(base, counts, kind, clusters, self._embed, taken)

    def quality(self, labels: pl.DataFrame, kind: str, found: list[FinalCategory]) -> Quality | None:
        """Quality of the categories of the names labelled `kind`."""
        mine = [one for one in found if one.labelled_kind == kind]
        return quality(mine, name_counts(labels, kind), self._embed)

    def _goal(self, kind: str, fitted: int, names: int) -> int:
        """The k that the fit should have. A chosen one stays; a given one grows into reach with the names."""
        wanted = self._wanted[kind]
        return fitted if wanted == CHOOSE else min(wanted, names)


def _ordered(found: list[FinalCategory], labels: pl.DataFrame, inputs: str) -> Taxonomy:
    ordered = sorted(found, key=lambda one: (KINDS.index(one.kind), one.number))
    return as_taxonomy(ordered, labels, inputs)
