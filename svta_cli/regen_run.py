"""Running a regeneration from the command line: make the clips, then bring labels and the release into step."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_cli.runs import Runner


def make_and_settle(work: Any, keys: list[str], regenerate: dict[str, Any] | None, verbose: bool) -> Exception | None:
    """Make the clips if asked to, and bring the rest up to date; returns the failure of the clips' run, if any.

    A run that fails in its third category has changed two: these are settled all the same.
    """
    from svta_cli.progress import live_line
    from svta_cli.runs import RunFailed, open_runner

    failure: Exception | None = None
    with live_line(", ".join(keys)) as say, open_runner(say=say, verbose=verbose) as runner:
        if regenerate:
            try:
                runner.run("regenerate", config=run_config(regenerate))
            except RunFailed as error:
                failure = error
        settle(work, runner, keys)
    return failure


def make_some(work: Any, keys: list[str], regenerate: dict[str, Any], verbose: bool) -> Exception | None:
    """Make the clips of a pilot and settle nothing; returns the failure of the run, if any."""
    from svta_cli.progress import live_line
    from svta_cli.runs import RunFailed, open_runner

    failure: Exception | None = None
    with live_line(f"pilot of {', '.join(keys)}") as say, open_runner(say=say, verbose=verbose) as runner:
        try:
            runner.run("regenerate", config=run_config(regenerate))
        except RunFailed as error:
            failure = error
    work.refresh()
    return failure


def run_config(regenerate: dict[str, Any]) -> dict[str, Any]:
    """Run config of the job `regenerate` around its one op."""
    return {"ops": {"regenerate_categories": {"config": regenerate}}}


def settle(work: Any, runner: "Runner", keys: list[str]) -> None:
    """Bring labels, categories, splits and the release into step with the clips."""
    from svta_assets.regeneration.settle import behind, release_is_behind

    for key in behind(work, keys):
        runner.run("generate", key, assets=["labels"])
    if release_is_behind(work):
        runner.run("organize")
    work.refresh()


def print_standing(work: Any, keys: list[str], before: str | None) -> None:
    """Say what stands now in each category, and whether the release is another one."""
    from svta_assets.regeneration.settle import latest_release
    from svta_assets.videos.takes import candidates

    for key in keys:
        clips = work.catalog.read("clips", key)
        waiting = candidates(clips, work.catalog.read("promotions", key)).height
        current = clips.filter("current")
        takes = dict(current["take"].value_counts().sort("take").iter_rows())
        said = ", ".join(f"{count} of take {take}" for take, count in takes.items()) or "none accepted"
        click.echo(f"{key}: {current.height} current clips ({said}), {waiting} candidates waiting")
        if waiting:
            click.echo(f"  look with `svta regen {key} --compare`")
            click.echo(f"  decide with `svta regen {key} --promote` or `--discard`")
    after = latest_release(work)
    if after is None:
        click.echo("release: none yet; the job organize (clusters, splits) writes the first one")
    else:
        click.echo(f"release: {after}" + (f" (before: {before})" if before != after else " (unchanged)"))
