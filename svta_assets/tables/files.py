"""One of the paper's tables as LaTeX and CSV."""

from typing import Any

import polars as pl

from svta_assets.tables.paper import DIRECTIONS, FIGURES, PaperTable, method_name

_LOWER_IS_BETTER = ("mdr", "mnr")


def latex(table: PaperTable, rows: pl.DataFrame) -> str:
    """A LaTeX tabular (package booktabs): ours with the best figure of each column in bold, the paper's in italics
    with the difference in brackets, untouched pairs where there are some."""
    lines = [r"\begin{tabular}{llrrrrr}", r"\toprule", rf"Direction & Method & {' & '.join(FIGURES.values())} \\"]
    for direction, title in DIRECTIONS.items():
        ours = rows.filter(direction=direction)
        best = {name: (ours[name].min() if name in _LOWER_IS_BETTER else ours[name].max()) for name in FIGURES}
        lines.append(r"\midrule")
        for row in ours.iter_rows(named=True):
            cells = [
                rf"\textbf{{{row[name]:.1f}}}" if row[name] == best[name] else f"{row[name]:.1f}" for name in FIGURES
            ]
            lines += [_line(title, method_name(row["model"]), cells), *_below(table, row, title)]
    lines += [r"\bottomrule", r"\end{tabular}"]
    facts = f"release {rows['release'][-1]}; data {rows['data_sha'][-1]}; paper: {table.pairs} pairs, other scale"
    return f"% {table.title}; {facts}\n" + "\n".join(lines) + "\n"


def _below(table: PaperTable, row: dict[str, Any], title: str) -> list[str]:
    lines = []
    if row["untouched_pairs"]:
        cells = [f"{row[f'untouched_{name}']:.1f}" for name in FIGURES]
        lines.append(_line(title, rf"\quad {row['untouched_pairs']} untouched pairs", cells))
    if paper := table.paper(row["model"], row["direction"]):
        cells = [rf"\textit{{{paper[said]:.1f}}} ({row[name] - paper[said]:+.1f})" for name, said in FIGURES.items()]
        lines.append(_line(title, r"\quad \textit{paper} (ours less it)", cells))
    return lines


def _line(title: str, method: str, cells: list[str]) -> str:
    return rf"{title} & {method} & {' & '.join(cells)} \\"


def table_frame(table: PaperTable, rows: pl.DataFrame) -> pl.DataFrame:
    """The table as rows: `row` is ours, untouched, paper or difference; hashes say what ours rests on."""
    found: list[dict[str, Any]] = []
    for row in rows.iter_rows(named=True):
        key = {"direction": row["direction"], "method": method_name(row["model"]), "release": row["release"]}
        rests_on = {"data_sha": row["data_sha"], "checkpoint_id": row["checkpoint_id"]}
        ours = {said: row[name] for name, said in FIGURES.items()}
        found.append({**key, "row": "ours", "pairs": row["pairs"], **ours, **rests_on})
        if row["untouched_pairs"]:
            rest = {said: row[f"untouched_{name}"] for name, said in FIGURES.items()}
            found.append({**key, "row": "untouched", "pairs": row["untouched_pairs"], **rest, **rests_on})
        if paper := table.paper(row["model"], row["direction"]):
            less = {said: ours[said] - paper[said] for said in FIGURES.values()}
            found.append({**key, "row": "paper", "pairs": table.pairs, **paper})
            found.append({**key, "row": "difference", "pairs": None, **less})
    return pl.DataFrame(found, infer_schema_length=None)
