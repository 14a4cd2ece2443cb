"""The nights: validation ranks at midnight, regeneration at one, a digest at seven. All three are off until started.

Evaluating a tick only reads, so a dry run in the UI or `svta nightly` shows the next one without buying anything.
"""

import os
from datetime import datetime

import dagster as dg
from pydantic import Field

from svta_assets.automation.regenerate import OP, regenerate
from svta_assets.automation.requests import CLIPS, REQUEST_TAG, STEP_TAG
from svta_assets.workspace import open_workspace, prepare_workspace
from svta_resources.gpu_resource import GpuResource
from svta_resources.home import HomeResource

NIGHT_TAG = "svta/night"
TIMEZONE = os.environ.get("SVTA_TIMEZONE", "UTC")
# Set before the code location loads; the packaged times leave the GPUs free by day.
CRONS = {
    name: os.environ.get(f"SVTA_CRON_{name.upper()}", given)
    for name, given in {"validation": "0 0 * * *", "nightly": "0 1 * * *", "digest": "0 7 * * *"}.items()
}
OFF = dg.DefaultScheduleStatus.STOPPED


class ValidationConfig(dg.Config):
    """Which models to validate."""

    models: list[str] = Field(default=[], description="retrieval models; empty: all whose newest checkpoint was not")


@dg.op(
    pool="gpu", description="Ranks the validation pairs under the newest checkpoints: R@1 by category, never of test."
)
def validate_checkpoints(
    context: dg.OpExecutionContext, config: ValidationConfig, home: HomeResource, gpu: GpuResource
) -> None:
    from svta_assets.regeneration.validation import outdated, validate

    work = prepare_workspace(home.open())
    with gpu.device() as device:
        for model in config.models or outdated(work):
            found = validate(work, model, device, context.log.info)
            context.log.info(f"{model}: validation R@1 {found.r1:.1f} on {found.rows.height} pairs")


@dg.job(description="Validation R@1 by category of every newest checkpoint; the nights choose by it.")
def validation() -> None:
    validate_checkpoints()


@dg.schedule(
    job=validation,
    name="validation",
    cron_schedule=CRONS["validation"],
    execution_timezone=TIMEZONE,
    default_status=OFF,
    description="Validates checkpoints that were trained since; the schedule nightly needs it to find what is weak.",
)
def validation_schedule(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    from svta_assets.regeneration.validation import outdated

    models = outdated(open_workspace(home.open()))
    if not models:
        return dg.SkipReason("the newest checkpoint of every model has its validation ranks")
    return dg.RunRequest(tags={"svta/models": ", ".join(models)})


@dg.schedule(
    job=regenerate,
    name="nightly",
    cron_schedule=CRONS["nightly"],
    execution_timezone=TIMEZONE,
    default_status=OFF,
    description="Makes missing clips, stale ones and new takes of the weakest categories, within the night's budget "
    "(automation.yaml). The command svta nightly prints what the next tick would start.",
)
def nightly(context: dg.ScheduleEvaluationContext, home: HomeResource) -> list[dg.RunRequest] | dg.SkipReason:
    at = context.scheduled_execution_time
    if why := held_up(context.instance, f"{at:%Y-%m-%d}"):
        return dg.SkipReason(why)
    runs = night_runs(home, at)
    return runs or dg.SkipReason("nothing is missing, stale or weak enough: `svta nightly` says why")


def night_runs(home: HomeResource, at: datetime) -> list[dg.RunRequest]:
    """The runs of a night, one for each part that has something to make."""
    from svta_assets.regeneration.night import plan_night, run_config

    night, date = plan_night(open_workspace(home.open()), at), f"{at:%Y-%m-%d}"
    found = []
    for part in night.parts:
        name = f"nightly-{date}-{part.name}"
        found.append(
            dg.RunRequest(
                run_key=name,
                run_config={"ops": {OP: {"config": run_config(night, part, name)}}},
                tags={NIGHT_TAG: date, REQUEST_TAG: name, STEP_TAG: CLIPS, "svta/by": "nightly"},
            )
        )
    return found


def held_up(instance: dg.DagsterInstance, date: str) -> str | None:
    """Why a night may not start: it has its runs already, or clips are being made. None where it may.

    A schedule's run key holds only within one tick, so a second tick of the night asks the instance.
    """
    if instance.get_runs(dg.RunsFilter(tags={NIGHT_TAG: date}), limit=1):
        return f"the night of {date} has its runs already"
    busy = [status for status in dg.DagsterRunStatus if status not in _ENDED]
    for run in instance.get_runs(dg.RunsFilter(job_name=regenerate.name, statuses=busy), limit=1):
        return f"run {run.run_id[:8]} of `{regenerate.name}` is still to end: its clips are not counted yet"
    return None


_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class DigestConfig(dg.Config):
    """Which morning."""

    date: str = Field(default="", description="YYYY-MM-DD; empty: today")


@dg.op(description="Writes what happened in the last 24 hours to reports/digests/<date>.md, and shows it here.")
def write_digest(context: dg.OpExecutionContext, config: DigestConfig, home: HomeResource) -> None:
    from svta_assets.regeneration.digest import digest_of, inline_markdown, write

    work = prepare_workspace(home.open())
    found = digest_of(work, config.date or None)
    path = write(work, found)
    context.log_event(
        dg.AssetObservation(
            dg.AssetKey("videos"),
            description=found.headline,
            metadata={
                "digest": dg.MetadataValue.md(inline_markdown(work, found)),
                "file": dg.MetadataValue.path(str(path)),
                "clips": found.made,
                "accepted": found.accepted,
                "rejected": found.made - found.accepted,
                "device hours": round(found.device_hours, 3),
            },
        )
    )


@dg.job(name="digest", description="The morning digest: what ran, what it gave, what it cost, three sheets.")
def digest_job() -> None:
    write_digest()


digest_schedule = dg.ScheduleDefinition(
    name="digest",
    job=digest_job,
    cron_schedule=CRONS["digest"],
    execution_timezone=TIMEZONE,
    default_status=OFF,
    description="Writes the morning digest of the last 24 hours; examples/ sends it by Slack and e-mail.",
)

NIGHT_JOBS = [validation, digest_job]
SCHEDULES = [validation_schedule, nightly, digest_schedule]
