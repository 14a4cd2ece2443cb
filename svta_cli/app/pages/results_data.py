"""What the results pages show: tables beside the paper's, a board by category, misses with what was found instead."""

import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.tables.current import current_rows, ranks_of
from svta_assets.tables.misses import misses
from svta_assets.tables.paper import DIRECTIONS, FIGURES, PAPER_TABLES, SYNTHETIC, PaperTable, method_name
from svta_assets.tables.per_category import category_scores
from svta_assets.tables.render import rendered_tables
from svta_assets.workspace import Workspace
from svta_models.metrics import RECALL_AT
from svta_models.release import Release
from svta_resources.errors import SvtaError

LOWER_IS_BETTER = ("mdr", "mnr")
CUTOFFS = {f"r{k}": k for k in RECALL_AT}  # a recall's misses are the queries ranked beyond it

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A figure of ours, the paper's (None for a model of one's own) and ours less it; `low`, `high`: 95% bootstrap."""

    name: str
    ours: float
    paper: float | None
    low: float | None = None
    high: float | None = None
    beyond: int | None = None  # rank beyond which a query misses; None for mean and median rank

    @property
    def less(self) -> float | None:
        """Ours less the paper's."""
        return None if self.paper is None else self.ours - self.paper

    @property
    def better(self) -> bool | None:
        """Whether ours is the better one; None where there is nothing to compare or no difference."""
        if not self.less:
            return None
        return (self.less < 0) == (self.name in LOWER_IS_BETTER)


@dataclass(frozen=True)
class Line:
    """A model in one direction."""

    model: str
    method: str
    direction: str
    pairs: int
    cells: list[Cell]
    untouched_pairs: int
    untouched: list[float]
    checkpoint: str
    release: str


@dataclass(frozen=True)
class Results:
    """One of the paper's tables; `notes`: what the figures rest on, and whether the two may be compared."""

    table: PaperTable
    directions: dict[str, list[Line]]
    notes: list[str] = field(default_factory=list)


def results(work: Workspace) -> list[Results]:
    """The tables for whose benchmark something was evaluated."""
    rows, rendered = current_rows(work), rendered_tables(work)
    found = []
    for table in PAPER_TABLES:
        ours = rows.filter(benchmark=table.benchmark)
        if ours.height:
            directions = {
                title: [_line(table, row) for row in ours.filter(direction=name).iter_rows(named=True)]
                for name, title in DIRECTIONS.items()
            }
            found.append(Results(table, directions, _notes(rendered.get(table.name, ""))))
    return found


def _line(table: PaperTable, row: Row) -> Line:
    paper = table.paper(row["model"], row["direction"]) or {}
    cells = [
        Cell(
            name,
            row[name],
            paper.get(said),
            row.get(f"{name}_low"),
            row.get(f"{name}_high"),
            CUTOFFS.get(name),
        )
        for name, said in FIGURES.items()
    ]
    untouched = row["untouched_pairs"] or 0
    return Line(
        row["model"],
        method_name(row["model"]),
        row["direction"],
        row["pairs"],
        cells,
        untouched,
        [row[f"untouched_{name}"] for name in FIGURES] if untouched else [],
        row["checkpoint_id"],
        row["release"],
    )


def _notes(markdown: str) -> list[str]:
    """The sentences of a rendered table, without marks: pages escape everything."""
    lines = [line for line in markdown.splitlines() if line.strip() and not line.startswith(("|", "#"))]
    return [line.removeprefix("- ").replace("**", "").replace("`", "") for line in lines]


def evaluated(work: Workspace) -> list[tuple[str, str]]:
    """(model, benchmark) of every current evaluation, in the order of the tables."""
    rows = current_rows(work).select("model", "benchmark").unique(maintain_order=True)
    return [(model, benchmark) for model, benchmark in rows.iter_rows()]


def board(work: Workspace, model: str, benchmark: str) -> pl.DataFrame:
    """Recall by category, worst first: see `category_scores`. Raises SvtaError where nothing was evaluated."""
    if (model, benchmark) not in evaluated(work):
        raise SvtaError(f"{model} has not been evaluated on {benchmark}")
    return category_scores(ranks_of(work, model, benchmark))


@dataclass(frozen=True)
class Answer:
    """A pair in a ranked list. `clip_id` is None for a real video, which the application does not serve."""

    pair: str
    rank: str
    caption: str
    clip_id: str | None
    file: str


@dataclass(frozen=True)
class Miss:
    """A query, the rank of the right answer, and what was ranked above it, best first (`hidden`: more of them)."""

    query: Answer
    rank: float
    category: str
    above: list[Answer]
    hidden: int
    prompt: dict[str, Any]


def missed(
    work: Workspace, model: str, benchmark: str, direction: str, category: str | None, beyond: int
) -> pl.DataFrame:
    """Rows of `misses` ranked beyond a cutoff, worst first, with `best` where the evaluation kept the best answers."""
    rows = misses(work, model, benchmark, direction, category).filter(pl.col("rank") > beyond)
    best = ranks_of(work, model, benchmark).filter(direction=direction).select("query", "best")
    return rows.join(best, on="query", how="left", maintain_order="left")


def explained(work: Workspace, rows: pl.DataFrame, model: str, benchmark: str) -> list[Miss]:
    """Misses with what stands behind each answer."""
    if rows.is_empty():
        return []
    pairs = _pairs(work, model, benchmark)
    return [_miss(row, pairs) for row in rows.iter_rows(named=True)]


def _pairs(work: Workspace, model: str, benchmark: str) -> dict[str, Row]:
    """Pair -> caption, clip and file of the release searched; nothing for real videos."""
    if benchmark != SYNTHETIC:
        return {}
    release = Release(work.store, ranks_of(work, model, benchmark)["release"][0])
    return {row["pair_id"]: row for row in release.split("test").frame.iter_rows(named=True)}


def _miss(row: Row, pairs: dict[str, Row]) -> Miss:
    ahead = int(row["rank"] - 1)  # an averaged tie counts as what is surely ahead
    best = [pair for pair in row["best"] or [] if pair != row["query"]][: max(1, ahead)]
    above = [_answer(pair, str(place), row, pairs) for place, pair in enumerate(best, start=1)]
    if not above and row["best_wrong"]:
        above = [_answer(row["best_wrong"], "1", row, pairs)]
    query = _answer(row["query"], f"{row['rank']:g}", row, pairs)
    prompt: dict[str, Any] = json.loads(row["prompt"]) if row["prompt"] else {}
    return Miss(query, row["rank"], row["category"] or "", above, max(0, ahead - len(above)), prompt)


def _answer(pair: str, rank: str, row: Row, pairs: dict[str, Row]) -> Answer:
    known = pairs.get(pair)
    if known:
        return Answer(pair, rank, known["caption"], known["clip_id"], known["uri"])
    side = "" if pair == row["query"] else "wrong_" if pair == row["best_wrong"] else None
    if side is None:
        return Answer(pair, rank, "", None, "")
    return Answer(pair, rank, row[f"{side}caption"] or "", None, row[f"{side}file"] or "")
