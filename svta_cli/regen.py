"""`svta regen`: regenerate categories, and decide about their takes."""

from typing import TYPE_CHECKING, Any

import click

from svta_cli.plan import MODES

if TYPE_CHECKING:
    from svta_cli.runs import Runner

DECISIONS = ("promote", "discard", "rollback")


@click.command()
@click.argument("categories", nargs=-1, required=True)
@click.option("--mode", type=click.Choice(MODES), default="new_take", show_default=True)
@click.option("--only", multiple=True, metavar="PAIR_ID", help="Restrict to these pairs.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be made, and stop.")
@click.option("--confirm", is_flag=True, help="Run although it takes longer than the profile allows.")
@click.option(
    "--pilot", type=click.IntRange(min=1), metavar="N", help="Make N clips of each category, then project the rest."
)
@click.option("--promote", is_flag=True, help="Make accepted candidates current.")
@click.option("--discard", is_flag=True, help="Set candidates aside.")
@click.option("--rollback", is_flag=True, help="Undo the newest promotion.")
@click.option("--by", default=None, help="Who decides (default: the user's name).")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(
    categories: tuple[str, ...],
    mode: str,
    only: tuple[str, ...],
    plan_only: bool,
    confirm: bool,
    pilot: int | None,
    by: str | None,
    verbose: bool,
    **decisions: bool,
) -> None:
    """Regenerate CATEGORIES in one run; or promote, discard or roll back their new takes."""
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys, who
    from svta_cli.pilot import chosen_pairs, run_pilot
    from svta_cli.plan import show

    asked = [name for name in DECISIONS if decisions[name]]
    _refuse_contradictions(asked, plan_only, bool(only), pilot is not None)
    keys = category_keys(categories)
    work = open_workspace()
    if plan_only:
        show(work, keys, mode, chosen_pairs(work, keys, mode, list(only), pilot) if pilot else list(only) or None)
        return
    _require_descriptions(work, keys)
    if pilot:
        run_pilot(work, keys, mode, list(only), pilot, confirm, lambda config: _make_some(work, keys, config, verbose))
        return
    before = latest_release(work)
    if asked:
        for key in keys:
            _decide(work, key, asked[0], who(by), list(only) or None)
        failure = _settle(work, keys, None, verbose)
    else:
        config = {"categories": keys, "mode": mode, "only": list(only), "confirm": confirm}
        failure = _settle(work, keys, config, verbose)
    _print(work, keys, before)
    if failure:
        raise failure


def _refuse_contradictions(asked: list[str], plan_only: bool, only: bool, pilot: bool) -> None:
    if len(asked) + plan_only > 1:
        raise click.UsageError("choose one of --plan, --promote, --discard and --rollback")
    if pilot and asked:
        raise click.UsageError(f"--pilot makes clips; it goes without --{asked[0]}")
    if only and "rollback" in asked:
        raise click.UsageError("--rollback undoes a whole promotion; it takes no --only")


def _require_descriptions(work: Any, keys: list[str]) -> None:
    described = set(work.catalog.partitions("descriptions"))
    if missing := [key for key in keys if key not in described]:
        raise click.ClickException(
            f"{', '.join(missing)}: no descriptions yet; materialize raw_texts, then the job generate of "
            f"{missing[0]} (`svta ui`), or run `make demo`"
        )


def latest_release(work: Any) -> str | None:
    """Hash of the latest release, if there is one."""
    from svta_models.release import release_log

    log = release_log(work.store)
    return log[-1].hash if log else None


def _settle(work: Any, keys: list[str], regenerate: dict[str, Any] | None, verbose: bool) -> Exception | None:
    """Make the clips if asked to, and bring the rest up to date; returns the failure of the clips' run, if any.

    A run that fails in its third category has changed two: these are settled all the same.
    """
    from svta_cli.progress import live_line
    from svta_cli.runs import RunFailed, open_runner

    failure: Exception | None = None
    with live_line(", ".join(keys)) as say, open_runner(say=say, verbose=verbose) as runner:
        if regenerate:
            try:
                runner.run("regenerate", config=_run_config(regenerate))
            except RunFailed as error:
                failure = error
        settle(work, runner, keys)
    return failure


