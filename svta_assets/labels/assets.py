"""`labels`: label facts of every pair, and which pairs have an accepted clip."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from pydantic import Field

from svta_assets.partitions import categories
from svta_assets.results import OWNERS, Stopwatch, column_schema, counts_table, result
from svta_assets.texts.assets import llm_descriptions
from svta_assets.videos.assets import videos
from svta_assets.workspace import prepare_workspace
from svta_resources.home import HomeResource

if TYPE_CHECKING:
    from svta_assets.labels.facts import Labelled

_SAME_KEY = dg.IdentityPartitionMapping()


class LabelsConfig(dg.Config):
    """A plain run asks only what has no answer yet."""

    ask_again: bool = Field(
        default=False,
        description="ask once more also the questions that got no valid answer in as many runs as SVTA_LABEL_RUNS says",
    )


@dg.asset(
    group_name="labels",
    partitions_def=categories,
    deps=[
        dg.AssetDep(llm_descriptions, partition_mapping=_SAME_KEY),
        dg.AssetDep(videos, partition_mapping=_SAME_KEY),
    ],
    kinds={"python", "openai"},
    owners=OWNERS,
    code_version="2",
    metadata=column_schema("labels"),
    description="Normal or anomalous, a short name, and the attributes of every pair. Facts the source gives are never "
    "overwritten: the language model fills only what is missing, its opinion stands beside them, and people correct. "
    "A new clip asks nothing again.",
)
def labels(context: dg.AssetExecutionContext, config: LabelsConfig, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.labels.facts import label_category
    from svta_assets.texts.costs import spent_markdown, spent_on
    from svta_assets.videos.produce import Eta

    work, key, run_id = prepare_workspace(home.open()), context.partition_key, context.run.run_id
    watch = Stopwatch(work, run_id, "labels", key)
    work.chat.progress = Eta(context.log.info, f"labels {key}")
    labelled = label_category(work, key, run_id, config.ask_again)
    watch.record(labelled.rows.height, tokens=labelled.tokens)
    now, ever = (spent_on(work, "label", key, run) for run in (run_id, None))
    spent = {"language model": dg.MetadataValue.md(spent_markdown(now, ever))}
    return result(labelled.rows, spent | _metadata(labelled))


def _metadata(labelled: "Labelled") -> dict[str, Any]:
    from svta_assets.labels.disagreements import disagreements_markdown
    from svta_assets.labels.reviews import REVIEWER

    rows = labelled.rows
    origins = dict(rows["name_origin"].value_counts(sort=True).iter_rows())
    names = dict(rows["name"].value_counts(sort=True).head(15).iter_rows())
    corrected = rows.filter((pl.col("name_origin") == REVIEWER) | (pl.col("is_anomaly_origin") == REVIEWER))
    return {
        "anomalous": int(rows["is_anomaly"].sum()),
        "with an accepted clip": int(rows["clip_id"].is_not_null().sum()),
        "source and model disagree": dg.MetadataValue.md(disagreements_markdown(labelled.disagreements)),
        "corrected by reviewers": corrected.height,
        "name origins": counts_table(origins, "origin", "labels"),
        "most frequent names": counts_table(names, "name", "labels"),
    }
