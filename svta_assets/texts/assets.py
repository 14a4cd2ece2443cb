"""`raw_texts` and `llm_descriptions`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from svta_assets.partitions import categories
from svta_assets.results import OWNERS, Stopwatch, column_schema, counts_table, pictures, result
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource

if TYPE_CHECKING:
    from svta_assets.texts.describe import Described


@dg.asset(
    group_name="texts",
    kinds={"python", "polars"},
    owners=OWNERS,
    code_version="1",
    metadata=column_schema("texts"),
    description="Collected texts: UCA, UCFCrime-AR, OOPS! and any CSV/JSONL from SVTA_SOURCES_DIR, else the packaged "
    "sentences. Cleaned, flagged, and given their generation category; nothing is dropped without a row in rejects.",
)
def raw_texts(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.texts.collect import collect_texts
    from svta_resources.embedder import get_embedder

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "raw_texts")
    folder = os.environ.get("SVTA_SOURCES_DIR")
    settled = dict(work.catalog.read("clips").select("pair_id", "category").iter_rows())
    encode = get_embedder().encode  # the packaged model: the thresholds of OOPS! categories were set with it
    collected = collect_texts(Path(folder) if folder else None, encode, settled)
    work.catalog.publish("rejects", "raw_texts", collected.rejects)
    texts = work.catalog.publish("texts", "all", collected.texts)
    watch.record(texts.height)
    facts = _metadata(texts, collected.rejects.height, collected.report)
    return result(texts, facts | pictures(work, "raw_texts"))


def _metadata(texts: pl.DataFrame, rejects: int, report: dict[str, Any]) -> dict[str, Any]:
    from svta_assets.texts.report_markdown import report_markdown

    by_source = dict(texts["source"].value_counts(sort=True).iter_rows())
    anomalous = int(texts["is_anomaly"].sum())
    return {
        "normal": texts.height - anomalous,
        "anomalous": anomalous,
        "rejected": rejects,
        "sources": counts_table(by_source, "source", "texts"),
        "source report": dg.MetadataValue.md(report_markdown(report)),
    }


@dg.asset(
    group_name="texts",
    partitions_def=categories,
    deps=[dg.AssetDep(raw_texts, partition_mapping=dg.AllPartitionMapping())],
    kinds={"python", "openai"},
    owners=OWNERS,
    code_version="1",
    metadata=column_schema("descriptions"),
    description="The caption of every pair of a category: collected texts passed through, and for the 23 seed "
    "anomalies descriptions written by language models over age, gender, culture, environment and camera. None nearly "
    "repeats another, and none was dropped by a reviewer.",
)
def llm_descriptions(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.texts.describe import describe_category
    from svta_assets.videos.produce import Eta

    work = prepare_workspace(home.open())
    category = context.partition_key
    eta = Eta(context.log.info, f"llm_descriptions {category}")
    watch = Stopwatch(work, context.run.run_id, "llm_descriptions", category)
    described = describe_category(work, category, context.run.run_id, eta)
    watch.record(described.rows.height, tokens=described.tokens)
    if described.warning:
        context.log.warning(described.warning)
    return result(described.rows, _described_metadata(work, category, context.run.run_id, described))


def _described_metadata(work: Workspace, category: str, run_id: str, described: "Described") -> dict[str, Any]:
    from svta_assets.texts.costs import spent_markdown, spent_on
    from svta_assets.texts.diversity import category_markdown

    origins = dict(described.rows["origin"].value_counts(sort=True).iter_rows())
    models = dict(described.rows["model"].drop_nulls().value_counts(sort=True).iter_rows())
    examples = [f"- {caption}" for caption in described.rows["caption"].head(5)]
    now, ever = (spent_on(work, "describe", category, run) for run in (run_id, None))
    metadata: dict[str, Any] = {
        "origins": counts_table(origins, "origin", "descriptions"),
        "language model": dg.MetadataValue.md(spent_markdown(now, ever)),
        "rejected": described.rejects.height,
        "examples": dg.MetadataValue.md("\n".join(examples) or "none"),
    }
    if described.diversity is not None:
        metadata["models"] = counts_table(models, "model", "descriptions")
        metadata["diversity"] = dg.MetadataValue.md(category_markdown(described.diversity))
    return metadata | ({"warning": described.warning} if described.warning else {})
