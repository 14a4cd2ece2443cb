"""The sensor that serves regeneration requests: one run each, followed to the end, labels and release included.

A tick writes only what has become true (refused, launched, failed, done), so evaluating it by hand changes nothing; a
run is started by Dagster, once for each run key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from svta_assets.automation.jobs import generate, organize
from svta_assets.automation.regenerate import OP, RegenerateConfig, regenerate
from svta_assets.workspace import Workspace, open_workspace
from svta_resources.errors import SvtaError
from svta_resources.home import HomeResource

EVERY_S = 15
AT_ONCE = 20  # runs that one tick may start; the others wait for the next
REQUEST_TAG, STEP_TAG = "svta/request", "svta/step"
CLIPS, RELEASE = "clips", "release"


@dg.sensor(
    jobs=[regenerate, generate, organize],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches one run of the job regenerate for each row of regeneration_requests, then lets labels and "
    "the release follow. A request that cannot be served is refused with its reason and holds up no other. "
    "The command svta requests shows them.",
)
def regeneration_requests(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    from svta_assets.regeneration.requests import OPEN, requests

    found = home.open()
    if not (found.path / "home.json").exists():
        return dg.SensorResult(skip_reason=f"no home at {found.path} yet")
    work = open_workspace(found)
    waiting = [row for row in requests(work).iter_rows(named=True) if row["state"] in OPEN]
    served = _Service(work, context.instance)
    launched = [run for row in waiting for run in served.serve(row)]
    said = served.said or ["no request is open"]
    context.log.info("; ".join(said))
    return dg.SensorResult(launched[:AT_ONCE]) if launched else dg.SensorResult(skip_reason="; ".join(said))


@dataclass(frozen=True)
class Attempt:
    """The newest run of one step of a request. `state` is none, going, succeeded or failed."""

    state: str
    run_id: str = ""
    why: str = ""


class _Service:
    """What one tick does for each open request."""

    def __init__(self, work: Workspace, instance: dg.DagsterInstance) -> None:
        self._work, self._instance = work, instance
        self._release_asked = False
        self.said: list[str] = []

    def serve(self, row: dict[str, Any]) -> Iterator[dg.RunRequest]:
        """Run requests of one row; what has become of it is reported."""
        clips = self._attempt(row, CLIPS)
        if row["settling"]:
            yield from self._settle(row)
        elif clips.state == "none":
            yield from self._launch(row)
        elif clips.state == "failed":
            self._report(row, "failed", run_id=clips.run_id, reason=clips.why)
        elif row["state"] == "waiting":
            self._report(row, "launched", run_id=clips.run_id)
        else:
            self.said.append(f"{row['request_id']}: {row['state']}")

    def _launch(self, row: dict[str, Any]) -> Iterator[dg.RunRequest]:
        if row["state"] != "waiting":
            self.said.append(f"{row['request_id']}: its run {row['run_id']} is not in this instance")
            return
        try:
            config = config_of(self._work, row)
        except (SvtaError, ValueError, TypeError) as error:
            if _passes(error):
                raise
            self._report(row, "refused", reason=_first_line(error))
            return
        self.said.append(f"{row['request_id']}: starts")
        yield dg.RunRequest(
            run_key=row["request_id"],
            job_name=regenerate.name,
            run_config={"ops": {OP: {"config": config}}},
            tags={REQUEST_TAG: row["request_id"], STEP_TAG: CLIPS, "svta/by": row["by"]},
        )

    def _settle(self, row: dict[str, Any]) -> Iterator[dg.RunRequest]:
        """Labels of its categories, then the release; nothing where new takes wait for a decision."""
        from svta_assets.regeneration.requests import categories_of
        from svta_assets.regeneration.settle import behind, release_is_behind

        late = behind(self._work, categories_of(self._work, row["request_id"]))
        steps = {f"labels:{key}": key for key in late}
        attempts = {step: self._attempt(row, step) for step in steps}
        for step, attempt in attempts.items():
            if attempt.state == "none":
                yield self._step(row, step, generate.name, steps[step])
        if self._wait_or_fail(row, attempts):
            return
        if release_is_behind(self._work) and not self._release_asked:
            attempt = self._attempt(row, RELEASE)
            self._release_asked = True  # one release serves every request that waits for it
            if attempt.state == "none":
                yield self._step(row, RELEASE, organize.name, None)
            if self._wait_or_fail(row, {RELEASE: attempt}):
                return
        elif self._release_asked:
            self.said.append(f"{row['request_id']}: waits for the release")
            return
        self._report(row, "done")

    def _wait_or_fail(self, row: dict[str, Any], attempts: dict[str, Attempt]) -> bool:
        """Whether steps are still to end; a failed one ends the request, whose clips are kept."""
        for step, attempt in attempts.items():
            if attempt.state == "failed":
                what = "the release" if step == RELEASE else f"labels of {step.partition(':')[2]}"
                self._report(
                    row,
                    "failed",
                    run_id=attempt.run_id,
                    reason=f"its clips are there, but {what} did not follow ({attempt.why}); put it right, then "
                    f"`svta regen {' '.join(row['categories'])} --mode missing` lets them follow",
                )
                return True
        going = [step for step, attempt in attempts.items() if attempt.state in ("none", "going")]
        if going:
            self.said.append(f"{row['request_id']}: {', '.join(going)}")
        return bool(going)

    def _step(self, row: dict[str, Any], step: str, job: str, partition: str | None) -> dg.RunRequest:
        return dg.RunRequest(
            run_key=f"{row['request_id']}:{step}",
            job_name=job,
            partition_key=partition,
            asset_selection=[dg.AssetKey("labels")] if partition else None,
            tags={REQUEST_TAG: row["request_id"], STEP_TAG: step, "svta/by": row["by"]},
        )

    def _attempt(self, row: dict[str, Any], step: str) -> Attempt:
        tags = {REQUEST_TAG: row["request_id"], STEP_TAG: step}
        runs = self._instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
        if not runs:
            return Attempt("none")
        [run] = runs
        if not run.is_finished:
            return Attempt("going", run.run_id)
        if run.is_success:
            return Attempt("succeeded", run.run_id)
        return Attempt("failed", run.run_id, f"run {run.run_id[:8]} {_ended(run.status)}; its page says why")

    def _report(self, row: dict[str, Any], state: str, **facts: Any) -> None:
        from svta_assets.regeneration.requests import report

        report(self._work, row["request_id"], state, **facts)
        self.said.append(f"{row['request_id']}: {state}" + (f", {facts['reason']}" if facts.get("reason") else ""))


def config_of(work: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """Run config of the job `regenerate` for a row of `regeneration_requests`.

    Raises SvtaError or ValueError for what cannot be served: an unknown category or id, a malformed filter, a mode that
    does not exist, a negative pilot.
    """
    from svta_assets.regeneration.filters import parse_filters
    from svta_assets.regeneration.requests import parse_filters as parse_json
    from svta_assets.regeneration.selection import Wish, check
    from svta_assets.videos.plan import Mode

    filters = parse_filters(parse_json(row["filters"]))
    categories = [name for name in row["categories"] or [] if name]
    if row["mode"] not in list(Mode):
        raise SvtaError(f"there is no mode {row['mode']!r}; there are {', '.join(Mode)}")
    if (row["pilot"] or 0) < 0:
        raise SvtaError(f"a pilot makes a number of clips, not {row['pilot']}")
    check(work, Wish(tuple(categories), filters, bool(row["include_test"])))
    config = {
        "categories": categories,
        "mode": row["mode"],
        **filters.as_dict(),
        "include_test": bool(row["include_test"]),
        "confirm": bool(row["confirm"]),
        "pilot": row["pilot"] or 0,
        "request": row["request_id"],
    }
    RegenerateConfig(**config)  # what Dagster would refuse later, and with it the whole tick
    return config


def _passes(error: Exception) -> bool:
    """Whether an error says something of the store, not of the request: then the request waits."""
    from svta_models.media_store import StoreError
    from svta_models.s3_client import NoCredentials

    kinds: tuple[type[Exception], ...] = (StoreError, NoCredentials)
    return isinstance(error, kinds)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_ENDED: dict[dg.DagsterRunStatus, str] = {
    dg.DagsterRunStatus.FAILURE: "failed or was killed",
    dg.DagsterRunStatus.CANCELED: "was cancelled",
}


def _ended(status: dg.DagsterRunStatus) -> str:
    return _ENDED.get(status, status.value.lower())
