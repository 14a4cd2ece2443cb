"""`clusters`: the numbered taxonomy and every pair's final category."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from pydantic import Field

from svta_assets.labels.assets import labels
from svta_assets.results import OWNERS, Stopwatch, column_schema, pictures, result
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource

if TYPE_CHECKING:
    from svta_assets.clusters.organize import Organized

SHOWN = 20  # outliers listed in the metadata


class ClustersConfig(dg.Config):
    """How many categories; by default those of the current taxonomy, at first the profile's."""

    normal_categories: int | None = Field(default=None, ge=0, description="k of the normal names; 0 chooses it")
    anomaly_categories: int | None = Field(default=None, ge=0, description="k of the anomaly names; 0 chooses it")
    anew: bool = Field(
        default=False,
        description="fit again although nothing changed; starts from the centres of a version that people approved",
    )


@dg.asset(
    group_name="clusters",
    deps=[dg.AssetDep(labels, partition_mapping=dg.AllPartitionMapping())],
    kinds={"python", "scikitlearn"},
    owners=OWNERS,
    code_version="2",
    metadata=column_schema("assignments"),
    description="Final categories: k-means over embeddings of the distinct label names, normal and anomaly apart "
    "(paper: 30 and 68). Unchanged names return the existing version; new ones join one that people approved.",
)
def clusters(context: dg.AssetExecutionContext, config: ClustersConfig, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.clusters.organize import NoLabels, organize_labels

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "clusters")
    try:
        organized = organize_labels(work, _wanted(work, config), config.anew)
    except NoLabels as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    watch.record(organized.assignments.height)
    return result(organized.assignments, _metadata(work, organized) | pictures(work, "clusters"))


def _wanted(work: Workspace, config: ClustersConfig) -> dict[str, int] | None:
    """k per kind where the run says one; the other kind keeps what it has."""
    from svta_assets.clusters.organize import current_k

    given = {"normal": config.normal_categories, "anomaly": config.anomaly_categories}
    if given["normal"] is None and given["anomaly"] is None:
        return None
    return current_k(work) | {kind: k for kind, k in given.items() if k is not None}


def _metadata(work: Workspace, organized: "Organized") -> dict[str, Any]:
    from svta_assets.clusters.versions import fit_figures, last_entry

    categories = organized.categories
    version = categories["taxonomy"][0]
    entry = last_entry(work, version)
    facts: dict[str, Any] = {
        "taxonomy": version,
        "normal categories": int((categories["kind"] == "normal").sum()),
        "anomaly categories": int((categories["kind"] == "anomaly").sum()),
        "categories": dg.MetadataValue.md(_table(categories)),
    }
    for kind, figures in fit_figures(entry).items():
        facts |= _quality(kind, figures)
    if entry:
        facts["changes"] = dg.MetadataValue.md(entry["changes"])
    if organized.far:
        facts["new names far from every category"] = ", ".join(organized.far[:SHOWN])
    return facts


def _quality(kind: str, figures: dict[str, Any]) -> dict[str, Any]:
    if "inertia" not in figures:
        return {}
    silhouette, outliers = figures["silhouette"], figures["outliers"]
    return {
        f"{kind} k": f"{figures['k']} ({'chosen' if figures['wanted'] == 0 else 'given'})",
        f"{kind} inertia": figures["inertia"],
        f"{kind} silhouette": "not defined" if silhouette is None else round(silhouette, 4),
        f"{kind} names per category": ", ".join(map(str, figures["sizes"])),
        f"{kind} outliers": f"{len(outliers)}: {', '.join(outliers[:SHOWN])}" if outliers else "none",
    }


def _table(categories: pl.DataFrame) -> str:
    ordered = categories.sort("kind", "number", descending=[True, False])
    lines = ["| kind | number | name | group | pairs | label names |", "|---|---|---|---|---|---|"]
    for row in ordered.iter_rows(named=True):
        shown = ", ".join(row["names"][:6]) + (" ..." if len(row["names"]) > 6 else "")
        cells = (row["kind"], row["number"], row["name"], row["group"], row["pairs"], shown)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
