"""The Dagster resource that leads to a home. The environment decides which one, at run time."""

from pathlib import Path

import dagster as dg

from svta_resources.profiles import Home, home_from


class HomeResource(dg.ConfigurableResource):
    """Finds the home of the running profile (SVTA_PROFILE, SVTA_HOME, SVTA_MEDIA_URL)."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Hold the lock of the run, so that the sensor `abandoned_runs` notices when this process is killed."""
        from svta_resources.run_locks import hold

        if context.run and context.instance:
            hold(Path(context.instance.root_directory), context.run.run_id)

    def open(self) -> Home:
        """Locate the home without touching the disk."""
        return home_from()
