"""What the collected sources look like: counts, oddities and what people should look at. Plain values, fit for JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from svta_assets.texts.bilingual import colour_differences
from svta_assets.texts.clean import cleaning_counts
from svta_assets.texts.flags import flag_columns
from svta_assets.texts.readers.uca import SOURCE as UCA
from svta_assets.texts.readers.ucf import NORMAL
from svta_assets.texts.readers.ucfcrime_ar import SOURCE as UCFCRIME_AR
from svta_assets.texts.records import Reading, Reject

TOP_VIDEOS = 10
# Two texts are alike when only case, punctuation and space differ.
_NORMALISED = pl.col("caption").str.to_lowercase().str.replace_all(r"[^\pL\pN]+", " ").str.strip_chars()


def source_report(texts: pl.DataFrame, rejects: Sequence[Reject], readings: Sequence[Reading]) -> dict[str, Any]:
    """Describe the texts (with the readers' columns raw, position and source_key still there)."""
    by_source = {frame["source"][0]: frame for frame in texts.partition_by("source", maintain_order=True)}
    anomalous = int(texts["is_anomaly"].sum())
    return {
        "totals": {"texts": texts.height, "normal": texts.height - anomalous, "anomalous": anomalous},
        "sources": {source: _source(frame) for source, frame in by_source.items()},
        "categories": _counts(texts, "category"),
        "flags": {source: _flag_counts(frame) for source, frame in by_source.items()},
        "cleaning": {source: cleaning_counts(frame["raw"]) for source, frame in by_source.items()},
        "repeats": {source: _repeats(frame) for source, frame in by_source.items()},
        "texts_in_several_sources": _shared_texts(texts),
        "times": {source: times for source, frame in by_source.items() if (times := _times(frame))},
        "heavy_tail": {source: tail for source, frame in by_source.items() if (tail := _heavy_tail(frame))},
        "ucf": _ucf(by_source.get(UCA), by_source.get(UCFCRIME_AR)),
        "colour_differences": colour_differences(texts),
        "rejects": dict(sorted(Counter(reject.reason for reject in rejects).items())),
        "files": [name for reading in readings for name in reading.files],
        "ignored_files": [name for reading in readings for name in reading.ignored],
        "notes": [note for reading in readings for note in reading.notes],
    }


def _source(frame: pl.DataFrame) -> dict[str, Any]:
    words = frame["caption"].str.split(" ").list.len()
    anomalous = int(frame["is_anomaly"].sum())
    return {
        "texts": frame.height,
        "videos": frame["source_video"].drop_nulls().n_unique(),
        "normal": frame.height - anomalous,
        "anomalous": anomalous,
        "mean_words": round(float(words.mean()), 2),  # type: ignore[arg-type]
        "max_words": int(words.max()),  # type: ignore[arg-type]
        "without_final_mark": int((~frame["raw"].str.strip_chars().str.contains(r"[.!?]$")).sum()),
        "splits": _counts(frame, "source_split"),
        "classes": _counts(frame, "source_category"),
    }


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    counted = frame.drop_nulls(column).group_by(column).len().sort(column)
    return dict(counted.rows())


def _flag_counts(frame: pl.DataFrame) -> dict[str, int]:
    counted = Counter(frame["flags"].explode().drop_nulls().to_list())
    return {name: counted[name] for name in flag_columns()}


def _repeats(frame: pl.DataFrame) -> dict[str, Any]:
    """Texts written more than once, as read (outer space apart) and in the sense of `_NORMALISED`."""
    exact = _repeated(frame, pl.col("raw").str.strip_chars())
    rows = int(exact["rows"].sum())
    top = exact.sort("rows", "text", descending=[True, False]).head(1).select("text", "rows").rows()
    same_event = frame.group_by("source_key").len().filter(pl.col("len") > 1)
    return {
        "texts": exact.height,
        "rows": rows,
        "surplus": rows - exact.height,
        "surplus_normalised": int((_repeated(frame, _NORMALISED)["rows"] - 1).sum()),
        "across_videos": int((exact["videos"] > 1).sum()),
        "across_splits": int((exact["splits"] > 1).sum()),
        "across_classes": int((exact["classes"] > 1).sum()),
        "same_video_time_and_text": int((same_event["len"] - 1).sum()),
        "most_repeated": {"text": top[0][0], "rows": top[0][1]} if top else None,
    }


def _repeated(frame: pl.DataFrame, text: pl.Expr) -> pl.DataFrame:
    distinct = {"videos": "source_video", "splits": "source_split", "classes": "source_category"}
    grouped = frame.group_by(text.alias("text")).agg(
        pl.len().alias("rows"), *[pl.col(column).n_unique().alias(name) for name, column in distinct.items()]
    )
    return grouped.filter(pl.col("rows") > 1)


def _shared_texts(texts: pl.DataFrame) -> dict[str, Any]:
    """The texts that stand in more than one source, in the sense of `_NORMALISED`, and each source's rows of them."""
    shared = pl.col("source").n_unique().over("text") > 1
    found = texts.select(_NORMALISED.alias("text"), "source").filter(shared)
    return {"texts": found["text"].n_unique(), "rows": _counts(found, "source")}


def _times(frame: pl.DataFrame) -> dict[str, Any] | None:
    """Overlapping and unordered events per video, and the range of their lengths in seconds."""
    timed = frame.drop_nulls(["start_s", "end_s"])
    if timed.is_empty():
        return None
    length = timed["end_s"] - timed["start_s"]
    in_time = timed.sort("source_video", "start_s", "end_s")
    latest_end = pl.col("end_s").cum_max().shift(1).over("source_video")
    overlapping = in_time.filter(pl.col("start_s") < latest_end)["source_video"].n_unique()
    as_written = timed.drop_nulls("position").sort("source_video", "position")
    before = {name: pl.col(name).shift(1).over("source_video") for name in ("start_s", "end_s")}
    later_start = before["start_s"] > pl.col("start_s")
    later_end = (before["start_s"] == pl.col("start_s")) & (before["end_s"] > pl.col("end_s"))
    unordered = as_written.filter(later_start | later_end)
    return {
        "shortest_s": round(float(length.min()), 3),  # type: ignore[arg-type]
        "longest_s": round(float(length.max()), 3),  # type: ignore[arg-type]
        "videos_with_overlapping_events": overlapping,
        "videos_out_of_time_order": unordered["source_video"].n_unique(),
    }


def _heavy_tail(frame: pl.DataFrame) -> dict[str, Any] | None:
    per_video = frame.drop_nulls("source_video").group_by("source_video").len()
    if per_video.is_empty() or per_video["len"].max() == 1:
        return None
    top = per_video.sort("len", "source_video", descending=[True, False]).head(TOP_VIDEOS)
    held = int(top["len"].sum())
    return {"videos": dict(top.rows()), "texts": held, "share": round(held / frame.height, 4)}


def _ucf(uca: pl.DataFrame | None, captions: pl.DataFrame | None) -> dict[str, Any] | None:
    """How UCA and UCFCrime-AR meet: both describe UCF-Crime's videos, with different splits."""
    if uca is None or captions is None:
        return None
    split_of = dict(uca.select("source_video", "source_split").unique().rows())
    tested = captions.filter(pl.col("source_split") == "test")["source_video"].unique().to_list()
    without = captions.filter(~pl.col("source_video").is_in(list(split_of)))
    return {
        "test_videos_by_uca_split": dict(sorted(Counter(split_of.get(video) or "none" for video in tested).items())),
        "videos_without_uca_text": sorted(without["source_video"].unique().to_list()),
        "normal_videos_without_uca_text": int((without["source_category"] == NORMAL).sum()),
    }
