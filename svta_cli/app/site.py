"""What every page works with: the home, who reviews, and questions to `svta.duckdb`."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
from starlette.requests import Request

from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError
from svta_resources.catalog import duckdb_file
from svta_resources.query import query

if TYPE_CHECKING:
    from svta_cli.app.media import Media
    from svta_cli.app.search.engine import SearchEngine

T = TypeVar("T")

REFRESH_AFTER_S = 30.0  # runs refresh the database when they end; this catches those that were killed


@dataclass
class Site:
    """One home, shown. `reviewer` None: nothing can be posted."""

    work: Workspace
    reviewer: str | None
    media: "Media"
    search: "SearchEngine"
    _kept: dict[str, tuple[tuple[int, int], Any]] = field(default_factory=dict)
    _refreshed_at: float = float("-inf")
    _refreshing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def cache(self) -> Path:
        """Folder of what the application keeps to be fast: thumbnails, features. Safe to delete."""
        return cache_folder(self.work)

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """Ask the database (read-only). Values go into `parameters`, never into the text."""
        return query(self.work.home.path, sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The same as dicts."""
        return self.ask(sql, parameters).to_dicts()

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, kept under a name until the database is built anew."""
        found = duckdb_file(self.work.home.path).stat()
        state = (found.st_ino, found.st_mtime_ns)
        kept = self._kept.get(name)
        if kept is None or kept[0] != state:
            kept = self._kept[name] = (state, make())
        value: T = kept[1]
        return value

    def refresh(self) -> None:
        """Bring the database up to date now: after something was posted. Raises SvtaError."""
        with self._refreshing:
            self.work.refresh()
            self._refreshed_at = time.monotonic()

    def refresh_if_possible(self) -> None:
        """The same where the home can be written; else what was known before is shown, and `svta status` says why.

        Raises SvtaError where nothing was known before.
        """
        try:
            self.refresh()
        except SvtaError:
            if not duckdb_file(self.work.home.path).exists():
                raise

    def refresh_soon(self) -> None:
        """Bring it up to date beside the answer, unless that was done a moment ago."""
        if time.monotonic() - self._refreshed_at < REFRESH_AFTER_S:
            return
        self._refreshed_at = time.monotonic()
        # no daemon: a process that ends inside DuckDB would abort, so stopping the server waits for the refresh
        threading.Thread(target=self.refresh_if_possible).start()


def site_of(request: Request) -> Site:
    """The site a request is for."""
    site: Site = request.app.state.site
    return site


def cache_folder(work: Workspace) -> Path:
    """Folder of the application's caches in a home."""
    return work.home.path / "work" / "app"
