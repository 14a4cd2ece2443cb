"""Recall by category, worst first: where a model fails. Every line leads to its misses."""

from pathlib import Path

import polars as pl

from svta_assets.tables.current import current_rows, ranks_of
from svta_assets.tables.paper import method_name
from svta_assets.workspace import Workspace
from svta_models.metrics import RECALL_AT

COLUMNS = tuple(f"{direction}_r{k}" for direction in ("t2v", "v2t") for k in RECALL_AT)


def category_scores(ranks: pl.DataFrame) -> pl.DataFrame:
    """Columns category, queries and R@1, R@5, R@10 (percent, ties averaged) of both directions; worst first.

    `ranks`: rows of `query_ranks` of one evaluation. Worst by text-to-video R@1, then R@5, R@10, more queries first.
    """
    found = [
        (100 * (pl.col("rank").filter(pl.col("direction") == direction) <= k).mean()).alias(f"{direction}_r{k}")
        for direction in ("t2v", "v2t")
        for k in RECALL_AT
    ]
    scores = ranks.drop_nulls("category").group_by("category").agg(pl.col("query").n_unique().alias("queries"), *found)
    order = ("t2v_r1", "t2v_r5", "t2v_r10", "queries", "category")
    descending = [name == "queries" for name in order]
    return scores.select("category", "queries", *COLUMNS).sort(order, descending=descending, nulls_last=True)


def category_markdown(model: str, benchmark: str, scores: pl.DataFrame) -> str:
    """The scores as a Markdown table, with the command that shows a line's misses."""
    lines = [
        f"### {method_name(model)} on {benchmark} by category, worst first",
        "",
        "| category | queries | " + " | ".join(f"{d} R@{k}" for d in ("T2V", "V2T") for k in RECALL_AT) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for row in scores.iter_rows(named=True):
        lines.append(f"| {row['category']} | {row['queries']} | " + " | ".join(_cell(row[c]) for c in COLUMNS) + " |")
    return "\n".join(
        [*lines, "", f"Misses: `svta evaluate {model} --misses --benchmark {benchmark} --category CATEGORY`.", ""]
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def write_categories(work: Workspace, folder: Path) -> None:
    """Write `categories_<benchmark>_<model>.md` for every current evaluation, and all of them as `categories.csv`."""
    parts = []
    for model, benchmark in current_rows(work).select("model", "benchmark").unique(maintain_order=True).iter_rows():
        scores = category_scores(ranks_of(work, model, benchmark))
        if scores.height:
            (folder / f"categories_{benchmark}_{model}.md").write_text(category_markdown(model, benchmark, scores))
            parts.append(scores.select(pl.lit(model).alias("model"), pl.lit(benchmark).alias("benchmark"), pl.all()))
    if parts:
        pl.concat(parts).write_csv(folder / "categories.csv")


def categories_of(work: Workspace, model: str) -> dict[str, str]:
    """Markdown by benchmark of one model's current evaluations, for the UI."""
    benchmarks = current_rows(work).filter(model=model)["benchmark"].unique(maintain_order=True)
    scores = {name: category_scores(ranks_of(work, model, name)) for name in benchmarks}
    return {name: category_markdown(model, name, rows) for name, rows in scores.items() if rows.height}
