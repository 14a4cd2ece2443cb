"""How varied the written descriptions of a category are: words, embeddings, and what of the attribute grid occurs."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from svta_assets.prompts import ATTRIBUTES, attribute_options
from svta_assets.texts.expand import Expansion
from svta_assets.texts.novelty import Embed, Vectors
from svta_assets.texts.slots import normalised
from svta_assets.workspace import Workspace
from svta_models.identity import recipe_sha

REPORT = "diversity.md"
_NEAREST = {"nearest_median": 0.5, "nearest_q90": 0.9, "nearest_max": 1.0}
_MEASURES = (
    "written", "missing", "near-duplicates", "dropped", "words", "distinct-1", "distinct-2", "mean cosine",
    "nearest: median", "nearest: 90%", "nearest: max",
)  # fmt: skip
_LEGEND = (
    "Near-duplicates were set aside and other slots opened in their place; missing counts what could not be made up. "
    "distinct-n: different runs of n words as a share of all. Cosines are of sentence embeddings; nearest is the "
    "nearest other description of the category. Attributes: values in use of those listed, least to most used."
)

Row = dict[str, Any]


def measure(category: str, expansion: Expansion, embed: Embed, before: Row | None = None) -> Row:
    """The row of `diversity` of a category; captions that `before` has measured are not embedded again."""
    captions = expansion.rows.sort("slot")["caption"].to_list()
    sha = recipe_sha({"captions": captions})
    row = {
        "category": category,
        "descriptions": len(captions),
        "missing": expansion.missing,
        "near_duplicates": expansion.near_duplicates,
        "dropped": expansion.dropped,
        "coverage": json.dumps(coverage(category, expansion.rows)),
        "captions_sha": sha,
    }
    if before is not None and before["captions_sha"] == sha:
        return {**before, **row}
    words = [normalised(caption).split() for caption in captions]
    return {
        **row,
        "words": sum(map(len, words)) / len(words) if words else None,
        "distinct_1": distinct(words, 1),
        "distinct_2": distinct(words, 2),
        **closeness(embed(captions)),
    }


def distinct(texts: Iterable[Sequence[str]], n: int) -> float | None:
    """Distinct-n: different n-grams as a share of all, over all texts together; None without one.

    Source: Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models", NAACL 2016, section 4.
    """
    grams = [tuple(words[at : at + n]) for words in texts for at in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def closeness(vectors_ND: Vectors) -> dict[str, float | None]:
    """Mean pairwise cosine, and quantiles of the cosine to the nearest other; None for fewer than two rows.

    Args:
        vectors_ND: unit vectors.
    """
    count = len(vectors_ND)
    if count < 2:
        return {"mean_cosine": None, **dict.fromkeys(_NEAREST)}
    cosines_NN = (vectors_ND @ vectors_ND.T).astype(np.float64)
    mean = (cosines_NN.sum() - np.trace(cosines_NN)) / (count * (count - 1))
    np.fill_diagonal(cosines_NN, -1.0)
    nearest = cosines_NN.max(axis=1)
    found = {name: round(float(np.quantile(nearest, share)), 4) for name, share in _NEAREST.items()}
    return {"mean_cosine": round(float(mean), 4), **found}


def coverage(category: str, rows: pl.DataFrame) -> dict[str, Row]:
    """By attribute: how many of its values are in use, how many there are, and the least and most used with counts."""
    options = attribute_options(category)
    cameras = {"camera": sorted({*options["indoor camera"], *options["outdoor camera"]})}
    found = {}
    for name in ATTRIBUTES:
        values = {**options, **cameras}[name]
        counts = Counter(rows[name].drop_nulls().to_list())
        by_use = sorted((counts[value], value) for value in values)
        found[name] = {
            "in use": sum(counts[value] > 0 for value in values),
            "values": len(values),
            "least": by_use[0][::-1],
            "most": by_use[-1][::-1],
        }
    return found


def report_markdown(rows: Iterable[Row]) -> str:
    """Tables of the measures and of the attributes' coverage, one line a category."""
    rows = sorted(rows, key=lambda row: str(row["category"]))
    if not rows:
        return "no description is written yet"
    lines = [*_head(_MEASURES), *(_measures(row) for row in rows), "", *_head(ATTRIBUTES)]
    return "\n".join([*lines, *(_coverage_line(row) for row in rows)])


def _head(names: Sequence[str]) -> list[str]:
    return ["| category | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]


def category_markdown(row: Row) -> str:
    """The same of one category, a line a figure: as wide as a page of the Dagster UI shows without scrolling."""
    figures = [*zip(_MEASURES, _measured(row), strict=True), *zip(ATTRIBUTES, _covered(row), strict=True)]
    return "\n".join(["| measure | |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures)])


def _measures(row: Row) -> str:
    return f"| {row['category']} | " + " | ".join(_measured(row)) + " |"


def _measured(row: Row) -> list[str]:
    counts = [str(row[name]) for name in ("descriptions", "missing", "near_duplicates", "dropped")]
    names = ("words", "distinct_1", "distinct_2", "mean_cosine", *_NEAREST)
    return [*counts, *(_number(row[name], 1 if name == "words" else 3) for name in names)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _coverage_line(row: Row) -> str:
    return f"| {row['category']} | " + " | ".join(_covered(row)) + " |"


def _covered(row: Row) -> list[str]:
    found, cells = json.loads(row["coverage"]), []
    for name in ATTRIBUTES:
        least, most = (f"{value} {count}" for value, count in (found[name]["least"], found[name]["most"]))
        cells.append(f"{found[name]['in use']}/{found[name]['values']} ({least} to {most})")
    return cells


def write_report(work: Workspace) -> Path:
    """Write `reports/diversity.md` about every category measured so far; returns its path."""
    folder = work.home.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    text = report_markdown(work.catalog.read("diversity").iter_rows(named=True))
    unfinished, path = folder / f".{REPORT}.{os.getpid()}", folder / REPORT
    unfinished.write_text(f"# Diversity of written descriptions\n\n{_LEGEND}\n\n{text}\n", encoding="utf-8")
    os.replace(unfinished, path)  # several categories may be written at the same time
    return path