def _make_some(work: Any, keys: list[str], regenerate: dict[str, Any], verbose: bool) -> Exception | None:
    """Make the clips of a pilot and settle nothing; returns the failure of the run, if any."""
    from svta_cli.progress import live_line
    from svta_cli.runs import RunFailed, open_runner

    failure: Exception | None = None
    with live_line(f"pilot of {', '.join(keys)}") as say, open_runner(say=say, verbose=verbose) as runner:
        try:
            runner.run("regenerate", config=_run_config(regenerate))
        except RunFailed as error:
            failure = error
    work.refresh()
    return failure


def _run_config(regenerate: dict[str, Any]) -> dict[str, Any]:
    return {"ops": {"regenerate_categories": {"config": regenerate}}}


def settle(work: Any, runner: "Runner", keys: list[str]) -> None:
    """Bring labels, categories, splits and the release into step with the clips.

    What to do is read from the tables, not from what this command did: a killed one is made good by the next.
    """
    for key in keys:
        if labels_are_behind(work, key):
            runner.run("generate", key, assets=["labels"])
    if release_is_behind(work):
        runner.run("organize")
    work.refresh()


def labels_are_behind(work: Any, key: str) -> bool:
    """Whether the category's labels name other clips than the ones that stand now."""
    labels = work.catalog.read("labels", key)
    current = work.catalog.read("clips", key).filter("current")
    named = dict(labels.select("pair_id", "clip_id").drop_nulls().iter_rows())
    return bool(named != dict(current.select("pair_id", "clip_id").iter_rows()))


def release_is_behind(work: Any) -> bool:
    """Whether there is a release that lacks or names other clips than the ones that stand now."""
    import polars as pl

    from svta_assets.splits.release import releasable_pairs
    from svta_models.release import read_rows

    latest = latest_release(work)
    if latest is None:
        return False  # the first release is nobody's surprise: `organize` writes it when asked to
    names = ["pair_id", "clip_id", "sha256"]
    left_out = work.catalog.read("rejects", "splits")["key"].to_list()  # in no release, whatever their clips
    wanted = releasable_pairs(work).filter(~pl.col("pair_id").is_in(left_out)).select(names)
    return not read_rows(work.store, latest).select(names).equals(wanted)


def _decide(work: Any, key: str, decision: str, by: str, only: list[str] | None) -> None:
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips
    from svta_assets.videos.takes import discard, promote, rollback

    if decision == "rollback":
        count = rollback(work.catalog, key, by)
    else:
        count = {"promote": promote, "discard": discard}[decision](work.catalog, key, by, only)
    project_clips(work.catalog, key, load_thresholds(work.profile.name))
    done = {"promote": "candidates promoted", "discard": "candidates discarded", "rollback": "pairs rolled back"}
    click.echo(f"{key}: {count} {done[decision]} by {by}")


def _print(work: Any, keys: list[str], before: str | None) -> None:
    from svta_assets.videos.takes import candidates

    for key in keys:
        clips = work.catalog.read("clips", key)
        waiting = candidates(clips, work.catalog.read("promotions", key)).height
        current = clips.filter("current")
        takes = dict(current["take"].value_counts().sort("take").iter_rows())
        said = ", ".join(f"{count} of take {take}" for take, count in takes.items()) or "none accepted"
        click.echo(f"{key}: {current.height} current clips ({said}), {waiting} candidates waiting")
        if waiting:
            click.echo(f"  decide with `svta regen {key} --promote` or `--discard`")
    after = latest_release(work)
    if after is None:
        click.echo("release: none yet; the job organize (clusters, splits) writes the first one")
    else:
        click.echo(f"release: {after}" + (f" (before: {before})" if before != after else " (unchanged)"))
