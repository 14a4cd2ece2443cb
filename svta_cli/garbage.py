"""What nothing refers to any more, and so may go."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from svta_cli.integrity import DAMAGED
from svta_cli.integrity_models import named_releases, release_hashes
from svta_models.media_store import PART_SUFFIX, StoredObject
from svta_models.release import ReleaseError, read_rows
from svta_resources.catalog import METADATA, SUPERSEDED_GRACE_S
from svta_resources.tables import Growth
from svta_resources.video.clip_worker import CLIPS
from svta_resources.video.shared_store import FOLDER as SHARED

DAMAGED_KEPT_S = 7 * 24 * 3600.0
YOUNGEST_S = 24 * 3600.0  # nothing is touched that a run made, or decided about, within a day
_PARQUET = re.compile(rf"{METADATA}/[^/]+/[^/]+/\d{{20}}-[0-9a-f]+\.parquet")
FOLDERS = (CLIPS, METADATA, DAMAGED, "answers", "checkpoints", "releases", "taxonomy", SHARED)


@dataclass(frozen=True)
class Waste:
    """An object that may go, and why."""

    reason: str
    item: StoredObject


def find_waste(work: Any, now: float) -> list[Waste]:
    """Everything that may go at time `now` (seconds since the epoch), a clip's card before its mp4.

    Raises ReleaseError when a release cannot be read, or is gone although something names it: what it names must not
    be guessed.
    """
    waste = [*_clips(work, now), *_superseded(work, now)]
    damaged = (item for item in work.store.list(DAMAGED) if now - item.modified > DAMAGED_KEPT_S)
    waste += [Waste("damaged for more than a week", item) for item in damaged]
    probes = (item for item in work.store.list(SHARED) if now - item.modified > YOUNGEST_S)
    return waste + [Waste("probe of a killed run on a cluster", item) for item in probes]


def partial_files(work: Any) -> int:
    """Unfinished files in the store, of living and dead writers; a bucket shows none."""
    folders: list[Path | None] = [work.store.local_path(name) for name in FOLDERS]
    return sum(1 for folder in folders if folder for _ in folder.rglob(f"*{PART_SUFFIX}"))


def sweep(work: Any) -> int:
    """Remove the unfinished files of dead writers; return how many."""
    return sum(work.store.sweep_partials(name) for name in FOLDERS)


def _clips(work: Any, now: float) -> Iterator[Waste]:
    """Takes that can never stand for their pair again, and mp4s that a killed run left without a card."""
    listed = {item.key: item for item in work.store.list(CLIPS)}  # before the releases: a new one names what it lists
    old = {key for key, item in listed.items() if now - item.modified > YOUNGEST_S}
    named = _named_by_releases(work)
    for stem in sorted(uri.removesuffix(".mp4") for uri in _spent_takes(work, named, now)):
        present = [key for key in (f"{stem}.json", f"{stem}.mp4") if key in listed]
        if f"{stem}.mp4" in listed and old.issuperset(present):  # a card of today says that a run works on the clip
            yield from (Waste("replaced take", listed[key]) for key in present)
    for key, item in listed.items():
        bare = key.endswith(".mp4") and key.removesuffix(".mp4") + ".json" not in listed
        if bare and key in old and key not in named:
            yield Waste("mp4 without a recipe card", item)


def _named_by_releases(work: Any) -> set[str]:
    stored = release_hashes(work.store)
    for digest, namer in named_releases(work).items():
        if digest not in stored:
            raise ReleaseError(
                f"release {digest}, named by {namer}, is gone, and with it the list of clips to keep: "
                f"put releases/{digest}.parquet back from a copy, or materialize splits if nothing has changed since"
            )
    return {uri for digest in stored for uri in read_rows(work.store, digest)["uri"]}


def _spent_takes(work: Any, named: set[str], now: float) -> list[str]:
    """Mp4s of takes that are neither current, nor candidates, nor in a release, nor what a rollback would restore.

    A pair without a current clip keeps all its takes: a moved threshold may accept one of them. The highest take
    stays unless a decision has covered it: its number says what the next attempt is called. A pair about which
    something was decided within a day keeps all: a run that began before may be about to name what stood then.
    """
    from svta_assets.videos.takes import candidates

    clips, promotions = work.catalog.read("clips"), work.catalog.read("promotions")
    kept = set(clips.filter("current")["clip_id"]) | set(candidates(clips, promotions)["clip_id"])
    kept |= _rollback_targets(promotions) | set(clips["same_pixels_as"].drop_nulls())
    decided = promotions.group_by("pair_id").agg(pl.col("last_take").max().alias("decided"))
    standing = clips.filter("current").select("pair_id")
    today = promotions.filter(pl.col("at") > datetime.fromtimestamp(now - YOUNGEST_S, UTC).isoformat())["pair_id"]
    highest = clips.group_by("pair_id").agg(pl.col("take").max().alias("highest"))
    spent = (
        clips.filter(~pl.col("clip_id").is_in(list(kept)) & ~pl.col("uri").is_in(list(named)))
        .filter(~pl.col("pair_id").is_in(today.unique().to_list()))
        .join(standing, on="pair_id", how="semi")
        .join(highest, on="pair_id")
        .join(decided, on="pair_id", how="left")
        .filter((pl.col("take") < pl.col("highest")) | (pl.col("take") <= pl.col("decided")))
    )
    return list(spent["uri"])


def _rollback_targets(promotions: pl.DataFrame) -> set[str]:
    """Clips that `svta regen --rollback` would bring back: those before each category's newest standing promotion."""
    undone = promotions["undoes"].drop_nulls().to_list()
    standing = promotions.filter((pl.col("action") == "promote") & ~pl.col("batch").is_in(undone)).sort("at")
    newest = standing.group_by("category").agg(pl.col("batch").last())["batch"].to_list()
    return set(standing.filter(pl.col("batch").is_in(newest))["previous_clip_id"].drop_nulls())


def _superseded(work: Any, now: float) -> Iterator[Waste]:
    """Metadata files that a newer one has replaced for longer than any query lasts."""
    for name, table in work.catalog.tables.items():
        if table.growth is not Growth.PROJECTION:
            continue
        items = {item.key: item for item in work.store.list(f"{METADATA}/{name}") if _PARQUET.fullmatch(item.key)}
        for partition in {key.split("/")[2] for key in items}:
            keys = sorted(key for key in items if key.startswith(f"{METADATA}/{name}/{partition}/"))
            for old, newer in pairwise(keys):
                replaced_at = int(newer.rsplit("/", 1)[-1].partition("-")[0]) / 1e9
                if now - max(replaced_at, items[newer].modified) > SUPERSEDED_GRACE_S:
                    yield Waste("superseded metadata", items[old])
