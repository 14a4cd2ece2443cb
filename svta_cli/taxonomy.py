"""`svta taxonomy`: look at the final categories, edit them in a file, compare and approve versions."""

from pathlib import Path
from typing import Any

import click

CURRENT = "current"


@click.group(invoke_without_command=True)
@click.option(
    "--approve",
    "wanted",
    is_flag=False,
    flag_value=CURRENT,
    metavar="[VERSION]",
    help="Approve the current version; with VERSION, only if that is the current one.",
)
@click.option("--by", default=None, help="Who approves (default: the user's name).")
@click.pass_context
def command(ctx: click.Context, wanted: str | None, by: str | None) -> None:
    """Show the final categories; export them to a file, apply it, compare and approve versions."""
    if ctx.invoked_subcommand is None:
        _show_and_approve(wanted, by)
    elif wanted or by:
        raise click.UsageError("--approve and --by stand alone here: `svta taxonomy approve --by NAME`")


@command.command("show")
def show() -> None:
    """The final categories of the current version, and whether it is approved."""
    _show_and_approve(None, None)


@command.command("approve")
@click.argument("version", default=CURRENT)
@click.option("--by", default=None, help="Who approves (default: the user's name).")
def approve_version(version: str, by: str | None) -> None:
    """Approve the current version; with VERSION, only if that is the current one."""
    _show_and_approve(version, by)


@command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("taxonomy.yaml"))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def export(file: Path, force: bool) -> None:
    """Write the current version to FILE (taxonomy.yaml), for a person to add operations to."""
    from svta_assets.clusters.review import export_yaml
    from svta_assets.workspace import open_workspace

    text = export_yaml(open_workspace(), str(file))
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already, maybe with your edits: --force writes over it") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}") from error
    click.echo(f"{file} written: add operations, then `svta taxonomy apply {file} --by YOUR-NAME`")


@command.command("apply")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--by", required=True, help="Who reviewed it.")
def apply(file: Path, by: str) -> None:
    """Apply the operations of FILE: makes a new version, which waits for approval."""
    from svta_assets.clusters.review import apply_file
    from svta_assets.gates import taxonomy_approval
    from svta_assets.workspace import open_workspace
    from svta_cli.progress import live_line
    from svta_cli.runs import open_runner

    work = open_workspace()
    version, difference = apply_file(work, file, by)
    with live_line("clusters") as say, open_runner(say=say) as runner:  # the new version's assignments, seen by Dagster
        runner.run("organize", assets=["clusters"])
    work.refresh()
    click.echo(difference.markdown())
    click.echo(f"\ntaxonomy {version} by {by}; {taxonomy_approval(work).reason}")


@command.command("diff")
@click.argument("before")
@click.argument("after", default=CURRENT)
def diff(before: str, after: str) -> None:
    """What differs from version BEFORE to version AFTER (default: the current one)."""
    from svta_assets.clusters.diff import compare
    from svta_assets.clusters.versions import current, read_version
    from svta_assets.workspace import open_workspace

    work = open_workspace()
    now = current(work)
    names = [now["taxonomy"][0] if one == CURRENT and now.height else one for one in (before, after)]
    old, new = (read_version(work, name) for name in names)
    click.echo(f"taxonomy {names[0]} to {names[1]}\n\n{compare(old, new).markdown()}")


@command.command("log")
def log() -> None:
    """Every version in the order it became the current one, how it came about and who approved it."""
    from svta_assets.clusters.versions import is_approved
    from svta_assets.workspace import open_workspace

    work = open_workspace()
    rows = work.catalog.read("taxonomies").sort("at")
    for row in rows.iter_rows(named=True):
        approved = "approved" if is_approved(work, row["taxonomy"]) else "not approved"
        size = f"{row['normal']} normal and {row['anomaly']} anomaly categories of {row['names']} names"
        click.echo(f"{row['at'][:19]}  {row['taxonomy']}  {row['origin']} by {row['by']}  {size}  {approved}")
    if rows.is_empty():
        click.echo("no taxonomy yet: materialize clusters, or run `make demo`")


def _show_and_approve(wanted: str | None, by: str | None) -> None:
    from svta_assets.gates import taxonomy_approval
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import who

    work = open_workspace()
    categories = work.catalog.read("categories")
    if categories.is_empty():
        if wanted:
            raise click.ClickException("there is no taxonomy to approve yet: materialize clusters, or run `make demo`")
        click.echo("no taxonomy yet: materialize clusters, or run `make demo`")
        return
    _table(categories)
    if wanted:
        _approve(work, categories["taxonomy"][0], wanted, who(by))
    click.echo(taxonomy_approval(work).reason)


def _approve(work: Any, version: str, wanted: str, by: str) -> None:
    """Store the approval; the first one of a version stays."""
    from svta_assets.clusters.versions import approve

    if wanted not in (CURRENT, version):
        raise click.ClickException(
            f"version {wanted} is not the current taxonomy, which is {version}: look at it, then approve that"
        )
    facts = approve(work, version, by)
    click.echo(f"taxonomy {version} approved by {facts['by']} at {facts['at']}")


def _table(categories: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "number", "name", "group", "pairs", "label names", box=None)
    for row in categories.sort("kind", "number").iter_rows(named=True):
        shown = ", ".join(row["names"][:5]) + (f" and {len(row['names']) - 5} more" if len(row["names"]) > 5 else "")
        table.add_row(row["kind"], str(row["number"]), row["name"], row["group"], str(row["pairs"]), shown)
    Console(highlight=False).print(table)
