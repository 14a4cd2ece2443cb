"""The `clips` table of a category: a projection of the recipe cards that lie beside the clips.

The cards are the truth. Reading them anew is what makes any number of writers safe, a late orphan too: whoever
lists last sees every finished clip, whichever run made it.
"""

import json
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from svta_assets.schemas import CLIPS, PROMOTIONS, TABLES
from svta_assets.videos.verdicts import judge, learnt_since
from svta_models.media_store import MediaStore, MissingObject
from svta_resources.catalog import Catalog, ProjectionFile
from svta_resources.errors import SvtaError
from svta_resources.video.clip_worker import CLIPS as CLIPS_FOLDER

READERS = 8  # parallel reads: nothing on a disk, ten times faster on S3
_PASSES = 5  # over all categories until no verdict changes; more would need a chain of near clips across as many


def project_clips(catalog: Catalog, category: str, thresholds: Mapping[str, Any]) -> pl.DataFrame:
    """Rebuild and publish the category's `clips` rows from its cards and the decisions about takes."""
    as_of = time.time_ns()  # before the listing: an older listing never hides a newer one
    return catalog.publish("clips", category, _projected(catalog, category, thresholds), as_of_ns=as_of)


def rejudge(catalog: Catalog, thresholds: Mapping[str, Any], categories: Collection[str] | None = None) -> list[str]:
    """Bring verdicts into step with thresholds, reviews and other categories' clips; returns the categories changed.

    Works on the rows of `clips` as they are and writes nothing where no verdict changed: a threshold that moved costs
    one read per category, and a clip whose file is gone stays on record for `svta verify`. A verdict may depend on a
    clip of another category, hence the passes.
    """
    changed: set[str] = set()
    for _ in range(_PASSES):
        files = [item for item in catalog.files("clips") if not categories or item.partition in categories]
        moved = {item.partition for item in files if _rejudge_file(catalog, item, thresholds)}
        changed |= moved
        if not moved:
            break
    return sorted(changed)


def _rejudge_file(catalog: Catalog, item: ProjectionFile, thresholds: Mapping[str, Any]) -> bool:
    before = catalog.read_file(item)
    rows = before.to_dicts()
    verdicts = judge(learnt_since(catalog, item.partition, [dict(row) for row in rows]), thresholds)
    frame = CLIPS.frame([{**row, **_verdict(verdicts[row["clip_id"]])} for row in rows])
    frame = _with_current(catalog, item.partition, frame).sort(CLIPS.key)
    if frame.equals(before):
        return False
    # Newer than the file it comes from, older than whatever has listed the cards since.
    catalog.publish("clips", item.partition, frame, as_of_ns=item.time_ns + 1)
    return True


def _projected(catalog: Catalog, category: str, thresholds: Mapping[str, Any]) -> pl.DataFrame:
    frame = clip_rows(read_cards(catalog.store, category).whole, thresholds)
    return _with_current(catalog, category, frame)


def _with_current(catalog: Catalog, category: str, frame: pl.DataFrame) -> pl.DataFrame:
    current = current_clips(frame, catalog.read("promotions", category))
    return frame.with_columns(pl.col("clip_id").is_in(list(current.values())).alias("current"))


def clip_rows(cards: list[dict[str, Any]], thresholds: Mapping[str, Any]) -> pl.DataFrame:
    """Turn cards into `clips` rows: thresholds are applied here, to scores that were stored when the clip was made."""
    newest = _newest_per_clip(cards)
    verdicts = judge(newest, thresholds)
    return CLIPS.frame([_row(card, verdicts[card["clip_id"]]) for card in newest])


class DamagedCard(SvtaError):
    """A file that should be a clip's recipe card is none."""


@dataclass(frozen=True)
class Cards:
    """Recipe cards of a category: those whose mp4 is there, and those of clips that have no mp4 any more.

    Beside what its file holds, a whole card has `since`: what was learnt about the clip after it was made.

    A clip repaired under other settings has two cards; the one without an mp4 is history and in neither list.
    """

    whole: list[dict[str, Any]]
    damaged: list[dict[str, Any]]


def read_cards(store: MediaStore, category: str) -> Cards:
    """Read every recipe card of a category with one LIST."""
    keys = [item.key for item in store.list(f"{CLIPS_FOLDER}/{category}")]
    present = set(keys)
    wanted = [key for key in keys if key.endswith(".json")]
    with ThreadPoolExecutor(READERS) as readers:
        cards = list(readers.map(lambda key: _read_card(store, key), wanted))
    cards_by_key = {key: card for key, card in zip(wanted, cards, strict=True) if card is not None}
    whole = {key for key in cards_by_key if key.removesuffix(".json") + ".mp4" in present}
    have = {cards_by_key[key]["clip_id"] for key in whole}
    return Cards(
        learnt_since(Catalog(store, TABLES), category, [card for key, card in cards_by_key.items() if key in whole]),
        [card for card in cards_by_key.values() if card["clip_id"] not in have],
    )


def _read_card(store: MediaStore, key: str) -> dict[str, Any] | None:
    try:
        card: dict[str, Any] = json.loads(store.get(key))
        if missing := {"clip_id", "pair_id", "uri", "recipe"} - card.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except MissingObject:  # set aside by `svta verify` since the listing
        return None
    except (ValueError, AttributeError) as error:
        raise DamagedCard(
            f"{key} in {store.url} is no recipe card ({error}). Run `svta verify`, which sets it aside, then run again"
        ) from error
    return card


def _row(card: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    row = {name: card.get(name) for name in CLIPS.schema if name in card}
    scene = card.get("scene")
    return {
        **row,
        **_verdict(found),
        "current": False,
        "scene": None if scene is None else json.dumps(scene, ensure_ascii=False, sort_keys=True),
        "recipe": json.dumps(card["recipe"], ensure_ascii=False, sort_keys=True),
        "provenance": json.dumps(card["provenance"], ensure_ascii=False, sort_keys=True),
    }


def _verdict(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "status": "rejected" if found["reject_reason"] else "accepted"}


def _newest_per_clip(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for card in sorted(cards, key=lambda card: card["made_at"]):
        newest[card["clip_id"]] = card
    return list(newest.values())


def current_clips(clips: pl.DataFrame, promotions: pl.DataFrame) -> dict[str, str]:
    """Which clip stands for each pair: the newest decision, else the first accepted take.

    Args:
        clips: rows of `clips` (`current` is not read).
        promotions: rows of `promotions`.
    Returns:
        pair_id -> clip_id; pairs without an accepted clip are absent.
    """
    accepted = clips.filter(pl.col("status") == "accepted").sort("take")
    current: dict[str, str] = {}
    for pair, clip in accepted.select("pair_id", "clip_id").iter_rows():
        current.setdefault(pair, clip)
    known = set(accepted["clip_id"])
    for decision in latest_decisions(promotions).values():
        if decision["clip_id"] in known:
            current[decision["pair_id"]] = decision["clip_id"]
    return current


def latest_decisions(promotions: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The newest decision of each pair that named a clip."""
    named = PROMOTIONS.frame(promotions).filter(pl.col("clip_id").is_not_null()).sort("at")
    return {row["pair_id"]: row for row in named.iter_rows(named=True)}
