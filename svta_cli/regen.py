"""`svta regen`: regenerate categories, and decide about their takes."""

import getpass
from typing import Any

import click

from svta_cli.plan import MODES


@click.command()
@click.argument("categories", nargs=-1, required=True)
@click.option("--mode", type=click.Choice(MODES), default="new_take", show_default=True)
@click.option("--only", multiple=True, metavar="PAIR_ID", help="Restrict to these pairs.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be made, and stop.")
@click.option("--confirm", is_flag=True, help="Run although it takes longer than the profile allows.")
@click.option("--promote", "decision", flag_value="promote", help="Make accepted candidates current.")
@click.option("--discard", "decision", flag_value="discard", help="Set candidates aside.")
@click.option("--rollback", "decision", flag_value="rollback", help="Undo the newest promotion.")
@click.option("--by", default=None, help="Who decides (default: the user's name).")
def command(
    categories: tuple[str, ...],
    mode: str,
    only: tuple[str, ...],
    plan_only: bool,
    confirm: bool,
    decision: str | None,
    by: str | None,
) -> None:
    """Regenerate CATEGORIES in one run; or promote, discard or roll back their new takes."""
    from svta_assets.categories import category
    from svta_assets.workspace import open_workspace
    from svta_cli.plan import show

    keys = [category(key).key for key in categories]
    work = open_workspace()
    if plan_only:
        show(work, keys, mode, list(only) or None)
        return
    from svta_cli.runs import open_runner

    with open_runner() as runner:
        before = latest_release(work)
        if decision:
            _decide(work, keys, decision, by or getpass.getuser(), list(only) or None)
        else:
            config = {"categories": keys, "mode": mode, "only": list(only), "confirm": confirm}
            runner.run("regenerate", config={"ops": {"regenerate_categories": {"config": config}}})
        settle(work, runner, keys)
    _print(work, keys, before)


def latest_release(work: Any) -> str | None:
    """Hash of the latest release, if there is one."""
    from svta_models.release import release_log

    log = release_log(work.store)
    return log[-1].hash if log else None


def settle(work: Any, runner: Any, keys: list[str]) -> None:
    """Bring labels, categories, splits and the release up to date after clips changed."""
    labelled = set(work.catalog.partitions("labels"))
    for key in keys:
        if key in labelled:
            runner.run("generate", key, assets=["labels"])
    if latest_release(work):
        runner.run("organize")
    work.refresh()


def _decide(work: Any, keys: list[str], decision: str, by: str, only: list[str] | None) -> None:
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips
    from svta_assets.videos.takes import discard, promote, rollback

    for key in keys:
        if decision == "rollback":
            count = rollback(work.catalog, key, by)
        else:
            count = {"promote": promote, "discard": discard}[decision](work.catalog, key, by, only)
        project_clips(work.catalog, key, load_thresholds(work.profile.name))
        click.echo(f"{key}: {decision} of {count} clips by {by}")


def _print(work: Any, keys: list[str], before: str | None) -> None:
    from svta_assets.videos.takes import candidates

    for key in keys:
        clips = work.catalog.read("clips", key)
        waiting = candidates(clips, work.catalog.read("promotions", key)).height
        current = clips.filter("current")
        takes = dict(current["take"].value_counts(sort=True).iter_rows())
        said = ", ".join(f"{count} of take {take}" for take, count in takes.items())
        click.echo(f"{key}: {current.height} current clips ({said}), {waiting} candidates waiting")
        if waiting:
            click.echo(f"  decide with `svta regen {key} --promote` or `--discard`")
    after = latest_release(work)
    click.echo(f"release {after or 'none yet'}" + (f" (before: {before})" if before != after else " (unchanged)"))
