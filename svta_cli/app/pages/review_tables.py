"""The tables as reviewers (and results) need them: always the newest rows, read in the time between two keys.

`svta.duckdb` is brought up to date now and then; a queue must know what was said a second ago. So reviews read the
metadata files themselves. These never change, so that each is read once: what costs is one listing a table.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import polars as pl
from starlette.requests import Request

from svta_assets.schemas import TABLES
from svta_assets.workspace import Workspace
from svta_cli.app.site import site_of
from svta_resources.catalog import Catalog, ProjectionFile
from svta_resources.tables import Growth

_OPENING = threading.Lock()


class _Kept(NamedTuple):
    keys: frozenset[str]
    rows: pl.DataFrame


class RememberingCatalog(Catalog):
    """A catalog that keeps what it has read. Any number of threads may read and append."""

    _lock: threading.Lock
    _kept: dict[tuple[str, str | None], _Kept]

    @classmethod
    def over(cls, work: Workspace) -> "RememberingCatalog":
        """The catalog of a home."""
        made = cls(work.store, TABLES)
        made._lock, made._kept = threading.Lock(), {}
        return made

    def read(self, table: str, partition: str | None = None) -> pl.DataFrame:
        """Read a table, or one partition of it; only files that were not there the last time are opened."""
        files = self.files(table, partition)
        keys = frozenset(item.key for item in files)
        with self._lock:
            before = self._kept.get((table, partition))
        if before is not None and before.keys == keys:
            return before.rows
        if self.tables[table].growth is Growth.LOG:
            rows = self._log(table, files, before)
        else:
            rows = super().read(table, partition)
        with self._lock:
            self._kept[table, partition] = _Kept(keys, rows)
        return rows

    def _log(self, table: str, files: list[ProjectionFile], before: _Kept | None) -> pl.DataFrame:
        known = before if before is not None and before.keys <= {item.key for item in files} else None
        wanted = [item for item in files if known is None or item.key not in known.keys]
        parts = [known.rows if known else self.tables[table].empty(), *self.read_files(wanted)]
        return pl.concat(parts, rechunk=True)


@dataclass(frozen=True)
class ReviewHome(Workspace):
    """A home whose tables are remembered."""

    @cached_property
    def catalog(self) -> Catalog:
        return RememberingCatalog.over(self)


def remembered(request: Request) -> ReviewHome:
    """The application's home with remembered tables; opened when it is first asked for."""
    state = request.app.state
    with _OPENING:
        if not hasattr(state, "remembered_home"):
            state.remembered_home = ReviewHome(site_of(request).work.home)
    home: ReviewHome = state.remembered_home
    return home
