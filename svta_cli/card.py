"""`svta card`."""

from pathlib import Path

import click


@click.command()
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to fill.")
@click.option("--url", help="Page of the dataset, for Croissant; default: the benchmark's paper.")
def command(release: str, folder: Path, url: str | None) -> None:
    """Write the dataset card of a release, the paper's Table 1 with its row, its pairs and Croissant metadata.

    The folder may be that of an export.
    """
    from svta_assets.exports.card import make_card
    from svta_assets.exports.card_files import write_card
    from svta_assets.exports.croissant import PAPER_URL
    from svta_assets.workspace import open_workspace

    card = make_card(open_workspace(), release)
    for path in write_card(card, folder, url or PAPER_URL):
        click.echo(path)
    found = card.privacy
    if found.not_synthetic:
        click.echo(
            f"note: {found.not_synthetic} of {found.clips} clips are not known to be synthetic; the card says so"
        )
