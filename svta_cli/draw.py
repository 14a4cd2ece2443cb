"""`svta figures`: the paper's figures and ours, as files."""

from functools import partial
from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the SVG files; default: reports/figures of the home.",
)
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option(
    "--taxonomies", nargs=2, metavar="OLD NEW", help="Versions to compare; default: the current one and its parent."
)
def command(out: Path | None, release: str, taxonomies: tuple[str, str] | None) -> None:
    """Draw the figures of this home from its tables: categories, captions, sources, training, recall, examples.

    A figure whose data are not there yet is named with what makes them.
    """
    from svta_assets.figures.drawn import Drawing, drawings, taxonomy_change
    from svta_assets.figures.files import FOLDER, write_figure
    from svta_assets.figures.page import NothingToDraw
    from svta_assets.workspace import open_workspace

    work = open_workspace()
    folder = out or work.home.path / FOLDER
    found = {one.name: one for one in drawings(work, release)}
    if taxonomies:
        name = "taxonomy_diff"
        found[name] = Drawing(name, "what changed", partial(taxonomy_change, work, *taxonomies))
    for one in found.values():
        try:
            click.echo(write_figure(one, folder))
        except NothingToDraw as why:
            click.echo(f"{one.name}: not drawn, {why}", err=True)
