"""Which final categories are one and the same: pairs that look alike, what people say of them, and what follows.

Verdicts are rows that are only ever added (`merge_reviews`). A reviewer's newest word of a pair stands; it counts while
both categories are there. A pair is merged when somebody says so and nobody says that the two are apart.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from svta_assets.clusters import versions
from svta_assets.clusters.diff import Difference
from svta_assets.clusters.operations import Operation, OperationError
from svta_assets.clusters.review import apply_to_current
from svta_assets.clusters.taxonomy import KINDS, FinalCategory, final_categories, name_counts
from svta_assets.reviewing import UNDO, words_of
from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError

MERGE, APART = "merge", "apart"
VERDICTS = (MERGE, APART, UNDO)
CANDIDATES = 60  # pairs that are shown without anybody having named them
PARTITION = "all"

Pair = tuple[str, str]
Row = dict[str, Any]


def pair_of(one: str, other: str) -> Pair:
    """Two slugs in the order in which they are recorded."""
    return (one, other) if one < other else (other, one)


def candidates(work: Workspace, most: int = CANDIDATES) -> pl.DataFrame:
    """Pairs of categories that may be one: those that people named, then the most alike ones.

    Alike is the cosine of the mean embeddings of two categories' label names, each name weighted by its pairs of the
    data set. Only categories that can be merged are held against each other: of one kind, labelled as one kind.

    Returns columns first, second, kind, cosine, named (by a person); no rows before the first taxonomy.
    """
    now = versions.current(work)
    schema = {"first": pl.String, "second": pl.String, "kind": pl.String, "cosine": pl.Float64, "named": pl.Boolean}
    if now.is_empty():
        return pl.DataFrame(schema=schema)
    named = {(row["first"], row["second"]) for row in work.catalog.read("merge_reviews").iter_rows(named=True)}
    found = [(*pair, kind, cosine, pair in named) for pair, kind, cosine in _alike(work, final_categories(now))]
    rows = pl.DataFrame(found, schema=schema, orient="row").sort(
        "named", "cosine", "first", "second", descending=[True, True, False, False]
    )
    return rows.head(int(rows["named"].sum()) + most)


def _alike(work: Workspace, categories: list[FinalCategory]) -> Iterable[tuple[Pair, str, float]]:
    labels = work.catalog.read("labels").drop_nulls("name")
    embed = work.embedder().encode
    counts = {kind: name_counts(labels, kind) for kind in KINDS}
    for kind in KINDS:
        for labelled_kind in KINDS:
            some = [one for one in categories if (one.kind, one.labelled_kind) == (kind, labelled_kind) and one.names]
            if len(some) < 2:
                continue
            weights = [[counts[labelled_kind].get(name, 1) for name in one.names] for one in some]
            means_CD = np.stack(
                [np.average(embed(list(one.names)), axis=0, weights=w) for one, w in zip(some, weights, strict=True)]
            )
            means_CD /= np.linalg.norm(means_CD, axis=1, keepdims=True)
            cosine_CC = means_CD @ means_CD.T
            for i, j in zip(*np.triu_indices(len(some), k=1), strict=True):
                yield pair_of(some[i].slug, some[j].slug), kind, float(cosine_CC[i, j])


def record_merge(
    work: Workspace, pair: Pair, verdict: str, by: str, into: str | None = None, reason: str | None = None
) -> None:
    """Append what a person says of two categories. `into`: the name that the merged category should have.

    Raises SvtaError for a verdict that is none, and for categories that are not there or cannot be merged.
    """
    if verdict not in VERDICTS:
        raise SvtaError(f"of two categories say {MERGE}, {APART} or {UNDO}, not {verdict!r}")
    now = versions.current(work)
    known = {one.slug: one for one in final_categories(now)} if now.height else {}
    if absent := [slug for slug in pair if slug not in known]:
        raise SvtaError(f"there is no category {absent[0]!r} in the current taxonomy: open the page again")
    one, other = (known[slug] for slug in pair)
    if one.slug == other.slug or (one.kind, one.labelled_kind) != (other.kind, other.labelled_kind):
        raise SvtaError("only two categories of the same kind can be merged: normal with normal, anomaly with anomaly")
    first, second = pair_of(*pair)
    said = {"verdict": verdict, "into": (into or "").strip() or None, "reason": (reason or "").strip() or None}
    row = {"first": first, "second": second, "taxonomy": now["taxonomy"][0], **said, "by": by, "at": utc_now()}
    work.catalog.append("merge_reviews", PARTITION, [row])


def standing(work: Workspace) -> dict[Pair, dict[str, Row]]:
    """Pair -> reviewer -> the row that stands, of pairs whose categories are both there."""
    now = set(versions.current(work)["final_category"])
    said = words_of(work.catalog.read("merge_reviews"), ("first", "second"))
    return {(a, b): rows for (a, b), rows in said.items() if a in now and b in now}


def agreed(work: Workspace) -> list[Pair]:
    """Pairs that somebody wants merged and nobody wants apart."""
    found = []
    for pair, rows in standing(work).items():
        words = {row["verdict"] for row in rows.values()}
        if words == {MERGE}:
            found.append(pair)
    return sorted(found)


def operations(work: Workspace) -> list[Operation]:
    """The agreed merges as operations of a taxonomy file: pairs that share a category become one merge.

    The category with the most pairs keeps its number; `into` is the newest name that somebody gave. Raises
    OperationError where a chain of merges would join two categories that somebody wants apart.
    """
    said, sizes = standing(work), dict(versions.current(work).select("final_category", "pairs").iter_rows())
    made: list[Operation] = []
    for group in _joined(agreed(work)):
        for pair, rows in said.items():
            objector = next((by for by, row in rows.items() if row["verdict"] == APART), None)
            if objector and set(pair) <= group:
                raise OperationError(
                    f"{' and '.join(pair)} would become one with others, but {objector} says that they are apart"
                )
        ordered = sorted(group, key=lambda slug: (-sizes[slug], slug))
        rows_of_group = [row for pair, rows in said.items() if set(pair) <= group for row in rows.values()]
        names = [row["into"] for row in sorted(rows_of_group, key=lambda row: row["at"]) if row["into"]]
        made.append({"merge": ordered, **({"into": names[-1]} if names else {})})
    return made


def _joined(pairs: Iterable[Pair]) -> list[set[str]]:
    """Sets of categories that pairs connect."""
    groups: list[set[str]] = []
    for pair in pairs:
        touching = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touching] + [set(pair).union(*touching)]
    return groups


def apply_merges(work: Workspace, by: str) -> tuple[str, Difference]:
    """Apply the agreed merges: the version they lead to becomes the current one and waits for approval.

    Assignments follow at once; nobody's split changes. Raises OperationError where nothing is agreed on.
    """
    import yaml

    from svta_assets.clusters.organize import organize_labels

    wanted = operations(work)
    if not wanted:
        raise OperationError("no merge is agreed on: somebody must say `merge` and nobody `apart`")
    before = versions.current(work)["taxonomy"][0]
    text = yaml.safe_dump({"taxonomy": before, "operations": wanted}, sort_keys=False, allow_unicode=True)
    version, difference = apply_to_current(work, wanted, by, text)
    organize_labels(work)
    return version, difference
