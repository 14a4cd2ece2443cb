"""`svta release`: list, show, name, cut and compare releases."""

from typing import Any

import click


@click.group(invoke_without_command=True)
@click.option("--resplit", is_flag=True, help="Draw every pair's split anew and write the release that follows.")
@click.option("--seed", type=int, help="Seed of the new draw; by default that of the first one.")
@click.option("--strategy", type=click.Choice(["paper", "grouped"]), help="Of the new draw; default: as before.")
@click.option("--yes", is_flag=True, help="Do not ask before drawing anew.")
@click.pass_context
def command(ctx: click.Context, resplit: bool, seed: int | None, strategy: str | None, yes: bool) -> None:
    """List, show, name, cut and compare releases. `splits` writes them; a release never changes."""
    if resplit and ctx.invoked_subcommand:
        raise click.UsageError("--resplit stands alone: `svta release --resplit`, then `svta release cut NAME`")
    if resplit:
        _resplit(seed, strategy, yes)
    elif seed is not None or strategy is not None:
        raise click.UsageError("--seed and --strategy are those of a new draw: give --resplit too")
    elif ctx.invoked_subcommand is None:
        ctx.invoke(list_releases)


def _resplit(seed: int | None, strategy: str | None, yes: bool) -> None:
    from svta_assets.workspace import open_workspace
    from svta_cli.progress import live_line
    from svta_cli.runs import open_runner

    work = open_workspace()
    before = work.catalog.read("splits").select("pair_id", "split")
    if before.is_empty():
        raise click.ClickException("nothing is split yet: materialize splits, or run `make demo`")
    if not yes:
        said = f"Draw the splits of {before.height} pairs anew? Models must be trained again, and results on the new "
        if not click.confirm(said + "test split cannot be compared with earlier ones"):
            click.echo("nothing changed")
            return
    given = {"seed": seed, "strategy": strategy}
    config = {"draw_anew": True, **{name: value for name, value in given.items() if value is not None}}
    with live_line("splits") as say, open_runner(say=say) as runner:
        runner.run("organize", assets=["splits"], config={"ops": {"splits": {"config": config}}})
    work.refresh()
    after = work.catalog.read("splits").join(before, on="pair_id", suffix="_before")
    moved = after.filter(after["split"] != after["split_before"]).height
    click.echo(f"{moved} of {before.height} pairs changed their split; release {_latest(work)}")


def _latest(work: Any) -> str:
    from svta_models.release import resolve

    return str(resolve(work.store, "latest"))


@command.command("list")
def list_releases() -> None:
    """Every release in the order it became the latest."""
    from datetime import UTC, datetime

    from svta_assets.workspace import open_workspace
    from svta_models.release import release_log, release_names

    work = open_workspace()
    names: dict[str, list[str]] = {}
    for name, digest in release_names(work.store).items():
        names.setdefault(digest, []).append(name)
    pairs = dict(work.catalog.read("releases").select("release", "pairs").iter_rows())
    log = release_log(work.store)
    for entry in log:
        when = datetime.fromtimestamp(entry.time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        count = f"{pairs.get(entry.hash, '?')} pairs"
        called = [*names.get(entry.hash, []), *(["latest"] if entry is log[-1] else [])]
        click.echo(f"{when}  {entry.hash}  {count}  {' '.join(called)}".rstrip())
    if not log:
        click.echo("no release yet: materialize splits, or run `make demo`")


@command.command("show")
@click.argument("ref", default="latest")
def show_release(ref: str) -> None:
    """Pairs of a release by split and final category. REF: latest, a name or a hash."""
    from rich.console import Console
    from rich.table import Table

    from svta_assets.workspace import open_workspace
    from svta_models.release import Release, resolve

    store = open_workspace().store
    release = Release(store, resolve(store, ref))
    counts = release.frame.pivot("split", index="final_category", values="pair_id", aggregate_function="len")
    names = [name for name in ("train", "val", "test") if name in counts.columns]
    totals = ", ".join(f"{name} {int(counts[name].sum() or 0)}" for name in names)
    console = Console(highlight=False)
    console.print(f"release {release.hash}: {release.frame.height} pairs ({totals})")
    table = Table("final category", *names, box=None)
    for row in counts.fill_null(0).sort("final_category").iter_rows(named=True):
        table.add_row(row["final_category"], *(str(row[name]) for name in names))
    console.print(table)


@command.command("name")
@click.argument("ref")
@click.argument("name")
def give_name(ref: str, name: str) -> None:
    """Give the release REF (latest, a name or a hash) another NAME, like v1, for ever."""
    _name(name, ref)


@command.command("cut")
@click.argument("name")
@click.option(
    "--exclude-benchmarks",
    is_flag=True,
    help="Leave out pairs whose caption or source video is in the test set of UCFCrime-AR or OOPS!.",
)
def cut_release(name: str, exclude_benchmarks: bool) -> None:
    """Bring clusters and splits up to date, and give the release they end in a NAME, for ever."""
    from svta_assets.workspace import open_workspace
    from svta_cli.progress import live_line
    from svta_cli.runs import open_runner
    from svta_models.release import release_names

    work = open_workspace()
    if name in release_names(work.store):  # before the runs: they would be in vain
        raise click.ClickException(f"the name {name!r} is taken: names never move; `svta release` lists them")
    with live_line("organize") as say, open_runner(say=say) as runner:
        config = {"ops": {"splits": {"config": {"exclude_benchmarks": True}}}} if exclude_benchmarks else None
        runner.run("organize", config=config)
    work.refresh()
    _name(name, "latest")
    if exclude_benchmarks:
        rejects = work.catalog.read("rejects", "splits")
        left_out = rejects.filter(rejects["detail"].str.contains("in the test set of")).height
        click.echo(f"{left_out} pairs left out because they are in a benchmark's test set; rows in rejects")


@command.command("diff")
@click.argument("before")
@click.argument("after", default="latest")
def diff_releases(before: str, after: str) -> None:
    """Pairs added, removed, regenerated and moved from BEFORE to AFTER, and the evaluation figures that changed."""
    from svta_assets.splits.compare import changed_figures, compare_releases, difference_markdown
    from svta_assets.workspace import open_workspace
    from svta_models.release import Release, resolve

    work = open_workspace()
    old, new = (Release(work.store, resolve(work.store, ref)) for ref in (before, after))
    figures = changed_figures(work.catalog.read("evaluations"), old.hash, new.hash)
    click.echo(f"release {old.hash} ({before}) to {new.hash} ({after})\n")
    click.echo(difference_markdown(compare_releases(old.frame, new.frame), figures))


@command.command("leakage")
@click.argument("ref", default="latest")
def show_leakage(ref: str) -> None:
    """What the splits of a release share: source videos, equal and near captions, pixels. REF: latest, name or hash."""
    from svta_assets.gates import leakage
    from svta_assets.splits.leakage import find_leaks, leakage_markdown
    from svta_assets.splits.release import source_videos
    from svta_assets.workspace import open_workspace
    from svta_models.release import Release, resolve

    work = open_workspace()
    release = Release(work.store, resolve(work.store, ref))
    click.echo(f"release {release.hash}\n")
    click.echo(leakage_markdown(find_leaks(release.frame, dict(source_videos(work).iter_rows()))))
    verdict = leakage(work, release)
    click.echo(f"\ngate leakage: {verdict.level}: {verdict.reason}")


def _name(name: str, ref: str) -> None:
    from svta_assets.workspace import open_workspace
    from svta_models.release import name_release

    click.echo(f"{name} is release {name_release(open_workspace().store, name, ref)}")
