"""`svta import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_assets.exports.importing import Checked
    from svta_assets.exports.records import Record

SHOWN = 5  # rejects that are printed


@click.command()
@click.argument("layout", type=click.Choice(["svta", "folder"]))
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", required=True, help="Of the dataset: its release, and imported:NAME as its generator.")
@click.option(
    "--table", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With folder: its CSV, JSON or JSONL."
)
@click.option(
    "--column", "columns", multiple=True, metavar="WHAT=COLUMN", help="With folder: caption=text, split=subset, ..."
)
@click.option("--normal", multiple=True, metavar="CATEGORY", help="A category that is normal, where no row says so.")
@click.option("--map", "mapped", multiple=True, metavar="CATEGORY=KEY", help="Generation category of a category.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="CSV of the rows left out.")
@click.option("--check", "check_only", is_flag=True, help="Check every row, write the CSV of rejects, and stop.")
def command(
    layout: str,
    path: Path,
    name: str,
    table: Path | None,
    columns: tuple[str, ...],
    normal: tuple[str, ...],
    mapped: tuple[str, ...],
    rejects: Path | None,
    check_only: bool,
) -> None:
    """Take the dataset in PATH in as a release, with its split: LAYOUT svta (an export) or folder (mp4 and a table).

    Every row is checked before anything is written. The home must be the dataset's own: set SVTA_HOME.
    """
    from svta_assets.exports.importing import Choices, check_dataset, import_dataset
    from svta_assets.workspace import open_workspace, prepare_workspace
    from svta_cli.progress import live_line

    if layout == "svta" and (table or columns):
        raise click.UsageError("--table and --column are of the layout folder: an export says itself what is what")
    choices = Choices(normal, _pairs_of("--map", mapped))
    work = open_workspace()
    file = rejects or work.home.path / "reports" / f"import-{name}-rejects.csv"
    with live_line(f"import {name}") as say:
        records = _read(layout, path, table, _pairs_of("--column", columns))
        checked = check_dataset(work, name, records, file, choices, say)
    _show(checked, len(records), file)
    if check_only:
        click.echo("checked only: nothing is imported")
        return
    work = prepare_workspace()
    with live_line(f"import {name}") as say:
        done = import_dataset(work, checked, say)
    work.refresh()
    click.echo(
        f"{done.made} clips copied, {len(checked.pairs) - done.made} were there; release {done.release}", nl=False
    )
    click.echo(f", named {name}" if done.named else f"; the name {name} stays with the release of the first import")
    click.echo(f"next: svta release show {done.release}; regenerate a category with svta regen KEY")


def _read(layout: str, path: Path, table: Path | None, columns: dict[str, str]) -> "list[Record]":
    from svta_assets.exports.records import read_folder
    from svta_assets.exports.svta_layouts import read_svta

    return read_svta(path) if layout == "svta" else read_folder(path, table, columns)


def _pairs_of(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    if wrong := [one for one, (name, _, value) in zip(given, pairs, strict=True) if not name or not value]:
        raise click.UsageError(f"{option} {wrong[0]!r}: write it as NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _show(checked: "Checked", rows: int, file: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    splits: dict[str, Any] = {}
    for pair in checked.pairs:
        splits[pair.split] = splits.get(pair.split, 0) + 1
    counts = ", ".join(f"{split} {splits[split]}" for split in ("train", "val", "test") if split in splits)
    click.echo(f"{len(checked.pairs)} of {rows} rows can be imported ({counts})")
    console = Console(highlight=False, markup=False)
    table = Table("kind", "category", "generation category", "why", "pairs", box=None)
    for place in checked.places:
        table.add_row(place.kind, place.category, place.key, place.why, str(place.pairs))
    console.print(table)
    if checked.rejects:
        said = ", ".join(f"{reason}: {count}" for reason, count in checked.reasons.items())
        click.echo(f"{len(checked.rejects)} rows are left out ({said}); {file} lists them")
        for one in checked.rejects[:SHOWN]:
            click.echo(f"  {one.place}: {one.reason}: {one.detail}")
