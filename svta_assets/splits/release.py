"""From current clips, labels and categories to a release."""

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from svta_assets.splits.assign import SPLIT_SEED, assign, small_categories
from svta_assets.splits.grouped import assign_grouped
from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError

Strategy = Literal["paper", "grouped"]
STRATEGIES: tuple[Strategy, ...] = ("paper", "grouped")
STAGE = "splits"


@dataclass(frozen=True)
class Written:
    """A release as written: its rows, its hash, and whether it differs from the one before.

    `small`: final categories of fewer than 10 pairs; `moved`: pairs whose split is another than before (0 unless
    splits were drawn anew); `left_out`: pairs that are not released although they have a clip and a category, with
    the reason; `leaks`: rows of `leakage`.
    """

    rows: pl.DataFrame
    release: str
    is_new: bool
    small: list[str]
    generators: list[str]
    moved: int
    strategy: str
    left_out: dict[str, str]
    leaks: pl.DataFrame = field(repr=False)


def write_splits_and_release(
    work: Workspace,
    draw_anew: bool = False,
    seed: int = SPLIT_SEED,
    strategy: Strategy | None = None,
    exclude_benchmarks: bool = False,
) -> Written:
    """Split what is new, write `splits`, and write the release when anything changed.

    Args:
        draw_anew: forget every split there is and draw all of them again, with `seed`.
        strategy: of a home whose splits are not drawn yet, or are drawn anew; None keeps the one it has.
        exclude_benchmarks: leave out pairs whose caption or source video is in a benchmark's test set.
    """
    from svta_assets.splits.benchmarks import in_benchmarks
    from svta_models.release import write_release

    pairs = releasable_pairs(work)
    if pairs.is_empty():
        raise SvtaError("no pair has both an accepted clip and a label: materialize videos and labels first")
    existing = work.catalog.read("splits")
    kept = existing.clear() if draw_anew else existing
    chosen = _strategy(kept if kept.height else existing, strategy, free=kept.is_empty())
    pairs = pairs.join(source_videos(work), on="pair_id", how="left").sort("pair_id")
    left_out = in_benchmarks(pairs, work.catalog.read("texts")) if exclude_benchmarks else {}
    rows, straddling = _assigned(_without(pairs, left_out), kept, chosen, seed)
    left_out |= straddling
    rows = work.catalog.publish("splits", "all", rows)
    moved = rows.join(existing, on="pair_id").filter(pl.col("split") != pl.col("split_right")).height
    pairs = _without(pairs, left_out)
    _reject(work, left_out)
    release = pairs.join(rows.select("pair_id", "split"), on="pair_id").drop("generator", "source_video")
    digest = write_release(work.store, release)
    recorded = work.catalog.read("releases").sort("at")["release"].to_list()
    is_new = recorded[-1:] != [digest]  # asked of the table, so that a run killed before recording is made good
    generators = sorted(set(pairs["generator"]))
    leaks = _leaks(work, digest, release, pairs)
    if is_new:
        _record(work, release, digest, generators)
    return Written(release, digest, is_new, small_categories(pairs), generators, moved, chosen, left_out, leaks)


def source_videos(work: Workspace) -> pl.DataFrame:
    """Columns pair_id and source_video of the collected texts; a pair written by a language model has no video."""
    return work.catalog.read("texts").select(pl.col("text_id").alias("pair_id"), "source_video")


def _strategy(rows: pl.DataFrame, wanted: Strategy | None, free: bool) -> Strategy:
    """The strategy to split by: that of the splits there are, unless they are drawn anew. Raises SvtaError."""
    has: Strategy = "grouped" if "grouped" in rows["strategy"].to_list() else "paper"  # rows of before: paper
    if not free and wanted not in (None, has):
        raise SvtaError(
            f"the splits of this home are drawn by the strategy {has}; {wanted} needs another draw: "
            f"`svta release --resplit --strategy {wanted}`"
        )
    return wanted or has


def _assigned(
    pairs: pl.DataFrame, kept: pl.DataFrame, strategy: Strategy, seed: int
) -> tuple[pl.DataFrame, dict[str, str]]:
    if strategy == "paper":
        return assign(pairs, kept, utc_now(), seed), {}
    grouped = assign_grouped(pairs, kept, utc_now(), seed)
    return grouped.rows, grouped.left_out


def _without(pairs: pl.DataFrame, left_out: dict[str, str]) -> pl.DataFrame:
    kept = pairs.filter(~pl.col("pair_id").is_in(list(left_out)))
    if kept.is_empty():
        raise SvtaError(f"all {pairs.height} pairs are left out of the release: {next(iter(left_out.values()))}")
    return kept


def _reject(work: Workspace, left_out: dict[str, str]) -> None:
    rows = [
        {"stage": STAGE, "key": pair, "reason": "left out of the release", "detail": why}
        for pair, why in left_out.items()
    ]
    if rows or work.catalog.read("rejects", STAGE).height:
        work.catalog.publish("rejects", STAGE, rows)


def _leaks(work: Workspace, digest: str, release: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The leakage report of a release, written once."""
    from svta_assets.splits.leakage import find_leaks

    known = work.catalog.read("leakage", digest)
    if known.height:
        return known
    found = find_leaks(release, dict(pairs.select("pair_id", "source_video").iter_rows()))
    return work.catalog.publish("leakage", digest, found.with_columns(release=pl.lit(digest)))


def releasable_pairs(work: Workspace) -> pl.DataFrame:
    """Pairs with a current accepted clip and a final category: the columns of a release but for `split`."""
    clips = work.catalog.read("clips").filter("current")
    assignments = work.catalog.read("assignments").select("pair_id", "final_category", "kind", "group")
    names = ("pair_id", "clip_id", "uri", "sha256", "caption", "category", "generator")
    return clips.select(names).join(assignments, on="pair_id").sort("pair_id")


def _record(work: Workspace, release: pl.DataFrame, digest: str, generators: list[str]) -> None:
    counts = dict(release["split"].value_counts().iter_rows())
    taxonomy = work.catalog.read("categories")["taxonomy"][0]
    row = {
        "release": digest,
        "pairs": release.height,
        **{split: counts.get(split, 0) for split in ("train", "val", "test")},
        "taxonomy": taxonomy,
        "generator": ", ".join(generators),
        "at": utc_now(),
    }
    work.catalog.append("releases", "all", [row])
