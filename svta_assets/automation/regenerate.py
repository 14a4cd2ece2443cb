"""`regenerate`: clips of arbitrary categories in one run with one resident pool.

Dagster's own single-run backfill starts one run per contiguous key range, so scattered categories have a job of their
own. Each category is reported the moment it is done: a run that dies in the third keeps the first two.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from svta_assets.regeneration.filters import Filters
from svta_assets.regeneration.selection import Wish, choose
from svta_assets.videos.assets import ModeName, VideosConfig, materialize_category, videos
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource

OP = "regenerate_categories"


class RegenerateConfig(dg.Config):
    """Which clips of which categories."""

    categories: list[str] = Field(
        default=[],
        description="generation or final categories, by key or name, in the order they are made; may be empty where "
        "`only` names pairs",
    )
    mode: ModeName = Field(default=ModeName.new_take, description="as for the asset `videos`")
    rejected: bool = Field(default=False, description="only pairs none of whose clips was accepted; conditions add up")
    stale: bool = Field(default=False, description="only pairs whose clip would be made differently today")
    below: dict[str, float] = Field(
        default={}, description="only pairs whose clip has a lower score, such as {similarity: 0.2, motion: 1.5}"
    )
    above: dict[str, float] = Field(default={}, description="the same, a higher one, such as {flicker: 20}")
    only: list[str] = Field(default=[], description="restrict to these pair_ids or clip_ids; empty means all")
    include_test: bool = Field(default=True, description="false leaves the pairs of the test split as they are")
    confirm: bool = Field(default=False, description="run although the plan exceeds confirm_above_gpu_hours")
    pilot: int = Field(
        default=0, ge=0, description="make at most this many clips of each category and project the rest; 0 makes all"
    )
    gpu_hours: float = Field(
        default=0.0, ge=0, description="stop before more device hours are spent than this; 0 means no limit"
    )
    request: str = Field(default="", description="id of the regeneration request this run serves; empty for none")
    by: str = Field(default="", description="who asks, where the request is not on record yet")
    why: str = Field(default="", description="why, likewise")

    def wish(self) -> Wish:
        """What is asked for. Raises BadFilter for a score that does not exist."""
        from svta_assets.regeneration.filters import parse_filters

        filters: Filters = parse_filters(self.filters())
        return Wish(tuple(self.categories), filters, self.include_test)

    def filters(self) -> dict[str, Any]:
        """The filters as they stand in a row of `regeneration_requests`."""
        return {
            "rejected": self.rejected,
            "stale": self.stale,
            "below": dict(self.below),
            "above": dict(self.above),
            "only": list(self.only),
        }


@dg.op(pool="gpu", description="Makes clips category by category and reports each one as it completes.")
def regenerate_categories(context: dg.OpExecutionContext, config: RegenerateConfig, home: HomeResource) -> None:
    from svta_assets.automation.progress import Progress

    work = prepare_workspace(home.open())
    with Progress(work, context.run.run_id, config) as progress:
        chosen = choose(work, config.wish())  # an unknown name stops the run before any clip
        if chosen.spared:
            context.log.info(f"{chosen.spared} pairs of the test split are left as they are")
        for key in chosen.idle:
            context.log.info(f"{key}: no pair is meant")
        for key in chosen.categories:
            only = chosen.pairs[key]
            if config.gpu_hours:
                only = progress.affordable(key, only)
                if only == []:
                    context.log.info(f"{key}: the budget of {config.gpu_hours:g} device hours is used up")
                    continue
            _make(context, work, key, only, config, progress)


def _make(
    context: dg.OpExecutionContext,
    work: Workspace,
    key: str,
    only: list[str] | None,
    config: RegenerateConfig,
    progress: Any,
) -> None:
    how = VideosConfig(mode=config.mode, only=only or [], confirm=config.confirm, pilot=config.pilot)
    with progress.category(key) as seen:
        result = materialize_category(context, work, key, how)
    facts = seen.metadata()
    context.log_event(observation(key, result, facts) if config.pilot else materialization(key, result, facts))


def materialization(key: str, result: dg.MaterializeResult, facts: dict[str, Any]) -> dg.AssetMaterialization:
    """The event of one category, with the data version that the asset itself would have recorded."""
    assert result.data_version is not None
    tags = {"dagster/data_version": result.data_version.value, "dagster/data_version_is_user_provided": "true"}
    metadata = {**(result.metadata or {}), **facts}
    return dg.AssetMaterialization(videos.key, partition=key, metadata=metadata, tags=tags)


def observation(key: str, result: dg.MaterializeResult, facts: dict[str, Any]) -> dg.AssetObservation:
    """The event of a pilot: seen in the UI with its projection, but the partition does not count as made."""
    return dg.AssetObservation(videos.key, partition=key, metadata={**(result.metadata or {}), **facts})


@dg.job(description="Clips of any categories in one run; `svta regen`, requests, nights and the Launchpad use it.")
def regenerate() -> None:
    regenerate_categories()
