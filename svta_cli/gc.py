"""`svta gc`: what nothing refers to."""

import time
from collections import Counter
from typing import Any

import click


@click.command()
@click.option("--yes", is_flag=True, help="Delete what is shown.")
@click.option("--all", "everything", is_flag=True, help="List every object, not only sums.")
def command(yes: bool, everything: bool) -> None:
    """Show what nothing refers to; with --yes, delete it.

    That is: replaced takes outside every release that no rollback needs, unfinished files of killed runs and what they
    left on a cluster, superseded metadata, and damaged files older than a week. What a release names is never touched.
    """
    from svta_assets.workspace import open_workspace
    from svta_cli.garbage import find_waste, partial_files, sweep

    work = open_workspace()
    waste = find_waste(work, time.time())
    for entry in waste if everything else []:
        click.echo(f"{entry.reason}: {entry.item.key} ({entry.item.size / 1000:.0f} kB)")
    for reason, count in sorted(Counter(entry.reason for entry in waste).items()):
        size = sum(entry.item.size for entry in waste if entry.reason == reason)
        click.echo(f"{reason}: {count} objects, {size / 1e6:.1f} MB")
    partials = partial_files(work)
    if partials:
        click.echo(f"unfinished files: {partials}, of which those of killed runs go")
    if not yes:
        click.echo("delete them with --yes" if waste or partials else "nothing to delete")
        return
    work.store.delete(entry.item.key for entry in waste)
    swept = sweep(work)
    _project(work, {entry.item.key.split("/")[1] for entry in waste if entry.item.key.startswith("clips/")})
    click.echo(f"deleted {len(waste)} objects and {swept} unfinished files")


def _project(work: Any, categories: set[str]) -> None:
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips

    for category in sorted(categories):
        project_clips(work.catalog, category, load_thresholds(work.profile.name))
    if categories:
        work.refresh()
