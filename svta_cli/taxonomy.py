"""`svta taxonomy`: look at the final categories, approve a version."""

import getpass
import json

import click


@click.command()
@click.option("--approve", is_flag=True, help="Approve the current version.")
@click.option("--by", default=None, help="Who approves (default: the user's name).")
def command(approve: bool, by: str | None) -> None:
    """Show the final categories; with --approve, approve the current version."""
    from rich.console import Console
    from rich.table import Table

    from svta_assets.gates import taxonomy_approval
    from svta_assets.workspace import open_workspace, utc_now

    work = open_workspace()
    categories = work.catalog.read("categories")
    if categories.is_empty():
        click.echo("no taxonomy yet: materialize clusters, or run `make demo`")
        return
    version = categories["taxonomy"][0]
    if approve:
        facts = {"by": by or getpass.getuser(), "at": utc_now()}
        work.store.put_new(f"taxonomy/approved/{version}", json.dumps(facts).encode())
    table = Table("kind", "number", "name", "pairs", "label names", box=None)
    for row in categories.sort("kind", "number").iter_rows(named=True):
        shown = ", ".join(row["names"][:5]) + (f" and {len(row['names']) - 5} more" if len(row["names"]) > 5 else "")
        table.add_row(row["kind"], str(row["number"]), row["name"], str(row["pairs"]), shown)
    console = Console(highlight=False)
    console.print(table)
    console.print(taxonomy_approval(work).reason)
