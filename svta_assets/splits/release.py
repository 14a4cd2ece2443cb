"""From current clips, labels and categories to a release."""

from dataclasses import dataclass

import polars as pl

from svta_assets.splits.assign import SPLIT_SEED, assign, small_categories
from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError


@dataclass(frozen=True)
class Written:
    """A release as written: its rows, its hash, and whether it differs from the one before.

    `small`: final categories of fewer than 10 pairs; `moved`: pairs whose split is another than before (0 unless
    splits were drawn anew).
    """

    rows: pl.DataFrame
    release: str
    is_new: bool
    small: list[str]
    generators: list[str]
    moved: int


def write_splits_and_release(work: Workspace, draw_anew: bool = False, seed: int = SPLIT_SEED) -> Written:
    """Split what is new, write `splits`, and write the release when anything changed.

    Args:
        draw_anew: forget every split there is and draw all of them again, with `seed`.
    """
    from svta_models.release import write_release

    pairs = releasable_pairs(work)
    if pairs.is_empty():
        raise SvtaError("no pair has both an accepted clip and a label: materialize videos and labels first")
    existing = work.catalog.read("splits")
    kept = existing.clear() if draw_anew else existing
    rows = work.catalog.publish("splits", "all", assign(pairs, kept, utc_now(), seed))
    moved = rows.join(existing, on="pair_id").filter(pl.col("split") != pl.col("split_right")).height
    release = pairs.join(rows.select("pair_id", "split"), on="pair_id").drop("generator")
    digest = write_release(work.store, release)
    recorded = work.catalog.read("releases").sort("at")["release"].to_list()
    is_new = recorded[-1:] != [digest]  # asked of the table, so that a run killed before recording is made good
    generators = sorted(set(pairs["generator"]))
    if is_new:
        _record(work, release, digest, generators)
    return Written(release, digest, is_new, small_categories(pairs), generators, moved)


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
