"""Releases: the immutable list of pairs that checkpoints, evaluations, exports and the app read.

A release is a Parquet file named by a hash of its *rows* (canonical JSON, so the Parquet library's version does not
matter). Which one is the latest is an append-only log, and people may give names; nothing is ever overwritten:

    releases/<hash>.parquet      the rows, sorted by pair_id
    releases/log/<time_ns>-<hash>.json    newest entry = "latest"; going back to an old release adds an entry
    releases/names/<name>        holds a hash; a name is taken for ever

`uri` is relative to the media root, so a release keeps its hash in any home or bucket.
"""

import difflib
import hashlib
import io
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_models.errors import SvtaError
from svta_models.identity import canonical_json
from svta_models.media_store import MediaStore, MissingObject, open_store, sha256_hex

if TYPE_CHECKING:
    from svta_models.dataset import ClipDataset

COLUMNS = (
    "pair_id", "clip_id", "uri", "sha256", "caption", "category", "final_category", "kind", "group", "split",
)  # fmt: skip
OPTIONAL_COLUMNS = frozenset({"group"})
SPLITS = ("train", "val", "test")
HASH_LENGTH = 16
_HASH = re.compile(rf"[0-9a-f]{{{HASH_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ReleaseError(SvtaError):
    """A release, split, category or name does not exist, or a release's rows are not usable."""


class DamagedClip(SvtaError):
    """A clip of a release is missing, differs from its recorded sha256, or does not decode."""


@dataclass(frozen=True)
class LogEntry:
    """One line of the release log: when (nanoseconds since the epoch) which release became the latest."""

    time_ns: int
    hash: str


def release_hash(frame: pl.DataFrame) -> str:
    """Hash a release's rows (16 hex digits); row order and column order do not matter."""
    digest = hashlib.sha256()
    for row in _tidy(frame).iter_rows(named=True):
        digest.update(canonical_json(row).encode() + b"\n")
    return digest.hexdigest()[:HASH_LENGTH]


def write_release(store: MediaStore, frame: pl.DataFrame) -> str:
    """Store a release, make it the latest, and return its hash. Writing the latest again changes nothing.

    `frame` has the columns of `COLUMNS` (all text; only `group` may be empty), one row per pair. Raises ReleaseError.
    """
    rows = _tidy(frame)
    digest = release_hash(rows)
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    store.put_new(_rows_key(digest), buffer.getvalue())
    history = release_log(store)
    if not history or history[-1].hash != digest:
        # A clock that was set back must not make an older entry the newest.
        now = max(time.time_ns(), history[-1].time_ns + 1 if history else 0)
        entry = {"release": digest, "pairs": rows.height, "at": datetime.fromtimestamp(now / 1e9, UTC).isoformat()}
        store.put_new(f"releases/log/{now:020d}-{digest}.json", canonical_json(entry).encode())
    return digest


def release_log(store: MediaStore) -> list[LogEntry]:
    """Every change of the latest release, oldest first."""
    entries = []
    for item in store.list("releases/log/"):
        stem = item.key.rsplit("/", 1)[-1].removesuffix(".json")
        when, _, digest = stem.partition("-")
        if when.isdigit() and _HASH.fullmatch(digest):
            entries.append(LogEntry(int(when), digest))
    return sorted(entries, key=lambda entry: entry.time_ns)


def name_release(store: MediaStore, name: str, ref: str = "latest") -> str:
    """Give a release a name for ever and return its hash; the same name on another release is an error."""
    if not _NAME.fullmatch(name) or _HASH.fullmatch(name) or name == "latest":
        raise ReleaseError(
            f"{name!r} cannot name a release: use letters, digits, '.', '_' or '-' (like v1), not 'latest' or a hash"
        )
    digest = resolve(store, ref)
    if store.put_new(f"releases/names/{name}", digest.encode()) != sha256_hex(digest.encode()):
        raise ReleaseError(
            f"the name {name!r} already belongs to release {resolve(store, name)}: names never move, choose another"
        )
    return digest


def release_names(store: MediaStore) -> dict[str, str]:
    """All names people gave, with the hash each stands for."""
    keys = [item.key for item in store.list("releases/names/")]
    return {key.rsplit("/", 1)[-1]: store.get(key).decode() for key in keys}


def resolve(store: MediaStore, ref: str = "latest") -> str:
    """Turn `latest`, a name or a hash into the hash of a stored release. Raises ReleaseError."""
    history = release_log(store)
    if not history:
        raise ReleaseError(f"no release in {store.url} yet: materialize `splits` (or run `make demo`) to write one")
    if ref == "latest":
        return history[-1].hash
    if _HASH.fullmatch(ref) and store.exists(_rows_key(ref)):
        return ref
    names = release_names(store)
    if ref in names:
        return names[ref]
    known = sorted(names) + list(dict.fromkeys(entry.hash for entry in reversed(history)))
    raise ReleaseError(f"no release {ref!r} in {store.url}. Known: {', '.join(['latest', *known[:8]])}")


def read_rows(store: MediaStore, digest: str) -> pl.DataFrame:
    """Read the rows of a release by its hash and check that they still give that hash."""
    key = _rows_key(digest)
    try:
        rows = pl.read_parquet(io.BytesIO(store.get(key)))
    except MissingObject as error:
        raise ReleaseError(f"{key} is gone from {store.url}: run `svta verify`") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ReleaseError(
            f"{key} in {store.url} is not readable ({error}): restore it or run `svta verify`"
        ) from error
    if release_hash(rows) != digest:
        raise ReleaseError(f"{key} in {store.url} was changed: its rows no longer give its hash. Run `svta verify`")
    return rows


class Release:
    """One stored release: `.hash`, `.frame` with all pairs, `.split(name)` for a part of it."""

    def __init__(self, store: MediaStore, digest: str) -> None:
        self.store, self.hash = store, digest
        self.frame = read_rows(store, digest)

    def split(self, split: str, category: str | None = None) -> "ReleaseSplit":
        """The pairs of `train`, `val`, `test` (or `all`), optionally of one generation or final category."""
        part = self.frame if split == "all" else self.frame.filter(pl.col("split") == split)
        if split != "all" and split not in SPLITS:
            raise ReleaseError(f"no split {split!r}: use one of {', '.join(SPLITS)} or all")
        if category is not None:
            self._check_category(category)
            part = part.filter((pl.col("category") == category) | (pl.col("final_category") == category))
        return ReleaseSplit(self, split, category, part)

    def _check_category(self, category: str) -> None:
        known = sorted(set(self.frame["category"]) | set(self.frame["final_category"]))
        if category not in known:
            near = difflib.get_close_matches(category, known, n=3, cutoff=0.4) or known[:5]
            raise ReleaseError(f"no category {category!r} in release {self.hash}. Nearest: {', '.join(near)}")


@dataclass(frozen=True)
class ReleaseSplit:
    """A part of a release: `.frame` (polars, columns of `COLUMNS`), `.hash`, `.dataset()` for PyTorch."""

    release: Release
    name: str
    category: str | None
    frame: pl.DataFrame

    @property
    def hash(self) -> str:
        """Hash of the whole release this is a part of."""
        return self.release.hash

    @property
    def store(self) -> MediaStore:
        """Where the clips lie."""
        return self.release.store

    def __len__(self) -> int:
        return self.frame.height

    def clip_bytes(self, row: dict[str, Any]) -> bytes:
        """Read one clip's mp4 and check it against the release's sha256. Raises DamagedClip."""
        try:
            data = self.store.get(row["uri"])
        except MissingObject as error:
            raise DamagedClip(_damaged(row, f"{row['uri']} is missing from {self.store.url}")) from error
        if sha256_hex(data) != row["sha256"]:
            raise DamagedClip(_damaged(row, f"{row['uri']} differs from the sha256 in release {self.hash}"))
        return data

    def dataset(self, max_frames: int = 12, size: int | None = None, fit: str = "crop") -> "ClipDataset":
        """A `torch.utils.data.Dataset` of dicts with pair_id, clip_id, caption, frames and mask (see ClipDataset)."""
        from svta_models.dataset import ClipDataset

        return ClipDataset(self, max_frames=max_frames, size=size, fit=fit)


def open_release(
    home_or_url: str | Path, release: str = "latest", split: str = "train", category: str | None = None
) -> ReleaseSplit:
    """Open part of a release: the five-line way to bring your own model.

    home_or_url: a home folder or `s3://bucket/prefix`. release: `latest`, a name or a hash. split: `train`, `val`,
    `test` or `all`. category: a generation key (`fighting`) or a final category's name. Raises ReleaseError.
    """
    store = open_store(home_or_url)
    return Release(store, resolve(store, release)).split(split, category)


def _damaged(row: dict[str, Any], what: str) -> str:
    return f"clip {row['clip_id']}: {what}. Run `svta verify`, then materialize `videos` for {row['category']!r} again"


def _rows_key(digest: str) -> str:
    return f"releases/{digest}.parquet"


def _tidy(frame: pl.DataFrame) -> pl.DataFrame:
    """Check a release's rows and bring them into their one canonical form."""
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ReleaseError(f"a release needs the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}")
    rows = frame.select(pl.col(name).cast(pl.String) for name in COLUMNS).sort("pair_id")
    for name in COLUMNS:
        if name not in OPTIONAL_COLUMNS and rows[name].null_count():
            pair = rows.filter(pl.col(name).is_null())["pair_id"][0]
            raise ReleaseError(f"pair {pair} has no {name}: every pair of a release needs one")
    _reject("is listed twice: one row per pair", rows.filter(pl.col("pair_id").is_duplicated())["pair_id"])
    strange = rows.filter(~pl.col("split").is_in(SPLITS))
    _reject(f"has a split outside {', '.join(SPLITS)}", strange["pair_id"])
    return rows


def _reject(reason: str, pairs: Iterable[str]) -> None:
    for pair in pairs:
        raise ReleaseError(f"pair {pair} {reason}")
