"""`svta evaluate`."""

import click


@click.command()
@click.argument("model", default="clip4clip-meanp")
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
def command(model: str, release: str) -> None:
    """Evaluate MODEL's newest checkpoint on a release's test split and print the table."""
    from rich.console import Console
    from rich.markdown import Markdown

    from svta_assets.partitions import MODELS
    from svta_assets.tables.render import table2
    from svta_assets.workspace import open_workspace
    from svta_cli.runs import open_runner

    if model not in MODELS:
        raise click.UsageError(f"no model {model!r}; known: {', '.join(MODELS)}")
    with open_runner() as runner:
        config = {"ops": {"eval_tables": {"config": {"release": release}}}}
        runner.run("benchmark", model, assets=["eval_tables"], config=config)
    Console().print(Markdown(table2(open_workspace())))
