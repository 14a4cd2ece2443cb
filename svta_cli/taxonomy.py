"""`svta taxonomy`: look at the final categories, approve a version."""

import json
from typing import Any

import click

CURRENT = "current"


@click.command()
@click.option(
    "--approve",
    is_flag=False,
    flag_value=CURRENT,
    metavar="[VERSION]",
    help="Approve the current version; with VERSION, only if that is the current one.",
)
@click.option("--by", default=None, help="Who approves (default: the user's name).")
def command(approve: str | None, by: str | None) -> None:
    """Show the final categories; with --approve, approve the version shown."""
    from svta_assets.gates import taxonomy_approval
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import who

    work = open_workspace()
    categories = work.catalog.read("categories")
    if categories.is_empty():
        if approve:
            raise click.ClickException("there is no taxonomy to approve yet: materialize clusters, or run `make demo`")
        click.echo("no taxonomy yet: materialize clusters, or run `make demo`")
        return
    version = categories["taxonomy"][0]
    _show(categories)
    if approve:
        _approve(work, version, approve, who(by))
    click.echo(taxonomy_approval(work).reason)


def _approve(work: Any, version: str, wanted: str, by: str) -> None:
    """Store the approval; the first one of a version stays."""
    from svta_assets.workspace import utc_now

    if wanted not in (CURRENT, version):
        raise click.ClickException(
            f"version {wanted} is not the current taxonomy, which is {version}: look at it, then approve that"
        )
    key = f"taxonomy/approved/{version}"
    work.store.put_new(key, json.dumps({"by": by, "at": utc_now()}).encode())
    facts = json.loads(work.store.get(key))
    click.echo(f"taxonomy {version} approved by {facts['by']} at {facts['at']}")


def _show(categories: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "number", "name", "pairs", "label names", box=None)
    for row in categories.sort("kind", "number").iter_rows(named=True):
        shown = ", ".join(row["names"][:5]) + (f" and {len(row['names']) - 5} more" if len(row["names"]) > 5 else "")
        table.add_row(row["kind"], str(row["number"]), row["name"], str(row["pairs"]), shown)
    Console(highlight=False).print(table)
