"""Taxonomy versions: what each holds, how it came about, and who approved it.

    taxonomy/versions/<version>.json    its categories; immutable
    taxonomy/approved/<version>         who approved it and when; the first approval stays

The table `taxonomies` is a log: one row each time a version became the current one.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from svta_assets.clusters.diff import Difference, compare
from svta_assets.clusters.kmeans import Quality
from svta_assets.clusters.taxonomy import FinalCategory, Taxonomy, final_categories
from svta_assets.workspace import Workspace, utc_now
from svta_models.media_store import MissingObject
from svta_resources.errors import SvtaError

FIT, TEXTS, REFIT, REVIEW = "fit", "texts", "refit", "review"
MACHINE = "svta"  # who makes versions that no person asked for
_APPROVED = "taxonomy/approved"
_VERSIONS = "taxonomy/versions"


@dataclass(frozen=True)
class Figures:
    """What a kind was fitted with: k as asked for (0: chosen) and as found, and the quality of the categories now."""

    wanted: int
    k: int
    quality: Quality | None


def current(work: Workspace) -> pl.DataFrame:
    """Rows of `categories`: the current version, approved or not; empty before the first fit."""
    return work.catalog.read("categories")


def last_entry(work: Workspace, version: str) -> dict[str, Any] | None:
    """How the version became the current one the last time; None for one older than the log."""
    rows = work.catalog.read("taxonomies").filter(pl.col("taxonomy") == version).sort("at")
    return rows.row(-1, named=True) if rows.height else None


def fit_figures(entry: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """What a log entry says of the fit: kind -> k, wanted, inertia, silhouette, sizes, outliers."""
    found: dict[str, dict[str, Any]] = json.loads(entry["fit"]) if entry and entry["fit"] else {}
    return found


def is_approved(work: Workspace, version: str) -> bool:
    """Whether people approved the version, or it only adds label names to one they approved."""
    return work.store.exists(f"{_APPROVED}/{version}")


def approve(work: Workspace, version: str, by: str, why: str = "") -> dict[str, str]:
    """Store an approval; the first one of a version stays, and is returned."""
    facts = {"by": by, "at": utc_now(), **({"why": why} if why else {})}
    work.store.put_new(f"{_APPROVED}/{version}", json.dumps(facts).encode())
    stored: dict[str, str] = json.loads(work.store.get(f"{_APPROVED}/{version}"))
    return stored


def is_held(work: Workspace) -> bool:
    """Whether people had a hand in the current version: then new label names join it instead of a fit from nothing."""
    log = work.catalog.read("taxonomies").sort("at")
    for row in reversed(log.to_dicts()):
        if row["origin"] == REVIEW or is_approved(work, row["taxonomy"]):
            return True
        if row["origin"] == FIT:
            return False
    now = current(work)
    return now.height > 0 and is_approved(work, now["taxonomy"][0])


def read_version(work: Workspace, version: str) -> list[FinalCategory]:
    """Categories of a stored version. Raises SvtaError naming the known ones."""
    now = current(work)
    if now.height and now["taxonomy"][0] == version:
        return final_categories(now)
    try:
        rows = json.loads(work.store.get(f"{_VERSIONS}/{version}.json"))["categories"]
    except MissingObject:
        known = list(dict.fromkeys(work.catalog.read("taxonomies").sort("at")["taxonomy"]))
        raise SvtaError(f"no taxonomy version {version!r}; known: {', '.join(known) or 'none'}") from None
    return [FinalCategory(**{**row, "names": tuple(row["names"])}) for row in rows]


def record(
    work: Workspace,
    taxonomy: Taxonomy,
    origin: str,
    figures: dict[str, Figures],
    by: str = MACHINE,
    operations: str | None = None,
) -> Difference:
    """Make a version the current one: store it, log how it came about, publish `categories`.

    A version that only adds (or loses) label names approves itself where its parent is approved.
    """
    before, after = current(work), final_categories(taxonomy.categories)
    parent = before["taxonomy"][0] if before.height else None
    difference = compare(final_categories(before), after) if parent else Difference()
    content = {"taxonomy": taxonomy.version, "categories": [asdict(one) for one in after]}
    work.store.put_new(f"{_VERSIONS}/{taxonomy.version}.json", json.dumps(content, ensure_ascii=False).encode())
    if parent and not difference.needs_approval and is_approved(work, parent):
        approve(work, taxonomy.version, MACHINE, f"only adds label names to {parent}")
    row = {
        "taxonomy": taxonomy.version,
        "parent": parent,
        "origin": origin,
        "changes": difference.markdown() if parent else "The first version.",
        "needs_approval": parent is None or difference.needs_approval,
        "operations": operations,
        "normal": sum(one.kind == "normal" for one in after),
        "anomaly": sum(one.kind == "anomaly" for one in after),
        "names": sum(len(one.names) for one in after),
        "fit": json.dumps({kind: _flat(found) for kind, found in figures.items()}),
        "by": by,
        "at": utc_now(),
    }
    work.catalog.publish("categories", "all", taxonomy.categories)
    work.catalog.append("taxonomies", "all", [row])
    return difference


def _flat(figures: Figures) -> dict[str, Any]:
    quality = asdict(figures.quality) if figures.quality else {}
    return {**quality, "categories": quality.get("k", 0), "wanted": figures.wanted, "k": figures.k}
