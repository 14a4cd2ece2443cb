"""Asset checks: they show stored verdicts and facts. The gates themselves act in the downstream asset."""

import dagster as dg
import polars as pl

from svta_assets.checkpoints.assets import model_checkpoints
from svta_assets.clusters.assets import clusters
from svta_assets.labels.assets import labels
from svta_assets.partitions import categories, models
from svta_assets.results import percent_shown
from svta_assets.splits.assets import splits
from svta_assets.tables.assets import eval_tables
from svta_assets.texts.assets import llm_descriptions
from svta_assets.videos.assets import videos
from svta_assets.workspace import Workspace, open_workspace
from svta_resources.home import HomeResource


@dg.asset_check(asset=llm_descriptions, partitions_def=categories, description="No two pairs share an LLM caption.")
def descriptions_are_distinct(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    rows = open_workspace(home.open()).catalog.read("descriptions", context.partition_key)
    written = rows.filter(pl.col("origin") == "llm")
    repeated = written.height - written["caption"].n_unique()
    return dg.AssetCheckResult(passed=repeated == 0, metadata={"repeated": repeated, "descriptions": rows.height})


@dg.asset_check(
    asset=videos, partitions_def=categories, description="Every current clip is an object in the store of its size."
)
def current_clips_exist(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    work = open_workspace(home.open())
    clips = work.catalog.read("clips", context.partition_key).filter("current")
    present = {item.key for item in work.store.list(f"clips/{context.partition_key}") if item.size}
    missing = [uri for uri in clips["uri"] if uri not in present]
    return dg.AssetCheckResult(passed=not missing, metadata={"missing": len(missing), "current": clips.height})


@dg.asset_check(
    asset=videos,
    partitions_def=categories,
    description="Every description has an accepted clip, or the share that lacks one is shown.",
)
def every_pair_has_a_clip(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    work = open_workspace(home.open())
    pairs = work.catalog.read("descriptions", context.partition_key).height
    current = work.catalog.read("clips", context.partition_key).filter("current").height
    return dg.AssetCheckResult(
        passed=current >= pairs,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"pairs": pairs, "with an accepted clip": current},
    )


@dg.asset_check(
    asset=videos,
    partitions_def=categories,
    description="TeaCache skipped steps of every clip that was to be made with it; nothing to check for others.",
)
def tea_cache_skips_steps(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.videos.quality import steps_with_tea_cache

    clips = open_workspace(home.open()).catalog.read("clips", context.partition_key).filter("current")
    steps = steps_with_tea_cache(clips)
    computed, skipped = int(steps["computed"].sum()), int(steps["skipped"].sum())
    idle = steps.filter(pl.col("skipped") == 0)
    metadata: dict[str, int | float] = {
        "clips with TeaCache": steps.height,
        "without a skipped step": idle.height,
        "share of steps skipped": round(skipped / max(1, skipped + computed), 4),
    }
    return dg.AssetCheckResult(passed=idle.is_empty(), metadata=metadata)


@dg.asset_check(
    asset=labels, partitions_def=categories, description="Sourced label facts stand as the source has them."
)
def sourced_facts_are_kept(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    work = open_workspace(home.open())
    texts = work.catalog.read("texts").select(pl.col("text_id").alias("pair_id"), pl.col("is_anomaly").alias("sourced"))
    joined = work.catalog.read("labels", context.partition_key).join(texts, on="pair_id")
    differ = joined.filter(pl.col("is_anomaly") != pl.col("sourced"))
    corrected = differ.filter(pl.col("is_anomaly_origin") == "reviewer").height
    changed = differ.height - corrected
    metadata = {"changed": changed, "corrected by reviewers": corrected, "sourced": joined.height}
    return dg.AssetCheckResult(passed=changed == 0, metadata=metadata)


@dg.asset_check(
    asset=labels,
    partitions_def=categories,
    description="Few texts are normal by their source and anomalous by the model, or the reverse.",
)
def source_and_model_agree(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.gates import gate_settings
    from svta_assets.labels.disagreements import disagreement_share

    work = open_workspace(home.open())
    share = disagreement_share(work.catalog.read("labels", context.partition_key))
    ceiling = gate_settings(work.profile.name)["labels"]["max_disagreement"]
    return dg.AssetCheckResult(
        passed=share is None or share <= ceiling,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"share that disagrees": "no opinion" if share is None else round(share, 4), "ceiling": ceiling},
    )


@dg.asset_check(
    asset=labels,
    partitions_def=categories,
    description="No label of the category is called wrong by a reviewer and still stands; the gate before splits "
    "decides whether enough was reviewed.",
)
def reviewed_labels_are_right(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.labels.review_report import category_review

    found = category_review(open_workspace(home.open()), context.partition_key)
    return dg.AssetCheckResult(passed=not found["wrong"], severity=dg.AssetCheckSeverity.WARN, metadata=found)


@dg.asset_check(asset=clusters, description="Whether the current taxonomy version may be used (gate before splits).")
def taxonomy_is_approved(home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.gates import taxonomy_approval

    verdict = taxonomy_approval(open_workspace(home.open()))
    return dg.AssetCheckResult(passed=verdict.passed, metadata={"verdict": verdict.level, "reason": verdict.reason})


@dg.asset_check(
    asset=clusters, description="Every anomaly class of UBnormal (22) and UCF-Crime (13) leads to an anomaly category."
)
def benchmark_classes_are_anomalies(home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.clusters.coverage import coverage_table, place_classes

    work = open_workspace(home.open())
    places = place_classes(work.catalog.read("labels"), work.catalog.read("assignments"))
    normal = [one.name for one in places if one.how == "normal"]
    absent = [one.name for one in places if one.how == "no texts"]  # a demo makes only some of the classes
    return dg.AssetCheckResult(
        passed=not normal and not absent,
        severity=dg.AssetCheckSeverity.ERROR if normal else dg.AssetCheckSeverity.WARN,
        metadata={
            "classes": len(places),
            "in a normal category": ", ".join(normal) or "none",
            "without texts yet": ", ".join(absent) or "none",
            "places": dg.MetadataValue.md(coverage_table(places)),
        },
    )


def _shown(work: Workspace, gates: tuple[str, ...], partition: str) -> dg.AssetCheckResult:
    from svta_assets.gates import stored_verdicts

    verdicts = stored_verdicts(work, list(gates), partition)
    severity = dg.AssetCheckSeverity.WARN if all(v.passed for v in verdicts) else dg.AssetCheckSeverity.ERROR
    metadata = {verdict.gate: f"{verdict.level}: {verdict.reason}" for verdict in verdicts}
    fine = bool(verdicts) and all(verdict.level == "ok" for verdict in verdicts)
    return dg.AssetCheckResult(passed=fine, severity=severity, metadata=metadata)


@dg.asset_check(asset=splits, description="Verdicts of the gates that splits asked before it started.")
def gates_before_splits(home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.gates import GATES_BEFORE

    return _shown(open_workspace(home.open()), GATES_BEFORE["splits"], "all")


@dg.asset_check(
    asset=model_checkpoints, partitions_def=models, description="Verdicts of the gates that training asked first."
)
def gates_before_training(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.gates import GATES_BEFORE

    return _shown(open_workspace(home.open()), GATES_BEFORE["model_checkpoints"], context.partition_key)


@dg.asset_check(
    asset=eval_tables,
    partitions_def=models,
    description="R@1 on SVTA's test split less R@1 on UCFCrime-AR: whether it grew since the release before.",
)
def synthetic_to_real_gap(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    from svta_assets.tables.gap import gap_markdown, gap_verdict

    found = gap_verdict(open_workspace(home.open()), context.partition_key)
    metadata: dict[str, str | float | dg.MarkdownMetadataValue | None] = {"reason": found.reason}
    if found.gaps.height:
        metadata["gap, points"] = percent_shown(found.gaps["gap"][-1])
        metadata["releases"] = dg.MetadataValue.md(gap_markdown(found.gaps))
    if found.growth is not None:
        metadata["growth, points"] = percent_shown(found.growth)
    return dg.AssetCheckResult(passed=found.passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


CHECKS = [
    descriptions_are_distinct,
    current_clips_exist,
    every_pair_has_a_clip,
    tea_cache_skips_steps,
    sourced_facts_are_kept,
    source_and_model_agree,
    reviewed_labels_are_right,
    taxonomy_is_approved,
    benchmark_classes_are_anomalies,
    gates_before_splits,
    gates_before_training,
    synthetic_to_real_gap,
]
