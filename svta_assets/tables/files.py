"""One of the paper's tables as LaTeX and CSV."""

from typing import Any

import polars as pl

from svta_assets.tables.paper import DIRECTIONS, FIGURES, PaperTable, method_name
from svta_assets.tables.rankings import Ranking, beside_the_paper, rankings_of

_LOWER_IS_BETTER = ("mdr", "mnr")


def latex(table: PaperTable, rows: pl.DataFrame) -> str:
    """A LaTeX tabular (package booktabs): ours with the best figure of each column in bold, the paper's in italics
    with the difference in brackets, untouched pairs where there are some."""
    lines = [r"\begin{tabular}{llrrrrr}", r"\toprule", rf"Direction & Method & {' & '.join(FIGURES.values())} \\"]
    for direction, title in DIRECTIONS.items():
        ours = rows.filter(direction=direction)
        listed = [(row, ranking) for row in ours.iter_rows(named=True) for ranking in rankings_of(row)]
        best = {name: _best(name, [ranking.figures(row)[name] for row, ranking in listed]) for name in FIGURES}
        lines.append(r"\midrule")
        for row in ours.iter_rows(named=True):
            lines += [_own(title, row, ranking, best) for ranking in rankings_of(row)]
            lines += _below(table, row, title)
    lines += [r"\bottomrule", r"\end{tabular}"]
    facts = f"release {rows['release'][-1]}; data {rows['data_sha'][-1]}; paper: {table.pairs} pairs, other scale"
    return f"% {table.title}; {facts}\n" + "\n".join(lines) + "\n"


def _best(name: str, figures: list[float]) -> float:
    return min(figures) if name in _LOWER_IS_BETTER else max(figures)


def _own(title: str, row: dict[str, Any], ranking: Ranking, best: dict[str, float]) -> str:
    figures = ranking.figures(row)
    cells = [
        rf"\textbf{{{figure:.1f}}}" if figure == best[name] else f"{figure:.1f}" for name, figure in figures.items()
    ]
    return _line(title, f"{method_name(row['model'])} {ranking.title}".rstrip(), cells)


def _below(table: PaperTable, row: dict[str, Any], title: str) -> list[str]:
    lines = []
    if row["untouched_pairs"]:
        cells = [f"{row[f'untouched_{name}']:.1f}" for name in FIGURES]
        lines.append(_line(title, rf"\quad {row['untouched_pairs']} untouched pairs", cells))
    if paper := table.paper(row["model"], row["direction"]):
        own = beside_the_paper(row).figures(row)
        cells = [rf"\textit{{{paper[said]:.1f}}} ({own[name] - paper[said]:+.1f})" for name, said in FIGURES.items()]
        lines.append(_line(title, r"\quad \textit{paper} (ours less it)", cells))
    return lines


def _line(title: str, method: str, cells: list[str]) -> str:
    return rf"{title} & {method} & {' & '.join(cells)} \\"


def table_frame(table: PaperTable, rows: pl.DataFrame) -> pl.DataFrame:
    """The table as rows: `row` is ours, untouched, paper or difference; hashes say what ours rests on.

    GRAM has three rows of ours; the difference is that of the published re-ranking.
    """
    found: list[dict[str, Any]] = []
    for row in rows.iter_rows(named=True):
        key = {"direction": row["direction"], "method": method_name(row["model"]), "release": row["release"]}
        rests_on = {"data_sha": row["data_sha"], "checkpoint_id": row["checkpoint_id"]}
        for ranking in rankings_of(row):
            figures = ranking.figures(row)
            ours = {said: figures[name] for name, said in FIGURES.items()}
            found.append({**key, "row": ranking.name, "pairs": row["pairs"], **ours, **rests_on})
        if row["untouched_pairs"]:
            rest = {said: row[f"untouched_{name}"] for name, said in FIGURES.items()}
            found.append({**key, "row": "untouched", "pairs": row["untouched_pairs"], **rest, **rests_on})
        if paper := table.paper(row["model"], row["direction"]):
            own = beside_the_paper(row).figures(row)
            less = {said: own[name] - paper[said] for name, said in FIGURES.items()}
            found.append({**key, "row": "paper", "pairs": table.pairs, **paper})
            found.append({**key, "row": "difference", "pairs": None, **less})
    return pl.DataFrame(found, infer_schema_length=None)
