"""Deciding about takes: look at candidates beside what stands, promote, discard, roll back."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_assets.regeneration.selection import Chosen
    from svta_cli.asked import Asked

DECISIONS = ("promote", "discard", "rollback")
_DONE = {"promote": "candidates promoted", "discard": "candidates discarded", "rollback": "pairs rolled back"}


def decide(work: Any, asked: "Asked", chosen: "Chosen", decision: str, by: str) -> None:
    """Record a decision about the candidates of the chosen pairs and bring `clips` into step."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips
    from svta_assets.videos.takes import discard, promote, rollback

    if decision == "rollback" and not asked.only_generation:
        raise click.UsageError(
            "--rollback undoes the newest promotion of a generation category, whatever its pairs: name "
            f"{' '.join(chosen.categories)}"
        )
    for key in chosen.categories:
        if decision == "rollback":
            count = rollback(work.catalog, key, by)
        else:
            count = {"promote": promote, "discard": discard}[decision](work.catalog, key, by, chosen.pairs[key])
        project_clips(work.catalog, key, load_thresholds(work.profile.name))
        click.echo(f"{key}: {count} {_DONE[decision]} by {by}")


def show_candidates(work: Any, keys: list[str]) -> None:
    """Print yield and score changes of the candidates of each category, and write their page."""
    from svta_assets.regeneration.compare import comparison_lines, waiting, write_page

    for key in keys:
        found = waiting(work, key)
        if not found.new.height:
            click.echo(f"{key}: no candidate waits; `svta regen {key}` makes new takes")
            continue
        click.echo(f"{key}: {found.new.height} new takes beside what stands")
        for line in comparison_lines(found):
            click.echo(f"  {line}")
        click.echo(f"  pictures: {write_page(work, found)}")
        click.echo(f"  decide with `svta regen {key} --promote` or `--discard`")
