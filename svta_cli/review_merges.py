"""`svta review merges`: what people said of final categories that may be one, and the merges they agree on."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from svta_assets.workspace import Workspace


@click.command("merges")
@click.option("--apply", "apply_them", is_flag=True, help="Make a taxonomy version of the agreed merges.")
@click.option("--by", default=None, help="Who applies them (default: the user's name).")
def command(apply_them: bool, by: str | None) -> None:
    """List verdicts on category merges, which `svta app` collects, and apply those that are agreed on."""
    from svta_assets.clusters import merges
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import who

    if by and not apply_them:
        raise click.UsageError("--by says who applies merges: add --apply")
    work = open_workspace()
    for (first, second), rows in sorted(merges.standing(work).items()):
        said = ", ".join(f"{who_said} {row['verdict']}" for who_said, row in rows.items())
        click.echo(f"{first}  {second}\n    {said}")
    wanted = merges.operations(work)
    for one in wanted:
        name = f", as {one['into']}" if "into" in one else ""
        click.echo(f"agreed: {' and '.join(one['merge'])}{name}")
    if not wanted:
        click.echo("no merge is agreed on that is not applied yet: judge pairs with `svta app --reviewer NAME`")
    elif not apply_them:
        click.echo("next: svta review merges --apply --by YOUR-NAME")
    else:
        _apply(work, who(by))


def _apply(work: "Workspace", by: str) -> None:
    from svta_assets.clusters.merges import apply_merges
    from svta_assets.gates import taxonomy_approval

    version, difference = apply_merges(work, by)
    work.refresh()
    click.echo(f"{difference.markdown()}\n\ntaxonomy {version} by {by}; {taxonomy_approval(work).reason}")
    click.echo("Dagster shows it when clusters is materialized next")
