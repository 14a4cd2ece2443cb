"""The code location: `dagster dev -m svta_assets.definitions`. Loading it reads no home and imports nothing heavy."""

import dagster as dg

from svta_assets.automation.abandoned_runs import abandoned_runs
from svta_assets.automation.jobs import JOBS
from svta_assets.automation.nightly import NIGHT_JOBS, SCHEDULES
from svta_assets.automation.regenerate import regenerate
from svta_assets.automation.requests import regeneration_requests
from svta_assets.checkpoints.assets import model_checkpoints
from svta_assets.checks import CHECKS
from svta_assets.clusters.assets import clusters
from svta_assets.labels.assets import labels
from svta_assets.splits.assets import splits
from svta_assets.tables.assets import eval_tables
from svta_assets.texts.assets import llm_descriptions, raw_texts
from svta_assets.videos.assets import videos
from svta_resources.gpu_resource import GpuResource
from svta_resources.home import HomeResource

ASSETS = [raw_texts, llm_descriptions, videos, labels, clusters, splits, model_checkpoints, eval_tables]

defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[*JOBS, regenerate, *NIGHT_JOBS],
    schedules=SCHEDULES,
    sensors=[abandoned_runs, regeneration_requests],
    resources={"home": HomeResource(), "gpu": GpuResource()},
    # One process per run: a step subprocess would pay the imports and the model load again.
    executor=dg.in_process_executor,
)
