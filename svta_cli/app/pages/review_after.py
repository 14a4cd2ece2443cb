"""What follows a verdict, done beside the answers: `clips` and `svta.duckdb` are brought into step a moment later.

Nothing is lost when the application ends before that: the verdict is in its table, and the next run of the pipeline, or
`svta status`, does the same.
"""

import logging
import threading

from svta_assets.gates import load_thresholds
from svta_assets.videos.projection import rejudge
from svta_assets.workspace import Workspace
from svta_cli.app.site import Site
from svta_models.errors import SvtaError

PAUSE_S = 2.0  # verdicts come every few seconds; each would cost a category's rows and a new database

_log = logging.getLogger(__name__)


class Settler:
    """Brings a home into step after verdicts, once for all that came within a pause."""

    def __init__(self, site: Site, work: Workspace, pause_s: float = PAUSE_S) -> None:
        self._site, self._work, self._pause_s = site, work, pause_s
        self._lock, self._running = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None
        self._categories: set[str] = set()

    def touch(self, clips_of: str | None = None) -> None:
        """Something was said; `clips_of`: the category whose clips it concerns."""
        with self._lock:
            if clips_of:
                self._categories.add(clips_of)
            if self._timer is None:
                # No daemon: a thread that is cut off inside DuckDB ends the whole process with an abort. Who stops the
                # application waits for it, two seconds or so.
                self._timer = threading.Timer(self._pause_s, self._settle_quietly)
                self._timer.start()

    def settle(self) -> None:
        """Do it now. Raises SvtaError."""
        with self._running:
            with self._lock:
                categories, self._categories, self._timer = self._categories, set(), None
            if categories:
                rejudge(self._work.catalog, load_thresholds(self._work.profile.name), sorted(categories))
            self._site.refresh()

    def _settle_quietly(self) -> None:
        try:
            self.settle()
        except SvtaError as error:
            _log.warning("verdicts are recorded, but the tables are not in step yet: %s", error)
