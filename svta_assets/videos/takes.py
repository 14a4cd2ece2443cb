"""Decisions about takes: promote candidates, discard them, roll a promotion back. Every decision is a row."""

import secrets
from collections.abc import Collection
from typing import Any

import polars as pl

from svta_assets.schemas import PROMOTIONS
from svta_assets.workspace import utc_now
from svta_resources.catalog import Catalog
from svta_resources.errors import SvtaError


def candidates(clips: pl.DataFrame, promotions: pl.DataFrame) -> pl.DataFrame:
    """The newest accepted take of each pair that comes after its current clip and after every decision."""
    standing = clips.filter("current").select("pair_id", pl.col("take").alias("standing"), "clip_id")
    decided = promotions.group_by("pair_id").agg(pl.col("last_take").max().alias("decided"))
    return (
        clips.filter(pl.col("status") == "accepted")
        .sort("take")
        .group_by("pair_id", maintain_order=True)
        .last()
        .join(standing.rename({"clip_id": "standing_clip_id"}), on="pair_id")
        .join(decided, on="pair_id", how="left")
        .filter((pl.col("take") > pl.col("standing")) & (pl.col("take") > pl.col("decided").fill_null(-1)))
    )


def promote(catalog: Catalog, category: str, by: str, only: Collection[str] | None = None) -> int:
    """Make the candidates of a category current; return how many. The caller projects the clips again."""
    return _decide(catalog, category, "promote", by, only)


def discard(catalog: Catalog, category: str, by: str, only: Collection[str] | None = None) -> int:
    """Set the candidates of a category aside; the current clips stay. Returns how many."""
    return _decide(catalog, category, "discard", by, only)


def rollback(catalog: Catalog, category: str, by: str) -> int:
    """Undo the newest promotion of a category that has not been undone; return how many pairs it restores."""
    log = catalog.read("promotions", category).sort("at")
    undone = set(log["undoes"].drop_nulls())
    batches = log.filter((pl.col("action") == "promote") & ~pl.col("batch").is_in(list(undone)))
    if batches.is_empty():
        raise SvtaError(f"category {category} has no promotion to roll back; `svta status` shows its takes")
    batch = batches["batch"][-1]
    rows = [
        {**row, "clip_id": row["previous_clip_id"], "previous_clip_id": row["clip_id"], "undoes": batch}
        for row in batches.filter(pl.col("batch") == batch).iter_rows(named=True)
    ]
    return _append(catalog, category, "rollback", by, rows)


def _decide(catalog: Catalog, category: str, action: str, by: str, only: Collection[str] | None) -> int:
    found = candidates(catalog.read("clips", category), catalog.read("promotions", category))
    if only is not None:
        found = found.filter(pl.col("pair_id").is_in(list(only)))
    rows = [
        {
            "pair_id": row["pair_id"],
            "clip_id": row["clip_id"] if action == "promote" else None,
            "previous_clip_id": row["standing_clip_id"],
            "last_take": row["take"],
        }
        for row in found.iter_rows(named=True)
    ]
    return _append(catalog, category, action, by, rows)


def _append(catalog: Catalog, category: str, action: str, by: str, rows: list[dict[str, Any]]) -> int:
    shared = {"category": category, "batch": secrets.token_hex(8), "action": action, "by": by, "at": utc_now()}
    catalog.append("promotions", category, PROMOTIONS.frame([{**row, **shared} for row in rows]))
    return len(rows)
