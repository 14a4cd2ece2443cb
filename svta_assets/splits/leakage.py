"""What the splits of a release share: source videos, captions, nearly equal captions, pixels."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from svta_assets.splits.near import near_groups, same_words, word_set

KINDS = ("source_videos", "captions", "near_captions", "same_pixels")
BETWEEN = (("test", "train"), ("test", "val"), ("val", "train"))
SHOWN = 80  # characters of an example
_TITLES = {
    "source_videos": "shared source videos",
    "captions": "equal captions",
    "near_captions": "equal or near captions",
    "same_pixels": "same pixels",
}
_Keys = Callable[[dict[str, Any]], Iterable[Any]]


def find_leaks(frame: pl.DataFrame, videos: dict[str, str | None]) -> pl.DataFrame:
    """Rows of `leakage` without `release`: for each kind and two splits how many pairs share something.

    Args:
        frame: rows of a release. videos: source video of a pair, where it has one.
    """
    near: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
    for one, other in near_groups(frame["caption"]):
        near[word_set(one)].add(word_set(other))
        near[word_set(other)].add(word_set(one))
    keys: dict[str, tuple[_Keys, _Keys]] = {  # what a pair is found by, and what it looks for
        "source_videos": _both(lambda row: [video] if (video := videos.get(row["pair_id"])) else []),
        "captions": _both(lambda row: [same_words(row["caption"])]),
        "near_captions": (
            lambda row: [word_set(row["caption"])],
            lambda row: [word_set(row["caption"]), *near[word_set(row["caption"])]],
        ),
        "same_pixels": _both(lambda row: [row["sha256"]]),
    }
    parts = {name: frame.filter(pl.col("split") == name).to_dicts() for name in ("train", "val", "test")}
    rows = [
        {"kind": kind, "split": split, "other": other, **_shared(parts[split], parts[other], *keys[kind])}
        for kind in KINDS
        for split, other in BETWEEN
    ]
    return pl.DataFrame(rows, schema_overrides={"example": pl.String, "share": pl.Float64})


def share_of(leaks: pl.DataFrame, kind: str) -> float:
    """Share of the test pairs that share this with a training pair."""
    return float(leaks.filter(kind=kind, split="test", other="train")["share"][0])


def leakage_markdown(leaks: pl.DataFrame) -> str:
    """The report as a Markdown table."""
    lines = ["| shared | pairs of | with | pairs | share | example |", "|---|---|---|---|---|---|"]
    for row in leaks.iter_rows(named=True):
        example = (row["example"] or "").replace("|", "/")
        facts = (_TITLES[row["kind"]], row["split"], row["other"], row["pairs"], f"{row['share']:.1%}", example)
        lines.append(f"| {' | '.join(map(str, facts))} |")
    return "\n".join(lines)


def _both(keys: _Keys) -> tuple[_Keys, _Keys]:
    return keys, keys


def _shared(rows: list[dict[str, Any]], others: list[dict[str, Any]], found_by: _Keys, looks_for: _Keys) -> Any:
    owner: dict[Any, dict[str, Any]] = {}
    for other in others:
        for key in found_by(other):
            owner.setdefault(key, other)
    hits = [(row, owner[key]) for row in rows if (key := next((k for k in looks_for(row) if k in owner), None))]
    example = None
    if hits:
        row, other = hits[0]
        example = f"{row['pair_id']} and {other['pair_id']}: {row['caption'][:SHOWN]}"
    return {"pairs": len(hits), "share": len(hits) / len(rows) if rows else 0.0, "example": example}
