"""`clusters`: the numbered taxonomy and every pair's final category."""

from typing import Any

import dagster as dg
import polars as pl

from svta_assets.labels.assets import labels
from svta_assets.results import OWNERS, Stopwatch, column_schema, result
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource


@dg.asset(
    group_name="clusters",
    deps=[dg.AssetDep(labels, partition_mapping=dg.AllPartitionMapping())],
    kinds={"python", "scikitlearn"},
    owners=OWNERS,
    code_version="1",
    metadata=column_schema("assignments"),
    description="Final categories: k-means over embeddings of the distinct label names, normal and anomaly apart "
    "(paper: 30 and 68). Unchanged names return the existing version.",
)
def clusters(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "clusters")
    categories, assignments = organize_labels(work)
    watch.record(assignments.height)
    return result(assignments, _metadata(categories))


def organize_labels(work: Workspace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fit (or keep) the taxonomy and write `categories` and `assignments`."""
    from svta_assets.clusters.taxonomy import fit, inputs_sha, stored
    from svta_assets.labels.labelling import UNNAMED

    rows = work.catalog.read("labels").filter(pl.col("name") != UNNAMED)  # those wait for a valid answer
    if rows.is_empty():
        raise dg.Failure("there are no labels yet: materialize labels for some categories first", allow_retries=False)
    wanted = {"normal": work.profile.normal_categories, "anomaly": work.profile.anomaly_categories}
    before = work.catalog.read("categories")
    unchanged = before.height and before["inputs_sha"][0] == inputs_sha(rows, wanted)
    taxonomy = stored(before) if unchanged else fit(rows, wanted, work.embedder().encode)
    categories = work.catalog.publish("categories", "all", taxonomy.categories)
    return categories, work.catalog.publish("assignments", "all", taxonomy.assign(rows))


def _metadata(categories: pl.DataFrame) -> dict[str, Any]:
    ordered = categories.sort("kind", "number", descending=[True, False])
    lines = ["| kind | number | name | pairs | label names |", "|---|---|---|---|---|"]
    for row in ordered.iter_rows(named=True):
        shown = ", ".join(row["names"][:6]) + (" ..." if len(row["names"]) > 6 else "")
        lines.append(f"| {row['kind']} | {row['number']} | {row['name']} | {row['pairs']} | {shown} |")
    return {
        "taxonomy": categories["taxonomy"][0],
        "normal categories": int((categories["kind"] == "normal").sum()),
        "anomaly categories": int((categories["kind"] == "anomaly").sum()),
        "categories": dg.MetadataValue.md("\n".join(lines)),
    }
