"""The `clips` table of a category: a projection of the recipe cards that lie beside the clips.

The cards are the truth. Reading them anew is what makes any number of writers safe, a late orphan too: whoever
lists last sees every finished clip, whichever run made it.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from svta_assets.schemas import CLIPS, PROMOTIONS
from svta_models.media_store import MediaStore, MissingObject
from svta_resources.catalog import Catalog
from svta_resources.video.clip_worker import CLIPS as CLIPS_FOLDER
from svta_resources.video.scores import verdict

READERS = 8  # parallel reads: nothing on a disk, ten times faster on S3


def project_clips(catalog: Catalog, category: str, thresholds: dict[str, float]) -> pl.DataFrame:
    """Rebuild and publish the category's `clips` rows from its cards and the decisions about takes."""
    as_of = time.time_ns()  # before the listing: an older listing never hides a newer one
    frame = clip_rows(read_cards(catalog.store, category).whole, thresholds)
    current = current_clips(frame, catalog.read("promotions", category))
    frame = frame.with_columns(pl.col("clip_id").is_in(list(current.values())).alias("current"))
    return catalog.publish("clips", category, frame, as_of_ns=as_of)


def clip_rows(cards: list[dict[str, Any]], thresholds: dict[str, float]) -> pl.DataFrame:
    """Turn cards into `clips` rows: thresholds are applied here, to scores that were stored when the clip was made."""
    return CLIPS.frame(_newest_per_clip([_row(card, thresholds) for card in cards]))


@dataclass(frozen=True)
class Cards:
    """Recipe cards of a category: those whose mp4 is there, and those of clips that have no mp4 any more.

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
        [card for key, card in cards_by_key.items() if key in whole],
        [card for card in cards_by_key.values() if card["clip_id"] not in have],
    )


def _read_card(store: MediaStore, key: str) -> dict[str, Any] | None:
    try:
        card: dict[str, Any] = json.loads(store.get(key))
    except MissingObject:  # set aside by `svta verify` since the listing
        return None
    return card


def _row(card: dict[str, Any], thresholds: dict[str, float]) -> dict[str, Any]:
    reason = card.get("defect") or verdict(card, thresholds)
    row = {name: card.get(name) for name in CLIPS.schema if name in card}
    return {
        **row,
        "status": "rejected" if reason else "accepted",
        "reject_reason": reason,
        "current": False,
        "recipe": json.dumps(card["recipe"], ensure_ascii=False, sort_keys=True),
        "provenance": json.dumps(card["provenance"], ensure_ascii=False, sort_keys=True),
    }


def _newest_per_clip(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["made_at"]):
        newest[row["clip_id"]] = row
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
