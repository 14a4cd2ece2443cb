"""`svta release`: list, show and name releases."""

import click


@click.group()
def command() -> None:
    """List, show and name releases. `splits` writes them; a release never changes."""


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
    log = release_log(work.store)
    for entry in log:
        when = datetime.fromtimestamp(entry.time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{when}  {entry.hash}  {' '.join(names.get(entry.hash, []))}".rstrip())
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
    console = Console(highlight=False)
    console.print(f"release {release.hash}: {release.frame.height} pairs")
    names = [name for name in ("train", "val", "test") if name in counts.columns]
    table = Table("final category", *names, box=None)
    for row in counts.fill_null(0).sort("final_category").iter_rows(named=True):
        table.add_row(row["final_category"], *(str(row[name]) for name in names))
    console.print(table)


@command.command("cut")
@click.argument("name")
@click.option("--release", "ref", default="latest", show_default=True, help="latest, another name, or a hash")
def cut_release(name: str, ref: str) -> None:
    """Give a release a NAME (like v1), for ever."""
    from svta_assets.workspace import open_workspace
    from svta_models.release import name_release

    click.echo(f"{name} is release {name_release(open_workspace().store, name, ref)}")
