"""`svta evaluate`."""

import click


@click.command()
@click.argument("model", default="clip4clip-meanp")
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(model: str, release: str, verbose: bool) -> None:
    """Evaluate MODEL's newest checkpoint on a release's test split and print the table."""
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.partitions import MODELS
    from svta_assets.tables.render import all_tables
    from svta_assets.workspace import open_workspace
    from svta_cli.progress import live_line
    from svta_cli.runs import open_runner
    from svta_models.release import resolve

    if model not in MODELS:
        raise click.UsageError(f"no model {model!r}; known: {', '.join(MODELS)}")
    work = open_workspace()
    resolve(work.store, release)  # an unknown one is refused before Dagster starts
    config = {"ops": {"eval_tables": {"config": {"release": release}}}}
    with live_line(f"evaluating {model}") as say, open_runner(say=say, verbose=verbose) as runner:
        runner.run("benchmark", model, assets=["eval_tables"], config=config)
    work.refresh()
    Console().print(Markdown(all_tables(work)))
