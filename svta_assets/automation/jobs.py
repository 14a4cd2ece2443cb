"""The four jobs that serve the command line, the demo, sensors and schedules, and `regenerate`.

A job never mixes partitioned and unpartitioned assets: backfills of such a job ignore partition mappings.
"""

import dagster as dg

from svta_assets.checkpoints.assets import model_checkpoints
from svta_assets.clusters.assets import clusters
from svta_assets.labels.assets import labels
from svta_assets.splits.assets import splits
from svta_assets.tables.assets import eval_tables
from svta_assets.texts.assets import llm_descriptions, raw_texts
from svta_assets.videos.assets import videos

sources = dg.define_asset_job("sources", [raw_texts], description="Collect texts.")
generate = dg.define_asset_job(
    "generate", [llm_descriptions, videos, labels], description="Descriptions, clips and labels of one category."
)
organize = dg.define_asset_job("organize", [clusters, splits], description="Final categories, splits, release.")
benchmark = dg.define_asset_job(
    "benchmark", [model_checkpoints, eval_tables], description="Train and evaluate one retrieval model."
)
JOBS = [sources, generate, organize, benchmark]
