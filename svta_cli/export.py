"""`svta export`."""

from pathlib import Path

import click

from svta_assets.exports.export import FORMATS, SHARD_CLIPS


@click.command()
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@click.option("--release", default="latest", show_default=True, help="latest, a name or a hash")
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="An empty folder."
)
@click.option(
    "--shard-clips", type=click.IntRange(min=1), default=SHARD_CLIPS, show_default=True,
    help="Clips a shard (webdataset, huggingface).",
)  # fmt: skip
@click.option("--silent-audio", is_flag=True, help="With msrvtt: a silent mp3 a clip, without which GRAM skips it.")
def command(form: str, release: str, folder: Path, shard_clips: int, silent_audio: bool) -> None:
    """Write a release as FORMAT: webdataset, huggingface or msrvtt (for CLIP4Clip, X-CLIP and GRAM).

    The same command again carries on where one was stopped, and checks what is there.
    """
    from svta_assets.exports.export import Settings, export_release
    from svta_assets.workspace import open_workspace
    from svta_cli.progress import live_line

    if silent_audio and form != "msrvtt":
        raise click.UsageError("--silent-audio is of the format msrvtt alone")
    work = open_workspace()
    with live_line(f"export {form}") as say:
        job, done = export_release(work, form, folder, release, Settings(shard_clips, silent_audio), say)
    counts = ", ".join(f"{split} {len(rows)}" for split, rows in job.splits.items())
    click.echo(f"release {job.release.hash}: {job.rows.height} pairs ({counts}) in {folder}")
    click.echo(f"{done.made} files written, {done.kept} were there and whole; {done.total_bytes / 1e6:.1f} MB")
    click.echo("checksums.sha256 has every file's sha256; manifest.json says what the export is and its terms")
