"""A sensor that ends runs whose process was killed, so that they hold no slot against anybody."""

from pathlib import Path

import dagster as dg

EVERY_S = 30  # the slot of a killed command-line run is free within a minute
MESSAGE = "The process of this run is gone (killed?). Finished clips are kept: run it again to make the rest."


@dg.sensor(
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs as failed whose process was killed. Dagster itself watches only runs that its daemon "
    "launched; a killed command-line run would otherwise hold its slot for ever.",
)
def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    from svta_resources.run_locks import abandoned, forget

    root = Path(context.instance.root_directory)
    ended = []
    for run_id in abandoned(root):
        run = context.instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            context.instance.report_run_failed(run, MESSAGE)
            ended.append(run_id)
        forget(root, run_id)
    return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every started run has its process")
