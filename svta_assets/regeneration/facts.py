"""What the policy of the nights is told of each category: clips, the release, validation ranks; no test figure."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from svta_assets.regeneration.policy import Facts
from svta_assets.regeneration.requests import events
from svta_assets.regeneration.validation import Validated, newest_validated
from svta_assets.workspace import Workspace


def gather_facts(work: Workspace, keys: Sequence[str]) -> list[Facts]:
    """Facts of the generation categories, in the order given."""
    measured = newest_validated(work)
    ranks = pl.concat([one.rows for one in measured]) if measured else None
    oldest = min((one.made_at for one in measured), default=None)
    ended = _ended(work)
    agree = {one.release: _standing_of(work, one) for one in measured}
    return [_facts(work, key, ranks, oldest, ended.get(key), agree) for key in keys]


def _facts(
    work: Workspace,
    key: str,
    ranks: pl.DataFrame | None,
    oldest: str | None,
    ended: str | None,
    releases: dict[str, dict[str, str]],
) -> Facts:
    clips = work.catalog.read("clips", key)
    newest = max([*clips["made_at"].drop_nulls().to_list(), *([ended] if ended else [])], default=None)
    mine = ranks.filter(category=key) if ranks is not None else None
    standing = dict(clips.filter("current").select("pair_id", "clip_id").iter_rows())
    named = [all(clips.get(pair) in (None, clip) for pair, clip in standing.items()) for clips in releases.values()]
    return Facts(
        category=key,
        queries=mine.height if mine is not None else 0,
        hits=float((mine["rank"] <= 1).sum()) if mine is not None else 0.0,
        accepted=int((clips["status"] == "accepted").sum()),
        made=clips.height,
        newest=datetime.fromisoformat(newest) if newest else None,
        measured=datetime.fromisoformat(oldest) if oldest else None,
        in_release=bool(named) and all(named),
    )


def _ended(work: Workspace) -> dict[str, str]:
    """Category -> when a requested regeneration of it ended, also one that made no clip."""
    rows = events(work).filter(pl.col("category").is_not_null())
    return dict(rows.group_by("category").agg(pl.col("at").max()).iter_rows())


def _standing_of(work: Workspace, one: Validated) -> dict[str, str]:
    """pair_id -> clip_id of the release that a checkpoint was trained and validated on."""
    from svta_models.release import read_rows

    return dict(read_rows(work.store, one.release).select("pair_id", "clip_id").iter_rows())
