"""The `svta` command. Each subcommand's module is imported when it is called, so that `svta --help` answers at once."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from svta_models.errors import SvtaError

# command -> (module below svta_cli, one line of help)
COMMANDS = {
    "demo": ("demo", "Build the demo dataset end to end and print its evaluation table."),
    "status": ("status", "What is there, what is missing, what is truly stale."),
    "plan": ("plan", "What a run would make, how long it takes and what it costs. Changes nothing."),
    "regen": ("regen", "Regenerate categories, a pilot first; promote, discard or roll back takes."),
    "requests": ("requests", "Regeneration requests, and what became of each."),
    "nightly": ("nightly", "What the next night would make, and why; validation ranks; the morning digest."),
    "release": ("release", "List, show, cut and compare releases; what leaks between their splits."),
    "taxonomy": ("taxonomy", "Show, edit, compare and approve the final categories."),
    "review": ("review", "Look at clips and their scores; keep or reject clips of the review sample."),
    "evaluate": ("evaluate", "Evaluate a trained model on a release."),
    "checkpoint": ("checkpoint", "List checkpoints; import published files of CLIP4Clip, X-CLIP and GRAM."),
    "export": ("export", "Write a release as WebDataset shards, for Hugging Face or in the layout of MSR-VTT."),
    "import": ("import_dataset", "Take an existing dataset of clips in as a release, with its split."),
    "figures": ("draw", "Draw the paper's figures and ours as SVG files."),
    "card": ("card", "Write the dataset card, Table 1 and Croissant metadata of a release."),
    "verify": ("verify", "Check clips, releases and checkpoints; set damaged clips aside."),
    "gc": ("gc", "Show, and with --yes remove, what nothing refers to."),
    "mirror": ("mirror", "Copy a project between folders and S3, verifying every hash."),
    "doctor": ("doctor", "Check this machine, the home and the settings."),
    "metrics": ("metrics", "Figures for Prometheus: a page to scrape, or a file."),
    "ui": ("ui", "Open the Dagster UI on this profile's instance."),
    "app": ("app.command", "Open the web application: search, gallery, review, results, yield."),
}
USAGE_ERROR = 2
INTERRUPTED = 130  # what a shell reports for Ctrl-C


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"svta_cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks (also: SVTA_DEBUG=1).")
def cli(debug: bool) -> None:
    """Make, check and benchmark a synthetic video-text anomaly dataset."""
    if debug:
        os.environ["SVTA_DEBUG"] = "1"


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0 fine, 1 a problem, 2 wrong usage, 130 interrupted."""
    try:
        outcome = cli.main(list(arguments), prog_name="svta", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nsvta: interrupted. What was finished is kept; the same command goes on from there.", err=True)
        return INTERRUPTED
    except SvtaError as error:
        if os.environ.get("SVTA_DEBUG"):
            raise
        click.echo(f"svta: {error}", err=True)
        return _exit_code(error)


def main() -> None:
    """Entry point of the `svta` script."""
    sys.exit(run(sys.argv[1:]))


def _exit_code(error: SvtaError) -> int:
    from svta_assets.categories import UnknownCategory

    return USAGE_ERROR if isinstance(error, UnknownCategory) else 1
