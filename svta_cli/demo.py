"""`svta demo`: the main job on the embedded default."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

MODEL = "clip4clip-meanp"
# Seconds each step took on two busy cores; only the ETA of a first run uses them.
FIRST_GUESS_S = {"sources": 1.0, "generate": 6.0, "organize": 5.0, "benchmark": 80.0}


@dataclass(frozen=True)
class Step:
    """One run of the demo."""

    job: str
    partition: str | None
    says: str


def steps() -> list[Step]:
    """Texts, twelve categories, organisation, one model."""
    from svta_assets.categories import load_categories

    keys = [category.key for category in load_categories() if category.demo]
    return [
        Step("sources", None, "collecting texts"),
        *(Step("generate", key, f"descriptions, clips and labels of {key}") for key in keys),
        Step("organize", None, "final categories, splits and release"),
        Step("benchmark", MODEL, f"training and evaluating {MODEL}"),
    ]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every retrieval model of this version (now one).")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(everything: bool, verbose: bool) -> None:
    """Build the demo dataset end to end and print its evaluation table."""
    from svta_cli.runs import open_runner

    del everything  # one model is available; the option is there so that scripts need not change
    began = time.monotonic()
    with open_runner(verbose=verbose) as runner:
        for step in _with_progress(steps()):
            runner.run(step.job, step.partition)
    _report(time.monotonic() - began)


def _with_progress(todo: list[Step]) -> Iterator[Step]:
    """Yield the steps with a progress bar whose ETA learns from the steps already done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    spent: dict[str, list[float]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console()
    with Progress(*columns, TextColumn("{task.fields[eta]}"), console=console) as progress:
        task = progress.add_task("", total=len(todo), eta="")
        for index, step in enumerate(todo):
            left = sum(_expected(later.job, spent) for later in todo[index:])
            progress.update(task, description=step.says, eta=f"about {left:.0f} s left")
            began = time.monotonic()
            yield step
            seconds = time.monotonic() - began
            spent.setdefault(step.job, []).append(seconds)
            console.print(f"  {step.says} [dim]{seconds:.1f} s[/dim]", highlight=False)
            progress.advance(task)
        progress.update(task, description="done", eta="")


def _expected(job: str, spent: dict[str, list[float]]) -> float:
    times = spent.get(job)
    return sum(times) / len(times) if times else FIRST_GUESS_S[job]


def _report(seconds: float) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.tables.render import table2
    from svta_assets.workspace import open_workspace
    from svta_resources.query import query

    work = open_workspace()
    work.refresh()
    console = Console()
    console.print(Markdown(table2(work)))
    counts = " union all ".join(f"select '{name}' as t, count(*) as n from {name}" for name in work.catalog.tables)
    rows = query(work.home.path, counts).iter_rows()
    console.print("\nRows per table: " + ", ".join(f"{name} {count}" for name, count in rows), highlight=False)
    console.print(f"Home: {work.home.path}   Time: {seconds:.0f} s", highlight=False)
    console.print(
        "\nNext:\n"
        "  make ui                        the Dagster UI: runs, partitions, moving previews\n"
        "  .venv/bin/svta status          what is there, missing and stale\n"
        "  .venv/bin/svta regen fighting  another take of one category\n"
        "  make test                      all tests",
        highlight=False,
    )
