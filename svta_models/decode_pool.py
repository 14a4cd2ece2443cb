"""Fill a frame cache with several processes: decoding takes minutes of processor time for a large split.

A clip that takes its process down (a decoder can crash on damaged bytes) is as broken as one that raises.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from svta_models.child import Child, Failure, messages, start_child
from svta_models.errors import SvtaError
from svta_models.input_cache import ClipView, FrameCache
from svta_models.media_store import MediaStore
from svta_models.release import DamagedClip, Release, ReleaseSplit

Row = dict[str, Any]
_CLIPS_PER_CHILD = 32  # fewer are not worth the second that a process takes to start


@dataclass(frozen=True)
class DecodeJob:
    """What a process decodes, and where to."""

    store: MediaStore
    release: str
    rows: list[Row]
    view: ClipView
    folder: Path
    limit: int


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fill_cache(
    split: ReleaseSplit,
    rows: Sequence[Row],
    view: ClipView,
    cache: FrameCache,
    workers: int,
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Decode `rows` into the cache; returns pair id -> what is wrong for the clips that are broken.

    `workers` 0 decodes in this process. Raises what a store raises when it cannot be reached.
    """
    count = min(workers, len(rows) // _CLIPS_PER_CHILD)
    if count < 1:
        return decode_here(split, rows, view, cache, on_clip)
    broken: dict[str, str] = {}
    children: dict[int, _Share] = {}
    try:
        shares = [list(rows[number::count]) for number in range(count)]
        while shares:
            started = [_Share(share, _start(split, share, view, cache)) for share in shares]
            children = {id(share.child): share for share in started}
            shares = _follow(children, broken, on_clip)
    finally:
        for share in children.values():
            share.child.end()
    return broken


def decode_here(
    split: ReleaseSplit, rows: Iterable[Row], view: ClipView, cache: FrameCache, on_clip: Callable[[], None]
) -> dict[str, str]:
    """The same in this process."""
    broken = {}
    for row in rows:
        try:
            cache.put(view.key(row["sha256"]), view.read(split, row))
        except DamagedClip as error:
            broken[row["pair_id"]] = str(error)
        on_clip()
    return broken


@dataclass
class _Share:
    """The rows of one process, of which `done` are finished; it works on the next."""

    rows: list[Row]
    child: Child
    done: int = 0
    failed: Failure | None = None


def _start(split: ReleaseSplit, rows: list[Row], view: ClipView, cache: FrameCache) -> Child:
    job = DecodeJob(split.store, split.hash, rows, view, cache.folder, cache.limit)
    return start_child(decode_share, (job,), {"CUDA_VISIBLE_DEVICES": ""})


def _follow(children: dict[int, _Share], broken: dict[str, str], on_clip: Callable[[], None]) -> list[list[Row]]:
    """Listen until every process has ended; returns the rows that a crash left, without those that caused it."""
    left = []
    for child, message in messages([share.child for share in children.values()]):
        share = children[id(child)]
        if isinstance(message, Failure):
            raise SvtaError(message.text) if message.expected else SvtaError(f"decoding clips failed: {message.text}")
        if message is not None:
            if message:
                broken[share.rows[share.done]["pair_id"]] = message
            share.done += 1
            on_clip()
        elif share.done < len(share.rows):
            status = child.process.wait()
            row = share.rows[share.done]
            broken[row["pair_id"]] = (
                f"clip {row['clip_id']} ended the process that decoded it (exit status {status}). Run `svta verify`, "
                f"then materialize `videos` for {row['category']!r} again"
            )
            on_clip()
            left.append(share.rows[share.done + 1 :])
    return [rows for rows in left if rows]


def decode_share(connection: Connection, job: DecodeJob) -> None:
    """In a child: decode the rows one after the other; after each, send what is wrong with it ("" for nothing)."""
    import torch

    torch.set_num_threads(1)
    split = Release(job.store, job.release).split("all")
    cache = FrameCache(job.folder, job.limit)
    for row in job.rows:
        wrong = decode_here(split, [row], job.view, cache, lambda: None)
        connection.send(next(iter(wrong.values()), ""))
