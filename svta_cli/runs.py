"""Running the code location's jobs in this process, on the profile's real Dagster instance."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from svta_models.errors import SvtaError
from svta_resources.profiles import Home, home_from

if TYPE_CHECKING:
    import dagster as dg


class RunFailed(SvtaError):
    """A Dagster run ended in failure; the message is the failed step's."""


class Runner:
    """Executes jobs in process; the runs appear in the Dagster UI under the jobs' own names."""

    def __init__(self, instance: "dg.DagsterInstance", verbose: bool = False) -> None:
        self._instance = instance
        level = "DEBUG" if verbose else "CRITICAL"  # the console only; the instance keeps every event
        self._loggers = {"console": {"config": {"log_level": level}}}

    def run(
        self,
        job: str,
        partition: str | None = None,
        assets: Sequence[str] | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        """Execute a job, or some of its assets. Raises RunFailed with the failed step's message."""
        import dagster as dg

        from svta_assets.definitions import defs

        selection = [dg.AssetKey(name) for name in assets] if assets else None
        result = defs.resolve_job_def(job).execute_in_process(
            instance=self._instance,
            partition_key=partition,
            asset_selection=selection,
            run_config={**(config or {}), "loggers": self._loggers},
            raise_on_error=False,
        )
        if not result.success:
            where = f"{job} of {partition}" if partition else job
            raise RunFailed(f"run {result.run_id} ({where}) failed: {_reason(result)}")


def _reason(result: Any) -> str:
    """The innermost message of the first failed step."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.event_specific_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            user = event.event_specific_data.user_failure_data
            message = (user.description if user else None) or (error.message if error else "")
            return f"{event.step_key}: {message.strip()}"
        if event.is_failure and event.message:
            return str(event.message)
    return "see the run in the Dagster UI (`svta ui`)"


@contextmanager
def open_runner(home: Home | None = None, verbose: bool = False) -> Iterator[Runner]:
    """Prepare the home and its Dagster instance; ends the worker processes afterwards."""
    found = home or home_from()
    folder = found.prepare_dagster()
    os.environ["DAGSTER_HOME"] = str(folder)
    import dagster as dg

    warnings.simplefilter("ignore", dg.PreviewWarning)
    with dg.DagsterInstance.get() as instance:
        try:
            yield Runner(instance, verbose)
        finally:
            from svta_assets.videos.produce import close_resident_pools

            close_resident_pools()
