"""`svta checkpoint`: list the checkpoints of this home, and import published ones."""

import json
from pathlib import Path

import click


@click.group()
def command() -> None:
    """List checkpoints; import published files of CLIP4Clip, X-CLIP and GRAM."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", required=True, help="Which model of the tables it is, like clip4clip-meanp.")
@click.option("--name", default="", help="What it is called in the tables, like msrvtt-9k.")
@click.option("--preset", default="", help="Its CLIP: vit-b-32 or vit-b-16; default: that of the paper's table.")
@click.option(
    "--frames",
    type=click.Choice(["published", "spread"]),
    default="published",
    show_default=True,
    help="How it is shown clips: one frame a second, or all slots spread over the clip.",
)
@click.option("--max-words", default=32, show_default=True, help="Text tokens it was trained with.")
@click.option("--max-frames", default=12, show_default=True, help="Frame slots it was trained with.")
def import_file(file: Path, model: str, name: str, preset: str, frames: str, max_words: int, max_frames: int) -> None:
    """Take FILE, a published `pytorch_model.bin.N`, in as a checkpoint of MODEL.

    For gram it is ckpt/model_step_N.pt in a folder as published. It must hold the whole model: a file with missing or
    unexpected names is refused and nothing is written.
    """
    from svta_assets.checkpoints.published_files import PublishedFile, import_published
    from svta_assets.workspace import prepare_workspace

    work = prepare_workspace()
    found = import_published(work, PublishedFile(file, model, name, preset, frames, max_words, max_frames))
    work.refresh()
    checkpoint = found.row["checkpoint_id"]
    done = "imported" if found.is_new else "was imported before"
    click.echo(f"{checkpoint}  {model}, {found.row['parameters']:,} parameters, {done}")
    click.echo(f"evaluate it: svta evaluate {model} --checkpoint {checkpoint}")
    if model != "gram":  # whose recipes start from the files in SVTA_GRAM_DIR
        click.echo(f"train from it: model_checkpoints with `recipe: svta, settings: {{start: {checkpoint}}}`")


@command.command("list")
def list_checkpoints() -> None:
    """Every checkpoint, newest last: id, model, recipe, what it was trained on, validation R@1."""
    from svta_assets.workspace import open_workspace

    rows = open_workspace().catalog.read("checkpoints").sort("made_at")
    for row in rows.iter_rows(named=True):
        recipe = json.loads(row["recipe"])
        called = " ".join(part for part in (recipe["name"], recipe.get("called")) if part)
        recall = "-" if row["val_r1"] is None else f"{row['val_r1']:.1f}"
        click.echo(f"{row['checkpoint_id']}  {row['model']}  {called}  {row['release'] or '-'}  {recall}")
    if rows.is_empty():
        click.echo("no checkpoint yet: materialize model_checkpoints, or run `make demo`")
