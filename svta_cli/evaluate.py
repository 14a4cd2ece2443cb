"""`svta evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np

    from svta_models.evaluation import Evaluation

_FIGURES = ("R@1", "R@5", "R@10", "MdR", "MnR")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model", default="clip4clip-meanp")
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option("--checkpoint", default="", help="Id of MODEL's checkpoint, or an imported one's name; default: newest.")
@click.option("--model", "own", help="Evaluate a model of your own: its Python file, module or registered name.")
@click.option(
    "--similarity", type=_FILE, help="Evaluate a model of your own: .npy of (N captions, N clips), higher=nearer."
)
@click.option(
    "--ranks", type=click.Path(dir_okay=False, path_type=Path), help="With --similarity: every query's rank, CSV."
)
@click.option("--misses", is_flag=True, help="List what MODEL's newest evaluation missed, worst first.")
@click.option("--category", help="With --misses: queries of one category (a line of reports/categories_*.md).")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    help="Real benchmarks to evaluate on (default: all of benchmarks.yaml); with --misses the table asked, "
    "default svta.",
)
@click.option("--direction", type=click.Choice(["t2v", "v2t"]), default="t2v", show_default=True, help="With --misses.")
@click.option("--limit", default=20, show_default=True, help="With --misses: how many to print.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="With --misses: all of them as CSV.")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(
    model: str,
    release: str,
    checkpoint: str,
    own: str | None,
    similarity: Path | None,
    ranks: Path | None,
    misses: bool,
    category: str | None,
    benchmarks: tuple[str, ...],
    direction: str,
    limit: int,
    csv: Path | None,
    verbose: bool,
) -> None:
    """Evaluate MODEL's newest checkpoint on a release's test split and on real benchmarks, and print the tables.

    With --similarity, a matrix computed elsewhere: rows and columns in the order of `open_release(...).frame`.
    With --model, a model of your own as one file (docs/benchmarks.md); its rows stand in the same tables.
    """
    from svta_assets.workspace import open_workspace
    from svta_models.release import resolve

    if ranks and not similarity:
        raise click.UsageError("--ranks needs --similarity; ranks of evaluated models are in the table query_ranks")
    if (category or csv) and not misses:
        raise click.UsageError("--category and --csv need --misses")
    if sum((bool(own), bool(similarity), misses)) > 1 and not (own and misses):
        raise click.UsageError("--model, --similarity and --misses are different things to do: choose one")
    work = open_workspace()
    if misses:
        from svta_cli.evaluate_misses import show_misses

        show_misses(work, own or model, _one_of(benchmarks), direction, category, limit, csv)
        return
    _known_model(model)
    resolved = resolve(work.store, release)  # an unknown one is refused before Dagster starts
    if similarity:
        _evaluate_matrix(work, resolved, similarity, ranks)
    elif own:
        _evaluate_own(own, release, list(benchmarks) or None)
    else:
        _evaluate_checkpoint(work, model, release, checkpoint, list(benchmarks) or None, verbose)


def _known_model(model: str) -> None:
    from svta_assets.partitions import MODELS

    if model not in MODELS:
        raise click.UsageError(f"no model {model!r}; known: {', '.join(MODELS)}; one of your own goes with --model")


def _one_of(benchmarks: tuple[str, ...]) -> str:
    """The benchmark whose misses are asked for."""
    if len(benchmarks) > 1:
        raise click.UsageError("--misses shows one benchmark at a time: give --benchmark once")
    return benchmarks[0] if benchmarks else "svta"


def _evaluate_own(given: str, release: str, benchmarks: list[str] | None) -> None:
    """Evaluate a model of one's own in this process, on a leased GPU where there is one, and print the tables."""
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.tables.evaluate import evaluate_own
    from svta_assets.tables.render import all_tables, write_tables
    from svta_assets.workspace import prepare_workspace
    from svta_models.own_model import find_own_model
    from svta_resources.gpu_resource import GpuResource

    own, work = find_own_model(given), prepare_workspace()
    with GpuResource().device() as device:
        evaluate_own(work, own, release, device, benchmarks, say=click.echo)
    write_tables(work)
    work.refresh()
    Console().print(Markdown(all_tables(work)))


def _evaluate_checkpoint(
    work: Any, model: str, release: str, checkpoint: str, benchmarks: list[str] | None, verbose: bool
) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.tables.render import all_tables
    from svta_cli.progress import live_line
    from svta_cli.runs import open_runner

    settings = {"release": release, "benchmarks": benchmarks, "checkpoint": checkpoint}
    config = {"ops": {"eval_tables": {"config": settings}}}
    with live_line(f"evaluating {model}") as say, open_runner(say=say, verbose=verbose) as runner:
        runner.run("benchmark", model, assets=["eval_tables"], config=config)
    work.refresh()
    Console().print(Markdown(all_tables(work)))


def _evaluate_matrix(work: Any, release: str, file: Path, ranks: Path | None) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_models.evaluation import evaluate_similarity
    from svta_models.release import Release

    split = Release(work.store, release).split("test")
    rows = split.frame
    found = evaluate_similarity(_matrix(file), rows["pair_id"].to_list(), rows["final_category"].to_list())
    Console().print(Markdown(_table(found, file, split.hash)))
    if ranks:
        found.query_ranks.write_csv(ranks)
        click.echo(f"ranks of {found.query_ranks.height} queries: {ranks}")


def _matrix(file: Path) -> "np.ndarray":
    """Read a similarity matrix. Raises SvtaError for a file that is none."""
    import numpy as np

    from svta_models.errors import SvtaError

    try:
        matrix: np.ndarray = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SvtaError(f"{file} is not a NumPy array ({error}); write it with numpy.save") from error
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating):
        raise SvtaError(
            f"{file} holds {matrix.dtype} {matrix.shape}; a matrix (N captions, N clips) of floats is wanted"
        )
    return matrix


def _table(found: "Evaluation", file: Path, release: str) -> str:
    """Markdown of both directions with tie-averaged ranks, intervals and chance."""
    lines = [
        f"### {file.name} on the test split of release `{release}`: {len(found.pair_ids)} pairs",
        "",
        f"| direction | {' | '.join(_FIGURES)} | R@10 95% | chance R@10 | R@10, ties averaged |",
        "|---|" + "---|" * (len(_FIGURES) + 3),
    ]
    for title, official, averaged, name in (
        ("text to video", found.metrics_t2v, found.averaged_t2v, "t2v"),
        ("video to text", found.metrics_v2t, found.averaged_v2t, "v2t"),
    ):
        cells = [f"{official[figure]:.1f}" for figure in _FIGURES]
        low, high = found.intervals[name]["R@10"]
        cells += [f"{low:.1f} to {high:.1f}", f"{found.chance['R@10']:.1f}", f"{averaged['R@10']:.1f}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)
