"""`regenerate`: clips of arbitrary categories in one run with one resident pool.

Dagster's own single-run backfill starts one run per contiguous key range, so scattered categories have a job of their
own. Each category is reported the moment it is done: a run that dies in the third keeps the first two.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from svta_assets.videos.assets import ModeName, VideosConfig, materialize_category, videos
from svta_assets.workspace import prepare_workspace
from svta_resources.home import HomeResource


class RegenerateConfig(dg.Config):
    """Which clips of which categories."""

    categories: list[str] = Field(description="generation categories, in the order they are made")
    mode: ModeName = Field(default=ModeName.new_take, description="as for the asset `videos`")
    only: list[str] = Field(default=[], description="restrict to these pair_ids; empty means all")
    confirm: bool = Field(default=False, description="run although the plan exceeds confirm_above_gpu_hours")
    pilot: int = Field(
        default=0, ge=0, description="make at most this many clips of each category and project the rest; 0 makes all"
    )


@dg.op(pool="gpu", description="Makes clips category by category and reports each one as it completes.")
def regenerate_categories(context: dg.OpExecutionContext, config: RegenerateConfig, home: HomeResource) -> None:
    from svta_assets.categories import category

    work = prepare_workspace(home.open())
    keys = [category(key).key for key in config.categories]  # an unknown one stops the run before any clip
    for key in keys:
        result = materialize_category(context, work, key, _for_category(work, key, config))
        context.log_event(observation(key, result) if config.pilot else materialization(key, result))


def _for_category(work: Any, key: str, config: RegenerateConfig) -> VideosConfig:
    if not config.only:
        return VideosConfig(mode=config.mode, confirm=config.confirm, pilot=config.pilot)
    pairs = set(work.catalog.read("descriptions", key)["pair_id"])
    chosen = [pair for pair in config.only if pair in pairs]
    if not chosen:
        raise dg.Failure(f"category {key} has none of the {len(config.only)} pairs asked for", allow_retries=False)
    return VideosConfig(mode=config.mode, only=chosen, confirm=config.confirm, pilot=config.pilot)


def materialization(key: str, result: dg.MaterializeResult) -> dg.AssetMaterialization:
    """The event of one category, with the data version that the asset itself would have recorded."""
    assert result.data_version is not None
    tags = {"dagster/data_version": result.data_version.value, "dagster/data_version_is_user_provided": "true"}
    return dg.AssetMaterialization(videos.key, partition=key, metadata=result.metadata, tags=tags)


def observation(key: str, result: dg.MaterializeResult) -> dg.AssetObservation:
    """The event of a pilot: seen in the UI with its projection, but the partition does not count as made."""
    return dg.AssetObservation(videos.key, partition=key, metadata=result.metadata)


@dg.job(description="Clips of any categories in one run; `svta regen` and the Launchpad use it.")
def regenerate() -> None:
    regenerate_categories()
