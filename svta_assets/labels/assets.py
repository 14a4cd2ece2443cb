"""`labels`: label facts of every pair, and which pairs have an accepted clip."""

import dagster as dg

from svta_assets.partitions import categories
from svta_assets.results import OWNERS, Stopwatch, column_schema, counts_table, result
from svta_assets.texts.assets import llm_descriptions
from svta_assets.videos.assets import videos
from svta_assets.workspace import prepare_workspace
from svta_resources.home import HomeResource

_SAME_KEY = dg.IdentityPartitionMapping()


@dg.asset(
    group_name="labels",
    partitions_def=categories,
    deps=[
        dg.AssetDep(llm_descriptions, partition_mapping=_SAME_KEY),
        dg.AssetDep(videos, partition_mapping=_SAME_KEY),
    ],
    kinds={"python", "openai"},
    owners=OWNERS,
    code_version="1",
    metadata=column_schema("labels"),
    description="Normal or anomalous, and a short name, for every pair. Facts the source gives are never overwritten; "
    "the language model fills only what is missing. A new clip asks nothing again.",
)
def labels(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    from svta_assets.labels.facts import label_category
    from svta_assets.texts.costs import spent_markdown, spent_on
    from svta_assets.videos.produce import Eta

    work = prepare_workspace(home.open())
    watch = Stopwatch(work, context.run.run_id, "labels", context.partition_key)
    work.chat.progress = Eta(context.log.info, f"labels {context.partition_key}")
    labelled = label_category(work, context.partition_key, context.run.run_id)
    rows = labelled.rows
    watch.record(rows.height, tokens=labelled.tokens)
    origins = dict(rows["name_origin"].value_counts(sort=True).iter_rows())
    names = dict(rows["name"].value_counts(sort=True).head(15).iter_rows())
    now, ever = (spent_on(work, "label", context.partition_key, run) for run in (context.run.run_id, None))
    metadata = {
        "language model": dg.MetadataValue.md(spent_markdown(now, ever)),
        "anomalous": int(rows["is_anomaly"].sum()),
        "with an accepted clip": int(rows["clip_id"].is_not_null().sum()),
        "sentences of abnormal videos called normal by the embedded labeller": labelled.called_normal.height,
        "name origins": counts_table(origins, "origin", "labels"),
        "most frequent names": counts_table(names, "name", "labels"),
    }
    return result(rows, metadata)
