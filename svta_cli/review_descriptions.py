"""`svta review descriptions`: look at descriptions and drop unreasonable ones before a clip is made of them."""

from pathlib import Path
from typing import Any

import click

from svta_models.errors import SvtaError

_NEXT_STEP = "materialize llm_descriptions of these categories to write others in place of dropped ones"


@click.command("descriptions")
@click.argument("categories", nargs=-1)
@click.option("--list", "list_queue", is_flag=True, help="List the queue: descriptions that nobody has judged.")
@click.option("--next", "first", type=click.IntRange(1), metavar="N", help="List the next N of the queue.")
@click.option("--keep", multiple=True, metavar="PAIR_ID", help="The description is fine.")
@click.option("--drop", multiple=True, metavar="PAIR_ID", help="The description is not; needs --reason.")
@click.option("--undo", multiple=True, metavar="PAIR_ID", help="Take back what was said last of the description.")
@click.option("--reason", default=None, help="Why descriptions are dropped.")
@click.option(
    "--file",
    "verdicts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Record the verdicts of a CSV or Parquet file: pair_id, verdict (keep, drop, undo) and reason.",
)
@click.option(
    "--export", type=click.Path(dir_okay=False, path_type=Path), help="Write the queue as CSV, to fill in for --file."
)
@click.option("--collected", is_flag=True, help="Collected texts too, not only written descriptions.")
@click.option("--report", is_flag=True, help="Show how varied the written descriptions are.")
@click.option("--by", default=None, help="Who looked (default: the user's name).")
def command(
    categories: tuple[str, ...],
    list_queue: bool,
    first: int | None,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    undo: tuple[str, ...],
    reason: str | None,
    verdicts: Path | None,
    export: Path | None,
    collected: bool,
    report: bool,
    by: str | None,
) -> None:
    """Review written descriptions before GPU time is spent on them (CATEGORIES: all).

    Nothing is spent on a dropped description from then on. It leaves the data set when llm_descriptions is materialized
    next, and another one is written in its place.
    """
    from svta_assets.texts.drops import review_queue, write_queue
    from svta_cli.choices import who

    if reason and not drop:
        raise click.UsageError("--reason says why descriptions are dropped: name them with --drop PAIR_ID")
    work, keys = _open(categories)
    said = {"keep": keep, "drop": drop, "undo": undo}
    if verdicts or any(said.values()):
        _record(work, said, reason, verdicts, who(by))
    if export:
        queue = review_queue(work, keys, collected)
        write_queue(queue, export)
        click.echo(f"{queue.height} descriptions written to {export}: fill in verdict and reason, then --file {export}")
    if list_queue or first:
        _list(work, keys, first, collected)
    if report:
        _report(work, keys)
    if not (verdicts or any(said.values()) or export or list_queue or first or report):
        _show_counts(work, keys)


def _record(work: Any, said: dict[str, tuple[str, ...]], reason: str | None, file: Path | None, by: str) -> None:
    from svta_assets.texts.drops import DROP, Verdict, read_verdicts, record

    verdicts = [
        Verdict(pair, verdict, reason if verdict == DROP else None)
        for verdict, pairs in said.items()
        for pair in dict.fromkeys(pairs)
    ]
    if file:
        found = read_verdicts(file)
        if not found:
            click.echo(f"{file} holds no verdict: its column verdict is empty")
        verdicts += found
    counts = record(work, verdicts, by)
    if not counts:
        return
    work.refresh()
    for category, count in counts.items():
        click.echo(f"{category}: {count} {'verdict' if count == 1 else 'verdicts'} recorded by {by}")
    if any(one.verdict != "keep" for one in verdicts):
        click.echo(_NEXT_STEP)


def _list(work: Any, keys: list[str], first: int | None, collected: bool) -> None:
    from svta_assets.texts.drops import review_queue

    queue = review_queue(work, keys, collected)
    for row in queue.head(first or queue.height).iter_rows(named=True):
        asked = [row[name] for name in ("age", "gender", "culture", "environment", "camera") if row[name]]
        click.echo(f"{row['pair_id']}  {row['category']}  {', '.join(asked) or row['origin']}\n    {row['caption']}")
    shown = min(first or queue.height, queue.height)
    click.echo(f"{shown} of {queue.height} descriptions that nobody has judged")


def _report(work: Any, keys: list[str]) -> None:
    import polars as pl

    from svta_assets.texts.diversity import report_markdown, write_report

    rows = work.catalog.read("diversity")
    if keys:
        rows = rows.filter(pl.col("category").is_in(keys))
    click.echo(report_markdown(rows.iter_rows(named=True)))
    click.echo(f"report on all categories: {write_report(work)}")


def _show_counts(work: Any, keys: list[str]) -> None:
    from rich.console import Console

    from svta_assets.texts.drops import review_counts
    from svta_cli.figures import count, table

    counts = review_counts(work, keys)
    if counts.is_empty():
        raise click.ClickException("no description is written yet: materialize llm_descriptions, or run `make demo`")
    names = ("written", "open", "kept", "dropped")
    rows = [{"category": row["category"], **{name: count(row[name]) for name in names}} for row in counts.to_dicts()]
    if len(rows) > 1:
        rows.append({"category": "all", **{name: count(int(counts[name].sum())) for name in names}})
    Console(highlight=False).print(table(rows, keep=names))
    click.echo("`--list` shows those that nobody has judged, `--export FILE` writes them to a file")


def _open(categories: tuple[str, ...]) -> tuple[Any, list[str]]:
    from svta_assets.workspace import open_workspace
    from svta_cli.choices import category_keys
    from svta_resources.profiles import HOME_FILE

    keys = category_keys(categories)
    work = open_workspace()
    if not (work.home.path / HOME_FILE).exists():
        raise SvtaError(f"no home yet at {work.home.path}: run `make demo`, or materialize raw_texts in the Dagster UI")
    return work, keys
