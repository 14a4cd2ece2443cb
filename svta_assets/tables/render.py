"""The paper's Table 2 beside ours, as Markdown and CSV."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import polars as pl

from svta_assets.workspace import Workspace

METHODS = {
    "clip4clip-meanp": "CLIP4Clip-MeanP",
    "clip4clip-seqlstm": "CLIP4Clip-seqLSTM",
    "clip4clip-seqtransf": "CLIP4Clip-seqTransf",
    "clip4clip-tighttransf": "CLIP4Clip-tightTransf",
    "xclip-vit-b-32": "X-CLIP (ViT-B/32)",
    "xclip-vit-b-16": "X-CLIP (ViT-B/16)",
    "gram": "GRAM",
}
FIGURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "mdr": "MdR", "mnr": "MnR"}
DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}


@lru_cache(maxsize=1)
def paper_table2() -> dict[str, dict[str, dict[str, float]]]:
    """Table 2 of the SVTA paper (arXiv 2506.01466): method -> direction -> figure."""
    import json

    rows = json.loads((files("svta_assets.tables") / "paper_table2.json").read_text())["rows"]
    return {row["method"]: {"t2v": row["T2V"], "v2t": row["V2T"]} for row in rows}


def current_rows(work: Workspace) -> pl.DataFrame:
    """The newest evaluation of each model and direction; controls on shuffled captions are left out."""
    rows = work.catalog.read("evaluations").filter(~pl.col("trained_on_shuffled")).sort("at")
    return rows.unique(["model", "benchmark", "direction"], keep="last").sort("model", "direction")


def table2(work: Workspace) -> str:
    """Our Table 2 in Markdown with the paper's figures, chance, intervals and what differs in scale."""
    rows = current_rows(work)
    if rows.is_empty():
        return "No model has been evaluated yet: materialize eval_tables.\n"
    release = rows["release"][-1]
    clips = work.catalog.read("clips").filter("current")
    generators = ", ".join(sorted(set(clips["generator"])))
    lines = [
        f"### Table 2: retrieval on the test split of release `{release}`",
        "",
        f"Ours: {rows['pairs'][-1]} test pairs, clips by `{generators}`. Paper: 8,309 test pairs of Wan2.1 clips, CLIP "
        "weights pre-trained on 400M pairs. **Another scale: the two rows are not to be compared.**",
        "",
        "| direction | method | R@1 | R@5 | R@10 | MdR | MnR |",
        "|---|---|---|---|---|---|---|",
    ]
    for direction, title in DIRECTIONS.items():
        for row in rows.filter(direction=direction).iter_rows(named=True):
            lines += _method_lines(title, row, paper_table2()[METHODS[row["model"]]][direction])
    return "\n".join([*lines, "", *_remarks(rows), ""])


def _method_lines(title: str, row: dict[str, Any], paper: dict[str, float]) -> list[str]:
    ours = " | ".join(f"{row[name]:.1f}" for name in FIGURES)
    theirs = " | ".join(f"{paper[name]:.1f}" for name in FIGURES.values())
    name = METHODS[row["model"]]
    return [f"| {title} | {name}, ours | {ours} |", f"| {title} | *{name}, paper (other scale)* | {theirs} |"]


def _remarks(rows: pl.DataFrame) -> list[str]:
    remarks = []
    for row in rows.iter_rows(named=True):
        remarks.append(
            f"- {METHODS[row['model']]}, {DIRECTIONS[row['direction']]}: R@10 {row['r10']:.1f} "
            f"(95% bootstrap {row['r10_low']:.1f} to {row['r10_high']:.1f}, chance {row['r10_chance']:.1f}); "
            f"R@1 within the query's own category {row['r1_within']:.1f} (chance {row['r1_within_chance']:.1f})"
        )
    return remarks


def write_tables(work: Workspace) -> dict[str, str]:
    """Render every table from all current rows into `reports/`; return the Markdown by name."""
    tables = {"table2": table2(work)}
    folder = work.home.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.md").write_text(text)
    current_rows(work).write_csv(folder / "evaluations.csv")
    return tables
