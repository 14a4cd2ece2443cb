"""`videos`: one current clip per description."""

import json
from enum import StrEnum
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from svta_assets.partitions import categories
from svta_assets.results import OWNERS, Stopwatch, column_schema, result
from svta_assets.texts.assets import llm_descriptions
from svta_assets.videos.plan import Mode
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.home import HomeResource

# Columns that say how a clip was made, or how near it is to clips of other categories: not what the partition holds.
NOT_CONTENT = ("provenance", "seconds", "device_seconds", "made_at", "nearest_clip", "nearest_distance")


class ModeName(StrEnum):
    """`Mode` as run config spells it: Dagster takes the *names* of an enum's members, and people write `new_take`."""

    missing = Mode.MISSING.value
    stale = Mode.STALE.value
    retry_rejected = Mode.RETRY_REJECTED.value
    new_take = Mode.NEW_TAKE.value


class VideosConfig(dg.Config):
    """What a click does. A plain Materialize makes what is missing."""

    mode: ModeName = Field(
        default=ModeName.missing,
        description="missing: pairs without a clip; stale: clips that would be made differently today; "
        "retry_rejected: pairs whose clips were all rejected; new_take: another attempt for every pair",
    )
    only: list[str] = Field(default=[], description="restrict to these pair_ids; empty means all of the category")
    confirm: bool = Field(default=False, description="run although the plan exceeds confirm_above_gpu_hours")
    pilot: int = Field(
        default=0, ge=0, description="make at most this many clips of the plan and project the rest; 0 makes them all"
    )


@dg.asset(
    group_name="videos",
    partitions_def=categories,
    deps=[dg.AssetDep(llm_descriptions, partition_mapping=dg.IdentityPartitionMapping())],
    kinds={"python"},
    owners=OWNERS,
    code_version="1",
    pool="gpu",
    metadata=column_schema("clips"),
    description="Clips of one generation category, made by the profile's video generator and checked by the quality "
    "gates. Finished clips are published one by one: a killed run loses nothing and a re-run makes only the rest.",
)
def videos(context: dg.AssetExecutionContext, config: VideosConfig, home: HomeResource) -> dg.MaterializeResult:
    work = prepare_workspace(home.open())
    return materialize_category(context, work, context.partition_key, config)


def materialize_category(context: Any, work: Workspace, category: str, config: VideosConfig) -> dg.MaterializeResult:
    """Make a category's clips and describe them; also used by the job `regenerate`."""
    from svta_assets.videos.pilot import pilot_metadata, start_pilot
    from svta_assets.videos.produce import Eta, produce
    from svta_assets.videos.sizes import confirm_size
    from svta_resources.video.resident import resident_pool

    watch = Stopwatch(work, context.run.run_id, "videos", category)
    mode, asked = Mode(config.mode.value), config.only or None
    only = asked
    if config.pilot:
        work, only = start_pilot(work, category, mode, asked, config.pilot)
    confirm_size(work, category, mode, only, config.confirm)
    pool = resident_pool(work.profile, work.generator, work.home.media_url)
    eta = Eta(context.log.info, f"videos {category}")
    outcome = produce(work, category, mode, only, pool, eta)
    watch.record(outcome.made, worker_seconds=outcome.worker_seconds)
    if outcome.failed and not outcome.made:
        first = outcome.failed[0]
        raise dg.Failure(f"none of {len(outcome.failed)} clips of {category} could be made: {first['detail'][-500:]}")
    facts = pilot_metadata(work, category, mode, asked) if config.pilot else {}
    return result(outcome.clips, {**_metadata(work, outcome, config.pilot), **facts}, without=NOT_CONTENT)


def _metadata(work: Workspace, outcome: Any, pilot: int) -> dict[str, Any]:
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.preview import preview
    from svta_assets.videos.quality import deciles_markdown
    from svta_assets.videos.verdicts import reason_counts

    plan, clips = outcome.plan, outcome.clips
    said = f"{outcome.made} made, {plan.current} current"
    if pilot:
        said = f"pilot of {pilot}: {outcome.made} made"
    if not plan.jobs:
        said += "; for new ones choose mode new_take"
    if plan.waiting:
        said += f"; {plan.waiting} candidates wait for `svta regen {plan.category} --promote` or `--discard`"
    sheet = preview(work, clips.filter("current"), f"clips/{plan.category}")
    return {
        "what happened": said,
        "accepted": outcome.accepted,
        "rejected": outcome.rejected,
        "reject reasons": ", ".join(f"{kind}: {count}" for kind, count in reason_counts(clips).items()) or "none",
        "drawn neutral": _drawn_neutral(clips),
        "not rendered": len(outcome.failed),
        "tried again, worker lost": outcome.retried,
        "promoted": outcome.promoted,
        "worker seconds": round(outcome.worker_seconds, 2),
        "scores by decile": dg.MetadataValue.md(
            f"{deciles_markdown(clips, load_thresholds(work.profile.name))}\n\nWith pictures: "
            f"`svta review scores {plan.category}`"
        ),
        **({"preview": dg.MetadataValue.md(sheet)} if sheet else {}),
    }


def _drawn_neutral(clips: pl.DataFrame) -> int:
    """Current clips whose caption yielded no entity and action, so that a neutral scene was drawn."""
    scenes = (json.loads(scene) for scene in clips.filter("current")["scene"].drop_nulls())
    return sum(bool(scene.get("neutral")) for scene in scenes)
