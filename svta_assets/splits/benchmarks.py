"""Pairs that stand in a benchmark's test set: their caption, or the video it was written for."""

import polars as pl

from svta_assets.splits.near import same_words

TEST_SETS = {"ucfcrime_ar": ("test",), "oops": ("test", "val")}  # OOPS! has no public test split: val is evaluated on


def in_benchmarks(pairs: pl.DataFrame, texts: pl.DataFrame) -> dict[str, str]:
    """Pairs to leave out of a release, each with why.

    Args:
        pairs: columns pair_id, caption, source_video. texts: rows of `texts`.
    """
    captions: dict[str, str] = {}
    videos: dict[str, str] = {}
    for row in texts.iter_rows(named=True):
        if (row["source_split"] or "").lower() in TEST_SETS.get(row["source"], ()):
            captions.setdefault(same_words(row["caption"]), row["source"])
            if row["source_video"]:
                videos.setdefault(row["source_video"], row["source"])
    found = {}
    for row in pairs.iter_rows(named=True):
        if source := videos.get(row["source_video"] or ""):
            found[row["pair_id"]] = f"its source video is in the test set of {source}"
        elif source := captions.get(same_words(row["caption"])):
            found[row["pair_id"]] = f"its caption is in the test set of {source}"
    return found
