"""Tables 2 to 4 of the paper beside ours, as Markdown and CSV."""

import json
from dataclasses import dataclass
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


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's retrieval tables: which benchmark it shows, and what the paper's figures rest on."""

    name: str
    title: str
    benchmark: str
    pairs: int  # gallery size in the paper

    def paper(self) -> dict[str, dict[str, dict[str, float]]]:
        """The paper's figures: method -> direction -> figure (R@K in percent)."""
        return {row["method"]: row for row in _published()[self.name]}


PAPER_TABLES = (
    PaperTable("table2", "Table 2: retrieval on the SVTA test split", "svta", 8309),
    PaperTable("table3", "Table 3: zero-shot on UCFCrime-AR", "ucfcrime_ar", 290),
    PaperTable("table4", "Table 4: zero-shot on OOPS!", "oops", 3468),
)


@lru_cache(maxsize=1)
def _published() -> dict[str, Any]:
    """Tables 2 to 4 of the SVTA paper (arXiv 2506.01466)."""
    tables: dict[str, Any] = json.loads((files("svta_assets.tables") / "paper_tables.json").read_text())
    return tables


def current_rows(work: Workspace) -> pl.DataFrame:
    """The newest evaluation of each model, benchmark and direction; controls on shuffled captions are left out."""
    return _newest(work.catalog.read("evaluations").filter(~pl.col("trained_on_shuffled")))


def control_rows(work: Workspace) -> pl.DataFrame:
    """The same of the controls, whose models were trained on shuffled captions."""
    return _newest(work.catalog.read("evaluations").filter("trained_on_shuffled"))


def _newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each model, benchmark and direction, in the order of the paper's tables."""
    newest = rows.sort("at").unique(["model", "benchmark", "direction"], keep="last")
    place = pl.col("model").replace_strict({name: place for place, name in enumerate(METHODS)}, return_dtype=pl.Int64)
    return newest.sort(place, "direction")


def rendered_tables(work: Workspace) -> dict[str, str]:
    """Markdown of every table for whose benchmark something has been evaluated, by name (`table2`)."""
    rows, controls = current_rows(work), control_rows(work)
    found = {}
    for table in PAPER_TABLES:
        ours = rows.filter(benchmark=table.benchmark)
        if ours.height:
            found[table.name] = _markdown(work, table, ours, controls.filter(benchmark=table.benchmark))
    return found


def all_tables(work: Workspace) -> str:
    """Every table one below the other, for a terminal."""
    return "\n".join(rendered_tables(work).values()) or "No model has been evaluated yet: materialize eval_tables.\n"


def _markdown(work: Workspace, table: PaperTable, rows: pl.DataFrame, controls: pl.DataFrame) -> str:
    release = rows["release"][-1]
    generators = ", ".join(sorted(set(work.catalog.read("clips").filter("current")["generator"])))
    lines = [
        f"### {table.title}, release `{release}`",
        "",
        f"Ours: {rows['pairs'][-1]} test pairs, models trained on clips by `{generators}`. Paper: {table.pairs:,} test "
        "pairs, models trained on Wan2.1 clips from CLIP weights pre-trained on 400M pairs. **Another scale: the two "
        "rows are not to be compared.** In brackets: ours less the paper's.",
        "",
        "| direction | method | R@1 | R@5 | R@10 | MdR | MnR | recipe |",
        "|---|---|---|---|---|---|---|---|",
    ]
    paper, recipes = table.paper(), _recipes(work)
    for direction, title in DIRECTIONS.items():
        for row in rows.filter(direction=direction).iter_rows(named=True):
            recipe = recipes.get(row["checkpoint_id"], "")
            lines += _method_lines(title, row, paper[METHODS[row["model"]]][direction], recipe)
    remarks = [_remark(row) for row in rows.iter_rows(named=True)]
    remarks += [_control(row) for row in controls.filter(release=release).iter_rows(named=True)]
    return "\n".join([*lines, "", *remarks, ""])


def _recipes(work: Workspace) -> dict[str, str]:
    """Checkpoint -> what it was trained with, in a few words."""
    rows = work.catalog.read("checkpoints").select("checkpoint_id", "recipe").iter_rows()
    said = {}
    for checkpoint, text in rows:
        recipe = json.loads(text)
        said[checkpoint] = f"{recipe['name']}, {recipe['preset']}, {recipe['epochs']} epochs"
    return said


def _method_lines(title: str, row: dict[str, Any], paper: dict[str, float], recipe: str) -> list[str]:
    ours = " | ".join(f"{row[name]:.1f}" for name in FIGURES)
    theirs = " | ".join(f"{paper[name]:.1f} ({row[ours] - paper[name]:+.1f})" for ours, name in FIGURES.items())
    name = METHODS[row["model"]]
    return [
        f"| {title} | {name}, ours | {ours} | {recipe} |",
        f"| {title} | *{name}, paper (other scale)* | {theirs} | |",
    ]


def _remark(row: dict[str, Any]) -> str:
    return (
        f"- {METHODS[row['model']]}, {DIRECTIONS[row['direction']]}: R@10 {row['r10']:.1f} "
        f"(95% bootstrap {row['r10_low']:.1f} to {row['r10_high']:.1f}, chance {row['r10_chance']:.1f}); "
        f"R@1 within the query's own category {row['r1_within']:.1f} (chance {row['r1_within_chance']:.1f})"
    )


def _control(row: dict[str, Any]) -> str:
    return (
        f"- Control, {METHODS[row['model']]} trained on shuffled captions, {DIRECTIONS[row['direction']]}: "
        f"R@10 {row['r10']:.1f} (chance {row['r10_chance']:.1f})"
    )


def write_tables(work: Workspace) -> dict[str, str]:
    """Render every table from all current rows into `reports/` (Markdown, LaTeX, CSV); return the Markdown by name."""
    tables, rows = rendered_tables(work), current_rows(work)
    folder = work.home.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for table in PAPER_TABLES:
        if table.name in tables:
            (folder / f"{table.name}.md").write_text(tables[table.name])
            (folder / f"{table.name}.tex").write_text(latex(table, rows.filter(benchmark=table.benchmark)))
    rows.write_csv(folder / "evaluations.csv")
    return tables


def latex(table: PaperTable, rows: pl.DataFrame) -> str:
    """Our rows of a table as a LaTeX tabular (package booktabs), best figure of each column in bold."""
    lines = [r"\begin{tabular}{llrrrrr}", r"\toprule", rf"Direction & Method & {' & '.join(FIGURES.values())} \\"]
    for direction, title in DIRECTIONS.items():
        ours = rows.filter(direction=direction)
        best = {name: (ours[name].min() if name in ("mdr", "mnr") else ours[name].max()) for name in FIGURES}
        lines.append(r"\midrule")
        for row in ours.iter_rows(named=True):
            cells = [
                rf"\textbf{{{row[name]:.1f}}}" if row[name] == best[name] else f"{row[name]:.1f}" for name in FIGURES
            ]
            lines.append(rf"{title} & {METHODS[row['model']]} & {' & '.join(cells)} \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return f"% {table.title}; release {rows['release'][-1]}\n" + "\n".join(lines) + "\n"
