"""`splits`: 7:1:2 within every final category, and the release."""

from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from svta_assets.clusters.assets import clusters
from svta_assets.results import OWNERS, Stopwatch, column_schema, pictures, result
from svta_assets.splits.assign import SPLIT_SEED
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource

if TYPE_CHECKING:
    from svta_assets.splits.release import Written

PAPER = {"train": 28_898, "val": 4_108, "test": 8_309}  # SVTA paper, splits
SHOWN = 20  # pairs left out that the metadata lists


class SplitsConfig(dg.Config):
    """Splits are kept for ever unless somebody asks for another draw."""

    draw_anew: bool = Field(
        default=False,
        description="draw every split again: results on the new test split cannot be compared with earlier ones",
    )
    seed: int = Field(default=SPLIT_SEED, description="of a new draw")
    strategy: Literal["", "paper", "grouped"] = Field(
        default="",
        description="paper: 7:1:2 in every category; grouped: one source video and near-duplicate captions stay "
        "together; default: the one the home has, at first paper. Another one needs draw_anew",
    )
    exclude_benchmarks: bool = Field(
        default=False,
        description="leave out of this release pairs whose caption or source video is in a benchmark's test set",
    )


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
    written = write_splits_and_release(
        work, config.draw_anew, config.seed, config.strategy or None, config.exclude_benchmarks
    )
    watch.record(written.rows.height)
    facts = _metadata(written) | _review(work) | pictures(work, "splits")
    return result(written.rows, facts, without=("uri",))


def _review(work: Workspace) -> dict[str, Any]:
    from svta_assets.gates import gate_settings
    from svta_assets.labels.review_report import label_report, report_markdown

    report = label_report(work, gate_settings(work.profile.name)["labels"]["sample"])
    return {"label review": dg.MetadataValue.md(report_markdown(report))}


def _metadata(written: "Written") -> dict[str, Any]:
    from svta_assets.splits.leakage import leakage_markdown

    counts = dict(written.rows["split"].value_counts().iter_rows())
    left_out = [f"{pair}: {why}" for pair, why in written.left_out.items()]
    return {
        "release": written.release,
        "new release": written.is_new,
        "strategy": written.strategy,
        "pairs that changed their split": written.moved,
        **{split: counts.get(split, 0) for split in PAPER},
        "beside the paper": dg.MetadataValue.md(_beside_the_paper(counts)),
        "split by": dg.MetadataValue.md(_by_category(written)),
        "leakage": dg.MetadataValue.md(leakage_markdown(written.leaks)),
        "pairs left out": f"{len(left_out)}; {'; '.join(left_out[:SHOWN])}" if left_out else "none",
        "categories too small for 7:1:2": ", ".join(written.small) or "none",
        "generators": ", ".join(sorted(set(written.generators))),
    }


def _beside_the_paper(counts: dict[str, int]) -> str:
    total, paper = sum(counts.values()), sum(PAPER.values())
    lines = ["| split | pairs | share | paper | its share |", "|---|---|---|---|---|"]
    for split, theirs in PAPER.items():
        ours = counts.get(split, 0)
        lines.append(f"| {split} | {ours:,} | {ours / total:.1%} | {theirs:,} | {theirs / paper:.1%} |")
    return "\n".join([*lines, f"| all | {total:,} | | {paper:,} | |"])


def _by_category(written: "Written") -> str:
    table = written.rows.pivot("split", index="final_category", values="pair_id", aggregate_function="len").fill_null(0)
    names = [name for name in PAPER if name in table.columns]
    lines = ["| final category | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in table.sort("final_category").iter_rows(named=True):
        lines.append(f"| {row['final_category']} | " + " | ".join(str(row[name]) for name in names) + " |")
    return "\n".join(lines)
