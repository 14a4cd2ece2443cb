"""`svta review labels`: a sample of labels as a file, verdicts read back from it, and the report."""

import json
from pathlib import Path
from typing import Any

import click

from svta_models.errors import SvtaError


@click.command("labels")
@click.option("--sample", is_flag=True, help="Write the sample to a file, with empty verdicts to fill in.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The sample's file (.csv or .parquet).")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="Read verdicts back: all or none.")
@click.option("--undo", multiple=True, metavar="PAIR_ID", help="Take back the reviewer's last word on the pair.")
@click.option("--by", default=None, help="Who looked (default: the user's name).")
@click.option("--report", is_flag=True, help="Accuracy with its interval, worst categories, confusion, agreement.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
@click.option("--share", default=None, type=float, help="Share of the labels in the sample (default: gates.yaml's).")
@click.option("--seed", default=42, show_default=True, help="Draws another sample.")
def command(
    sample: bool,
    out: Path | None,
    force: bool,
    file: Path | None,
    undo: tuple[str, ...],
    by: str | None,
    report: bool,
    as_json: bool,
    share: float | None,
    seed: int,
) -> None:
    """Review a 10% sample of the labels, at least one of every generation category."""
    from svta_assets.gates import gate_settings
    from svta_cli.choices import who

    if (out or force) and not sample:
        raise click.UsageError("--out and --force belong to --sample")
    work = _open()
    share = gate_settings(work.profile.name)["labels"]["sample"] if share is None else share
    if file:
        _record_file(work, file, who(by))
    if undo:
        _undo(work, undo, who(by))
    if sample:
        _write_sample(work, out, force, share, seed)
    if as_json or report or not (file or undo or sample):
        _report(work, share, as_json)


def _open() -> Any:
    from svta_assets.workspace import open_workspace
    from svta_resources.profiles import HOME_FILE

    work = open_workspace()
    if not (work.home.path / HOME_FILE).exists():
        raise SvtaError(f"no home yet at {work.home.path}: run `make demo`, or materialize raw_texts in the Dagster UI")
    return work


def _write_sample(work: Any, out: Path | None, force: bool, share: float, seed: int) -> None:
    from svta_assets.labels.review_files import write_sample

    path = out or work.home.path / "reports" / "review" / f"labels-{seed}.csv"
    if path.exists() and not force:
        raise click.ClickException(f"{path} is there already, maybe with verdicts: --force writes over it")
    rows = write_sample(work, path, share, seed)
    click.echo(f"{path}: {rows} labels, seed {seed}")
    click.echo("fill in verdict: right, wrong or unsure; for wrong ones correct_name, correct_is_anomaly; and reason")
    click.echo(f"then: svta review labels --file {path} --by YOUR-NAME")


def _record_file(work: Any, file: Path, by: str) -> None:
    from svta_assets.labels.review_files import read_verdicts
    from svta_assets.labels.reviews import is_correction, record

    rows = read_verdicts(work, file)
    recorded = record(work, rows, by)
    work.refresh()
    click.echo(f"{recorded} {'verdict' if recorded == 1 else 'verdicts'} recorded by {by}")
    if corrected := sorted({row["category"] for row in rows if is_correction(row)}):
        count = sum(map(is_correction, rows))
        click.echo(f"{count} corrections become labels when labels of {', '.join(corrected)} are materialized again")


def _undo(work: Any, pairs: tuple[str, ...], by: str) -> None:
    from svta_assets.labels.reviews import undo

    count = undo(work, pairs, by)
    work.refresh()
    click.echo(f"{count} taken back by {by}")


def _report(work: Any, share: float, as_json: bool) -> None:
    from svta_assets.gates import label_review
    from svta_assets.labels.review_report import label_report, report_markdown

    report = label_report(work, share)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
        return
    click.echo(report_markdown(report))
    verdict = label_review(work)
    click.echo(f"\ngate {verdict.gate}: {verdict.level}, {verdict.reason}")
