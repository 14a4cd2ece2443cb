"""`svta verify`: every clip against its recipe card, every row its object, every object its row."""

import click


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check clips, releases, checkpoints, answers and metadata; exit code 0 when clean, else 1.

    What is damaged and can be made again is set aside in damaged/ of the home. Reads every byte; memory stays small.
    """
    from svta_assets.workspace import open_workspace
    from svta_cli.integrity import check_home
    from svta_cli.progress import live_line

    work = open_workspace()
    with live_line("verify") as say:
        found = check_home(work, say)
    for remark in found.remarks:
        click.echo(f"note: {remark}")
    for problem in found.problems:
        click.echo(f"{problem.kind}: {problem.what}")
    looked = f"{found.clips} clips, {found.releases} releases, {found.checkpoints} checkpoints"
    looked += f", {found.answers} answers" if found.answers else ""
    if not found.problems:
        click.echo(f"clean: {looked}; each is what was recorded")
        return
    click.echo(f"{len(found.problems)} problems; whole: {looked}")
    for category in found.categories:
        click.echo(f"next: svta regen {category} --mode missing   # makes the same clips again under the same names")
    if any(problem.kind == "without a recipe card" for problem in found.problems):
        click.echo("next: run the mode that was killed again, which adds the cards; `svta gc` removes what stays")
    if not found.categories and any(problem.kind == "release" for problem in found.problems):
        click.echo("next: put the lost objects back from a copy, or work with a newer release: `svta release`")
    ctx.exit(1)
