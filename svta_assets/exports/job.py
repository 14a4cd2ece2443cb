"""What every format is written from: the pairs of a release with what the tables know of their clips."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from svta_assets.workspace import Workspace
from svta_models.release import SPLITS, Release, ReleaseSplit, release_names, resolve

READERS = 8  # parallel reads of a bucket; nothing on a disk
AHEAD = 16  # clips read before they are wanted: all that is ever in memory
TEXTS = ("caption", "category", "final_category", "kind", "group", "generator")  # what every format says of a pair

Row = dict[str, Any]


@dataclass(frozen=True)
class ExportJob:
    """A release to be exported.

    Attributes:
        rows: columns of a release, and generator, frames and fps of its clips (null where the table `clips` has no
            row of the clip), and source of its texts; by pair_id. names: that people gave the release.
    """

    release: Release
    rows: pl.DataFrame
    names: list[str]

    @cached_property
    def _all(self) -> ReleaseSplit:
        return self.release.split("all")

    @cached_property
    def splits(self) -> dict[str, list[Row]]:
        """Pairs of each split that has any, by pair_id."""
        parts = {name: self.rows.filter(split=name).to_dicts() for name in SPLITS}
        return {name: part for name, part in parts.items() if part}

    def clip(self, row: Row) -> bytes:
        """The mp4 of a row, checked against the release. Raises DamagedClip."""
        return self._all.clip_bytes(row)

    def clips(self, rows: Sequence[Row]) -> Iterator[tuple[Row, bytes]]:
        """Each row with its mp4, in order, checked against the release. Raises DamagedClip."""
        waiting: deque[tuple[Row, Future[bytes]]] = deque()
        pool = ThreadPoolExecutor(READERS)
        try:
            for row in rows:
                waiting.append((row, pool.submit(self.clip, row)))
                if len(waiting) > AHEAD:
                    first, data = waiting.popleft()
                    yield first, data.result()
            while waiting:
                first, data = waiting.popleft()
                yield first, data.result()
        finally:
            pool.shutdown(cancel_futures=True)


def open_job(work: Workspace, ref: str = "latest") -> ExportJob:
    """Open a release (latest, a name or a hash) for export. Raises ReleaseError."""
    release = Release(work.store, resolve(work.store, ref))
    names = sorted(name for name, digest in release_names(work.store).items() if digest == release.hash)
    return ExportJob(release, with_facts(work, release.frame).sort("pair_id"), names)


def with_facts(work: Workspace, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a release with generator, frames and fps of the clip, and source of the text."""
    clips = work.catalog.read("clips").select("clip_id", "generator", "frames", "fps").unique("clip_id", keep="last")
    sources = work.catalog.read("descriptions").select("pair_id", "source").unique("pair_id", keep="last")
    return frame.join(clips, on="clip_id", how="left").join(sources, on="pair_id", how="left")


def chunks(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    """Rows in runs of `size`; the last may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
