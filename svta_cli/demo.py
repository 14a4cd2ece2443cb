"""`svta demo`: the main job on the embedded default."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from svta_cli.progress import Steps, now_and_then

if TYPE_CHECKING:
    from svta_cli.runs import Runner

# Seconds each run took on two busy cores; they serve the ETA until a run of the kind has been timed here.
FIRST_GUESS_S = {"sources": 1.0, "generate": 8.0, "organize": 5.0, "benchmark": 120.0}


@dataclass(frozen=True)
class Step:
    """One Dagster run of the demo."""

    job: str
    partition: str | None
    says: str


def steps(everything: bool = False) -> list[Step]:
    """Texts, twelve categories, organisation, and one retrieval model, or all of them."""
    from svta_assets.categories import load_categories
    from svta_assets.checkpoints.trainable import TRAINABLE

    models = list(TRAINABLE) if everything else list(TRAINABLE)[:1]
    keys = [category.key for category in load_categories() if category.demo and not category.retired]
    return [
        Step("sources", None, "collecting texts"),
        *(Step("generate", key, f"descriptions, clips and labels of {key}") for key in keys),
        Step("organize", None, "final categories, splits and release"),
        *(Step("benchmark", model, f"training and evaluating {model}") for model in models),
    ]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Train and evaluate every retrieval model of this version.")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(everything: bool, verbose: bool) -> None:
    """Build the demo dataset end to end and print its evaluation table. A second time makes only what is missing."""
    from svta_resources.profiles import home_from

    home = home_from()
    if home.profile.name != "demo":
        raise click.UsageError(
            f"SVTA_PROFILE={home.profile.name}: the demo has a profile of its own; unset SVTA_PROFILE, or use "
            "`svta plan` and the jobs sources, generate, organize, benchmark"
        )
    began = time.monotonic()
    _run_all(steps(everything), verbose)
    _report(time.monotonic() - began)


def _run_all(todo: list[Step], verbose: bool) -> None:
    from svta_cli.runs import open_runner

    with _progress(todo) as show, open_runner(say=show.hear, verbose=verbose) as runner:
        for step in todo:
            show.run(runner, step)
        show.done()


class _Show:
    """The demo's progress bar; also the ear of the running step."""

    def __init__(self, progress: Any, task: Any, clock: Steps) -> None:
        self._progress, self._task, self._clock = progress, task, clock
        self._log = now_and_then(progress.console.print)

    def run(self, runner: "Runner", step: Step) -> None:
        self._progress.update(self._task, description=step.says)
        self._clock.start()
        runner.run(step.job, step.partition)
        self._progress.console.print(f"  {step.says} [dim]{self._clock.finish():.1f} s[/dim]")
        self._progress.advance(self._task)

    def done(self) -> None:
        self._progress.update(self._task, description="done")

    def hear(self, message: str) -> None:
        self._clock.hear(message)
        self._progress.update(self._task, description=message)
        if not self._progress.console.is_terminal:
            self._log(message)


@contextmanager
def _progress(todo: list[Step]) -> Iterator[_Show]:
    """A bar over all runs with the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    clock = Steps([step.job for step in todo], FIRST_GUESS_S)

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.finished else f"about {clock.eta_s():.0f} s left")

    # The description comes last and is cut where the terminal ends; the other columns keep their width.
    columns = (
        BarColumn(24),
        MofNCompleteColumn(),
        Left(table_column=Column(no_wrap=True, min_width=17)),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=Console(highlight=False)) as progress:
        yield _Show(progress, progress.add_task("starting Dagster", total=len(todo)), clock)


def _report(seconds: float) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.tables.render import all_tables
    from svta_assets.workspace import open_workspace

    work = open_workspace()
    work.refresh()
    console = Console(highlight=False)
    console.print(Markdown(all_tables(work)))
    counts = ", ".join(f"{name} {count}" for name, count in table_counts(work).items())
    console.print(f"\nRows per table of {work.home.path / 'svta.duckdb'}: {counts}", soft_wrap=True)
    console.print(f"The main job took {seconds:.0f} s.")
    console.print(
        "\nNext:\n"
        "  make ui                        the Dagster UI: runs, partitions, moving previews\n"
        "  .venv/bin/svta status          what is there, missing and stale\n"
        "  .venv/bin/svta regen fighting  another take of one category\n"
        "  make test                      all tests",
        soft_wrap=True,
    )


def table_counts(work: Any) -> dict[str, int]:
    """Rows of every table, asked of `svta.duckdb` as people would ask it."""
    from svta_resources.query import query

    sql = " union all ".join(f"select '{name}' as name, count(*) as n from {name}" for name in work.catalog.tables)
    return dict(query(work.home.path, sql).iter_rows())
