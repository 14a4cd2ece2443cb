"""Copying a project's objects from one place to another: a folder or a bucket, in either direction.

A copy can be killed at any point and be run again. What makes that safe: objects never change, one is written only
where there is none, and the order is such that nothing is named before it is there (a clip before its card, everything
before the log that says which release is the latest).
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby

import polars as pl

from svta_models.media_store import MediaStore, MissingObject, StoredObject, sha256_hex
from svta_models.release import read_rows, release_log, release_names, resolve
from svta_resources.catalog import METADATA, Catalog
from svta_resources.tables import Growth

FOLDERS = ("clips", "answers", "checkpoints", "taxonomy", METADATA, "releases")
UNDER_WAY = "/.training/"  # states of a training that goes on here: gigabytes that mean nothing elsewhere
WORKERS = 8
ONE_AT_A_TIME = 64 * 2**20  # bytes; an object passes through memory, and eight checkpoints at once would fill it


class Outcome(Enum):
    """What became of one object."""

    COPIED = "copied"
    SAME = "there already"
    GONE = "deleted at the source since it was listed"
    DAMAGED = "not what was recorded, at the source"
    DIFFERS = "differs at the target"


@dataclass(frozen=True)
class Plan:
    """What a copy is about.

    Attributes:
        objects: everything to carry, in the order in which it must appear.
        present: what the target has, by key.
        only_there: keys that only the target has; they stay.
    """

    objects: list[StoredObject]
    present: dict[str, StoredObject]
    only_there: list[str]

    @property
    def missing(self) -> list[StoredObject]:
        """What the target lacks."""
        return [item for item in self.objects if item.key not in self.present]

    @property
    def other_size(self) -> list[str]:
        """Keys that are there with another size, and so differ for certain."""
        there = self.present
        return [item.key for item in self.objects if item.key in there and there[item.key].size != item.size]


@dataclass
class Report:
    """What a copy did: keys by outcome, and the bytes it sent."""

    keys: dict[Outcome, list[str]] = field(default_factory=lambda: {outcome: [] for outcome in Outcome})
    sent: int = 0

    @property
    def problems(self) -> list[tuple[Outcome, str]]:
        """What is not at the target as it is at the source, or was damaged before."""
        return [(outcome, key) for outcome in (Outcome.DAMAGED, Outcome.DIFFERS) for key in sorted(self.keys[outcome])]


def plan_mirror(source: MediaStore, target: MediaStore, only: Collection[str] | None = None) -> Plan:
    """Compare two places by listing; `only` restricts the copy to these keys."""
    here = [item for folder in FOLDERS for item in source.list(folder) if UNDER_WAY not in item.key]
    there = {item.key: item for folder in FOLDERS for item in target.list(folder)}
    wanted = here if only is None else [item for item in here if item.key in only]
    known = {item.key for item in here}
    return Plan(sorted(wanted, key=_place), there, sorted(there.keys() - known))


def carry(
    source: MediaStore, target: MediaStore, plan: Plan, say: Callable[[str], None], *, quick: bool = False
) -> Report:
    """Copy what the target lacks and compare what it has, by sha256 of what each place gives back.

    quick: take an object of the right size that was there before for the same.
    Raises StoreError when a place stops answering; what has arrived stays, and another call goes on from there.
    """
    for folder in FOLDERS:
        target.sweep_partials(folder)
    report, progress = Report(), _Progress(plan, say)
    mover = _Mover(source, target, plan.present, quick)
    for _, objects in groupby(plan.objects, key=lambda item: _place(item)[0]):  # one kind is there before the next
        for item, outcome in _all(mover.move, list(objects)):
            report.keys[outcome].append(item.key)
            report.sent += item.size if outcome is Outcome.COPIED else 0
            progress.add(item)
    return report


def keys_of_release(source: MediaStore, catalog: Catalog, ref: str) -> tuple[str, set[str]]:
    """Hash of a release, and the keys of what it takes to read, evaluate and compare it.

    That is its clips with their cards, its checkpoints, the release itself, categories and tables. Raises ReleaseError.
    """
    digest = resolve(source, ref)
    rows = read_rows(source, digest)
    keys = {f"releases/{digest}.parquet"}
    for uri in rows["uri"]:
        keys |= {uri, uri.removesuffix(".mp4") + ".json"}
    keys |= {f"releases/names/{name}" for name, named in release_names(source).items() if named == digest}
    newest = [entry for entry in release_log(source) if entry.hash == digest][-1:]
    keys |= {f"releases/log/{entry.time_ns:020d}-{entry.hash}.json" for entry in newest}
    folders = catalog.read("checkpoints").filter(pl.col("release") == digest)["uri"]
    keys |= {item.key for folder in folders for item in source.list(folder)}
    keys |= {item.key for item in source.list("taxonomy")}
    keys |= {item.key for table in catalog.tables for item in catalog.files(table)}
    return digest, keys


def newer_there(source: Catalog, target: Catalog) -> list[tuple[str, str]]:
    """Partitions (table, partition) of which the target has newer rows of its own, which hide those of the source."""
    found = []
    for name, table in source.tables.items():
        if table.growth is not Growth.PROJECTION:
            continue
        ours = {item.partition: item for item in source.files(name)}
        for item in target.files(name):
            mine = ours.get(item.partition)
            if mine is None or item.order() > mine.order():
                found.append((name, item.partition))
    return found


class _Mover:
    """Moves single objects, in several threads."""

    def __init__(self, source: MediaStore, target: MediaStore, present: dict[str, StoredObject], quick: bool) -> None:
        self._source, self._target, self._present, self._quick = source, target, present, quick
        self._large = threading.Lock()

    def move(self, item: StoredObject) -> Outcome:
        there = self._present.get(item.key)
        if self._quick and there is not None and there.size == item.size:
            return Outcome.SAME
        if item.size > ONE_AT_A_TIME:
            with self._large:
                return self._move(item.key, there is not None)
        return self._move(item.key, there is not None)

    def _move(self, key: str, there: bool) -> Outcome:
        try:
            data = self._source.get(key)
        except MissingObject:
            return Outcome.GONE
        sha = sha256_hex(data)
        if not _as_recorded(self._source, key, sha):
            return Outcome.DAMAGED
        if not there:
            self._target.put_new(key, data)
        found = sha256_hex(self._target.get(key))  # what the target gives back, not what was sent
        if found != sha:
            return Outcome.DIFFERS
        return Outcome.SAME if there else Outcome.COPIED


def _as_recorded(store: MediaStore, key: str, sha: str) -> bool:
    """Whether an object is what its card, its config or its own name says; true where nothing says anything."""
    stem, _, name = key.rpartition("/")
    try:
        if key.endswith(".mp4"):
            card = json.loads(store.get(key.removesuffix(".mp4") + ".json"))
            return bool(card["sha256"] == sha)
        if name == "model.safetensors":
            return bool(json.loads(store.get(f"{stem}/config.json"))["weights_sha256"] == sha)
    except (MissingObject, ValueError, KeyError, TypeError):
        return True  # no card (a killed run), or an unreadable one: `svta verify` judges those
    if key.startswith("checkpoints/") and name == "config.json":
        return sha.startswith(stem.rpartition("/")[2])
    return True


def _place(item: StoredObject) -> tuple[int, str]:
    """Where in the order an object comes: what names others comes after them."""
    folder, _, rest = item.key.partition("/")
    if folder == "releases":
        rank = 4 if "/" not in rest else 6 if rest.startswith("names/") else 7
    elif folder == METADATA:
        rank = 5
    else:
        rank = 0 if item.key.endswith((".mp4", ".safetensors")) else 1
    return rank, item.key


def _all(
    move: Callable[[StoredObject], Outcome], objects: list[StoredObject]
) -> Iterator[tuple[StoredObject, Outcome]]:
    """Move objects in threads; the first failure stops the rest."""
    pool = ThreadPoolExecutor(WORKERS)
    try:
        waiting: dict[Future[Outcome], StoredObject] = {pool.submit(move, item): item for item in objects}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Progress:
    """Says how far the copy is, and how long the rest takes at the pace so far."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._objects, self._bytes = len(plan.objects), sum(item.size for item in plan.objects)
        self._seen, self._read, self._began, self._say = 0, 0, time.monotonic(), say

    def add(self, item: StoredObject) -> None:
        self._seen += 1
        self._read += item.size
        left = (self._bytes - self._read) * (time.monotonic() - self._began) / max(self._read, 1)
        self._say(
            f"{self._seen} of {self._objects} objects, {self._read / 1e6:,.1f} of {self._bytes / 1e6:,.1f} MB, "
            f"{left:.0f} s left"
        )
