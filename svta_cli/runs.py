"""Running the code location's jobs in this process, on the profile's real Dagster instance."""

import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svta_models.errors import SvtaError
from svta_resources.profiles import Home, home_from

if TYPE_CHECKING:
    import dagster as dg

Say = Callable[[str], None]


class RunFailed(SvtaError):
    """A Dagster run ended in failure; the message is the failed step's."""


class Runner:
    """Executes jobs in process; the runs appear in the Dagster UI under the jobs' own names.

    Args:
        say: hears what the assets log while they work ("videos fire: 21/40, 10 s left").
        verbose: show Dagster's whole log instead of nothing; the instance keeps every event either way.
    """

    def __init__(self, instance: "dg.DagsterInstance", say: Say | None = None, verbose: bool = False) -> None:
        self._instance, self._say = instance, say
        # A failure's one clear message is RunFailed's; Dagster's console would print two tracebacks before it.
        self._loggers = {"console": {"config": {"log_level": "DEBUG" if verbose else "CRITICAL"}}}

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

        run_id = str(uuid.uuid4())
        if self._say:
            self._instance.add_event_listener(run_id, self._hear)
        try:
            result = defs.resolve_job_def(job).execute_in_process(
                instance=self._instance,
                partition_key=partition,
                asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
                run_config={**(config or {}), "loggers": self._loggers},
                raise_on_error=False,
                run_id=run_id,
            )
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None
        if _was_interrupted(result):
            raise KeyboardInterrupt
        if not result.success:
            where = f"{job} of {partition}" if partition else job
            raise RunFailed(f"run {run_id[:8]} ({where}) failed in {_reason(result)}")

    def _hear(self, entry: Any) -> None:
        if self._say and entry.dagster_event is None and entry.user_message:
            self._say(entry.user_message.strip())


def _was_interrupted(result: Any) -> bool:
    failures = (event for event in result.all_events if event.is_step_failure)
    errors = (event.event_specific_data.error for event in failures)
    return any(_cause(error).cls_name == "DagsterExecutionInterruptedError" for error in errors if error)


def _reason(result: Any) -> str:
    """Step and innermost message of the first failure."""
    for event in result.all_events:
        if event.is_step_failure:
            user = event.event_specific_data.user_failure_data
            said = user.description if user and user.description else _innermost(event.event_specific_data.error)
            return f"{event.step_key}: {said.strip()}"
    failed = next((event for event in result.all_events if event.is_failure), None)
    return f"its start: {failed.message if failed else 'no event says why'}; `svta ui` shows the run"


def _innermost(error: Any) -> str:
    """Message of the first cause. Errors of our own say what to do; others keep their class and point to the log."""
    if error is None:
        return "no message; `svta ui` shows the run"
    error = _cause(error)
    named = re.match(rf"(?P<module>[\w.]*?)\.?{re.escape(error.cls_name or '')}: ", error.message)
    if named and named["module"].startswith("svta_"):
        return str(error.message[named.end() :])
    return f"{error.message.strip()}. `svta ui` shows the run with its traceback"


def _cause(error: Any) -> Any:
    while error.cause is not None:
        error = error.cause
    return error


def _instance(dagster: Any, folder: Path) -> "dg.DagsterInstance":
    """The instance in `folder` as the UI knows it, but for the capture of stdout and stderr.

    Dagster captures them through helper processes at every run; here the terminal shows both, and the helpers cost a
    second a run, stand between a progress bar and its terminal, and meet Ctrl-C with tracebacks.
    """
    from dagster._core.instance.ref import InstanceRef

    unseen = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    instance: dg.DagsterInstance = dagster.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(folder), overrides={"compute_logs": unseen})
    )
    return instance


@contextmanager
def open_runner(home: Home | None = None, say: Say | None = None, verbose: bool = False) -> Iterator[Runner]:
    """Prepare the home and its Dagster instance; ends the worker processes afterwards."""
    found = home or home_from()
    folder = found.prepare_dagster()
    os.environ["DAGSTER_HOME"] = str(folder)
    warnings.filterwarnings("ignore", message=".*is currently in (preview|beta)")  # said while dagster is imported
    import dagster as dg

    with _instance(dg, folder) as instance:
        try:
            yield Runner(instance, say, verbose)
        finally:
            from svta_resources.video.resident import close_resident_pools

            close_resident_pools()
