"""The Dagster resource that leads to a home. It holds no state: the environment decides, at run time."""

import dagster as dg

from svta_resources.profiles import Home, home_from


class HomeResource(dg.ConfigurableResource):
    """Finds the home of the running profile (SVTA_PROFILE, SVTA_HOME, SVTA_MEDIA_URL)."""

    def open(self) -> Home:
        """Locate the home without touching the disk."""
        return home_from()
