"""The paper's Table 1 (datasets compared) with our own row computed from a release."""

import json
from fractions import Fraction
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import polars as pl

HEADER = (
    "dataset",
    "modality",
    "annotation",
    "format",
    "videos",
    "texts",
    "anomaly types",
    "anomaly : normal",
    "source",
)
LARGEST = 4  # of the smaller side of a ratio as the paper writes it: 2:3, 1:18, 3:2


@cache
def _published() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((files("svta_assets") / "exports" / "table1.json").read_text("utf-8"))
    return loaded


def our_row(rows: pl.DataFrame, name: str, synthetic: bool) -> dict[str, Any]:
    """Our row of Table 1, with the keys of the paper's.

    Args:
        rows: of a release. synthetic: whether all of its clips are known to be.
    """
    anomalous, normal = ((rows["kind"] == kind).sum() for kind in ("anomaly", "normal"))
    return {
        "dataset": name,
        "modality": "Video, Text",
        "annotation": "Video-level Text",
        "format": "Action Text",
        "videos": rows["clip_id"].n_unique(),
        "texts": rows["pair_id"].n_unique(),
        "anomaly_types": rows.filter(kind="anomaly")["final_category"].n_unique(),
        "anomaly_normal": ratio(int(anomalous), int(normal)),
        "source": "Synthesis" if synthetic else "Not shown to be synthetic",
    }


def ratio(one: int, other: int) -> str:
    """Two counts in small numbers, the smaller side at most `LARGEST`: 25170, 16145 -> 3:2."""
    if not one or not other:
        return f"{min(one, 1)}:{min(other, 1)}"
    if one < other:
        return ":".join(reversed(ratio(other, one).split(":")))
    closest = min(
        (Fraction(round(one * n / other), n) for n in range(1, LARGEST + 1)), key=lambda f: _cost(f, one, other)
    )
    return f"{closest.numerator}:{closest.denominator}"


def _cost(candidate: Fraction, one: int, other: int) -> float:
    """How far a ratio is off, in relation; larger numbers must be worth their while."""
    return abs(float(candidate) * other / one - 1) + 0.02 * candidate.denominator


def table1(row: dict[str, Any]) -> str:
    """Table 1 as Markdown: ours first, the others as the paper prints them, with notes where it errs."""
    published = _published()
    lines = [
        f"| {' | '.join(HEADER)} |",
        "|---" * len(HEADER) + "|",
        _line({**row, "dataset": f"**{row['dataset']}**"}),
    ]
    notes = []
    for theirs in published["rows"]:
        mark = ""
        if note := published["notes"].get(theirs["dataset"]):
            notes.append(note)
            mark = f" [{len(notes)}]"
        name = "SVTA (paper)" if theirs["dataset"] == "SVTA" else theirs["dataset"]
        lines.append(_line({**theirs, "dataset": name + mark}))
    lines += ["", f"First row: computed from this release. Others: {published['source']}."]
    return "\n".join([*lines, *(f"\n[{number}] {note}" for number, note in enumerate(notes, start=1))])


def _line(row: dict[str, Any]) -> str:
    keys = (
        "dataset",
        "modality",
        "annotation",
        "format",
        "videos",
        "texts",
        "anomaly_types",
        "anomaly_normal",
        "source",
    )
    return f"| {' | '.join(_cell(row[key]) for key in keys)} |"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else plain(value)


def plain(text: str) -> str:
    """Text of a source, model or person for a cell of a Markdown table: shown as it is, never run."""
    return escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
