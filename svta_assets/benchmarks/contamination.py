"""What of a zero-shot benchmark a release already holds: its captions, nearly equal ones, other texts of its videos.

SVTA keeps every text of UCFCrime-AR and UCA, so the captions of the paper's Table 3 are themselves SVTA texts: there,
zero-shot holds for the videos only. What is equal and near is said in `svta_assets.splits.near`. A source video counts
when the release has a text of it that does not come from the benchmark: the benchmark's own caption is counted above.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from svta_assets.splits.near import near_sets, same_words, word_set
from svta_assets.workspace import Workspace

KINDS = ("captions", "near_captions", "source_videos", "any")
PARTS = {"train": ("train",), "val": ("val",), "train or val": ("train", "val"), "release": ("train", "val", "test")}
SEEN_IN = "train or val"  # what a model may have learned from
TITLES = {
    "captions": "equal captions",
    "near_captions": "equal or near captions",
    "source_videos": "source videos with another text",
    "any": "any of these",
}
_SHOWN = 80


@dataclass(frozen=True)
class Contamination:
    """`rows`: of the table `contamination` without release and benchmark. `touched`: pairs met in train or val."""

    rows: pl.DataFrame
    touched: frozenset[str]


def find_contamination(pairs: pl.DataFrame, release: pl.DataFrame, benchmark: str) -> Contamination:
    """Hold a benchmark's pairs against a release.

    Args:
        pairs: columns pair_id, caption, video. release: caption, split, source and source_video of each pair; the last
            two are null for a text that a language model wrote. benchmark: source of the benchmark's own captions.
    """
    near = _near(pairs["caption"], release["caption"])
    rows, touched = [], frozenset[str]()
    asked = pairs.to_dicts()
    for part, splits in PARTS.items():
        held = release.filter(pl.col("split").is_in(splits)).to_dicts()
        tests = _tests(held, near, benchmark)
        found = {kind: {pair["pair_id"]: example for pair in asked if (example := tests[kind](pair))} for kind in tests}
        found["any"] = {pair: example for kind in reversed(tests) for pair, example in found[kind].items()}
        if part == SEEN_IN:
            touched = frozenset(found["any"])
        rows += [_row(kind, part, found[kind], pairs) for kind in KINDS]
    return Contamination(pl.DataFrame(rows, schema_overrides={"example": pl.String}), touched)


def contamination_of(work: Workspace, pairs: pl.DataFrame, release: pl.DataFrame, benchmark: str) -> Contamination:
    """The same for a release's own rows: where its texts come from is looked up in `texts`."""
    texts = work.catalog.read("texts").select(pl.col("text_id").alias("pair_id"), "source", "source_video")
    held = release.select("pair_id", "caption", "split").join(texts, on="pair_id", how="left")
    return find_contamination(pairs, held, benchmark)


def _tests(
    held: list[dict[str, Any]], near: dict[frozenset[str], list[frozenset[str]]], benchmark: str
) -> dict[str, Callable[[dict[str, Any]], str | None]]:
    """For each kind: what a pair meets in the held texts, or None."""
    captions = _first((same_words(row["caption"]), row["caption"]) for row in held)
    sets = _first((word_set(row["caption"]), row["caption"]) for row in held)
    videos = _first(
        (row["source_video"], row["caption"]) for row in held if row["source_video"] and row["source"] != benchmark
    )

    def meets_near(pair: dict[str, Any]) -> str | None:
        own = word_set(pair["caption"])
        return next((sets[one] for one in (own, *near.get(own, ())) if one in sets), None)

    return {
        "captions": lambda pair: captions.get(same_words(pair["caption"])),
        "near_captions": meets_near,
        "source_videos": lambda pair: videos.get(pair["video"]),
    }


def _first(items: Iterable[tuple[Any, str]]) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for key, caption in items:
        found.setdefault(key, caption)
    return found


def _near(captions: Iterable[str], held: Iterable[str]) -> dict[frozenset[str], list[frozenset[str]]]:
    """Word sets near those of a benchmark's captions, among the release's."""
    asked = {word_set(caption) for caption in captions}
    sets = sorted(asked | {word_set(caption) for caption in held}, key=sorted)
    near: dict[frozenset[str], list[frozenset[str]]] = {}
    for one, other in near_sets(sets):
        for left, right in ((one, other), (other, one)):
            if sets[left] in asked:
                near.setdefault(sets[left], []).append(sets[right])
    return near


def _row(kind: str, part: str, found: dict[str, str], pairs: pl.DataFrame) -> dict[str, Any]:
    example = None
    if found:
        pair, other = min(found.items())
        caption = pairs.filter(pair_id=pair)["caption"][0]
        example = f"{caption[:_SHOWN]} / {other[:_SHOWN]}"
    return {"kind": kind, "part": part, "pairs": len(found), "of": pairs.height, "example": example}


def contamination_line(rows: pl.DataFrame) -> str:
    """One sentence: what of a benchmark the training and validation texts of a release hold."""
    seen = {row["kind"]: row for row in rows.filter(part=SEEN_IN).iter_rows(named=True)}
    total = seen["any"]["of"]
    shares = "; ".join(f"{seen[kind]['pairs']} of {total}: {TITLES[kind]}" for kind in KINDS if kind in seen)
    return f"Contamination, of the benchmark's pairs in the release's training and validation texts: {shares}."
