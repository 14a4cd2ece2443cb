"""Whether labels and the release are in step with the clips that stand now.

What to do is read from the tables, not from what some run did: a killed one is made good by the next.
"""

from collections.abc import Iterable

import polars as pl

from svta_assets.workspace import Workspace


def labels_are_behind(work: Workspace, key: str) -> bool:
    """Whether the category's labels name other clips than the ones that stand now."""
    labels = work.catalog.read("labels", key)
    current = work.catalog.read("clips", key).filter("current")
    named = dict(labels.select("pair_id", "clip_id").drop_nulls().iter_rows())
    return bool(named != dict(current.select("pair_id", "clip_id").iter_rows()))


def behind(work: Workspace, keys: Iterable[str]) -> list[str]:
    """The categories whose labels are behind."""
    return [key for key in keys if labels_are_behind(work, key)]


def latest_release(work: Workspace) -> str | None:
    """Hash of the latest release, if there is one."""
    from svta_models.release import release_log

    log = release_log(work.store)
    return log[-1].hash if log else None


def release_is_behind(work: Workspace) -> bool:
    """Whether there is a release that lacks or names other clips than the ones that stand now."""
    from svta_assets.splits.release import releasable_pairs
    from svta_models.release import read_rows

    latest = latest_release(work)
    if latest is None:
        return False  # the first release is nobody's surprise: `organize` writes it when asked to
    names = ["pair_id", "clip_id", "sha256"]
    left_out = work.catalog.read("rejects", "splits")["key"].to_list()  # in no release, whatever their clips
    wanted = releasable_pairs(work).filter(~pl.col("pair_id").is_in(left_out)).select(names)
    return not read_rows(work.store, latest).select(names).equals(wanted)
