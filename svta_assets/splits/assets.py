"""`splits`: 7:1:2 within every final category, and the release."""

from typing import Any

import dagster as dg
from pydantic import Field

from svta_assets.clusters.assets import clusters
from svta_assets.results import OWNERS, Stopwatch, column_schema, result
from svta_assets.splits.assign import SPLIT_SEED
from svta_assets.workspace import prepare_workspace
from svta_resources.home import HomeResource


class SplitsConfig(dg.Config):
    """Splits are kept for ever unless somebody asks for another draw."""

    draw_anew: bool = Field(
        default=False,
        description="draw every split again: results on the new test split cannot be compared with earlier ones",
    )
    seed: int = Field(default=SPLIT_SEED, description="of a new draw")


@dg.asset(
    group_name="splits",
    deps=[clusters],
    kinds={"python", "polars"},
    owners=OWNERS,
    code_version="1",
    metadata=column_schema("splits"),
    description="7:1:2 within every final category; a pair keeps its split for ever. Writes a release, an immutable "
    "list of pairs and clips, when anything changed. Asks the gates label_review and taxonomy_approval first.",
)
def splits(context: dg.AssetExecutionContext, config: SplitsConfig, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.gates import label_review, require, taxonomy_approval
    from svta_assets.splits.release import write_splits_and_release

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "splits")
    require(work, [label_review(work), taxonomy_approval(work)])
    written = write_splits_and_release(work, config.draw_anew, config.seed)
    watch.record(written.rows.height)
    return result(written.rows, _metadata(written), without=("uri",))


def _metadata(written: Any) -> dict[str, Any]:
    counts = dict(written.rows["split"].value_counts().iter_rows())
    table = written.rows.pivot("split", index="final_category", values="pair_id", aggregate_function="len").fill_null(0)
    names = [name for name in ("train", "val", "test") if name in table.columns]
    lines = ["| final category | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in table.sort("final_category").iter_rows(named=True):
        lines.append(f"| {row['final_category']} | " + " | ".join(str(row[name]) for name in names) + " |")
    return {
        "release": written.release,
        "new release": written.is_new,
        "pairs that changed their split": written.moved,
        **{split: counts.get(split, 0) for split in ("train", "val", "test")},
        "split by": dg.MetadataValue.md("\n".join(lines)),
        "categories too small for 7:1:2": ", ".join(written.small) or "none",
        "generators": ", ".join(sorted(set(written.generators))),
    }
