"""Tables 2 to 4 of the paper beside ours, in `reports/`: Markdown, LaTeX and CSV, and recall by category."""

import polars as pl

from svta_assets.tables.current import control_rows, current_rows
from svta_assets.tables.files import latex, table_frame
from svta_assets.tables.markdown import markdown
from svta_assets.tables.paper import METHODS, PAPER_TABLES
from svta_assets.tables.per_category import write_categories
from svta_assets.workspace import Workspace

__all__ = ["METHODS", "PAPER_TABLES", "all_tables", "current_rows", "latex", "rendered_tables", "write_tables"]


def rendered_tables(work: Workspace) -> dict[str, str]:
    """Markdown of every table for whose benchmark something has been evaluated, by name (`table2`)."""
    controls = control_rows(work)
    return {
        table.name: markdown(work, table, ours, controls.filter(benchmark=table.benchmark))
        for table in PAPER_TABLES
        if (ours := _rows_of(work, table.benchmark)).height
    }


def all_tables(work: Workspace) -> str:
    """Every table one below the other, for a terminal."""
    return "\n".join(rendered_tables(work).values()) or "No model has been evaluated yet: materialize eval_tables.\n"


def write_tables(work: Workspace) -> dict[str, str]:
    """Render every table from all current rows into `reports/`; return the Markdown by name."""
    tables = rendered_tables(work)
    folder = work.home.path / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for table in PAPER_TABLES:
        if table.name in tables:
            rows = _rows_of(work, table.benchmark)
            (folder / f"{table.name}.md").write_text(tables[table.name])
            (folder / f"{table.name}.tex").write_text(latex(table, rows))
            table_frame(table, rows).write_csv(folder / f"{table.name}.csv")
    current_rows(work).write_csv(folder / "evaluations.csv")
    write_categories(work, folder)
    return tables


def _rows_of(work: Workspace, benchmark: str) -> pl.DataFrame:
    return current_rows(work).filter(benchmark=benchmark)
