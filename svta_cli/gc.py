"""`svta gc`: what nothing refers to."""

import time
from collections.abc import Iterator
from typing import Any

import click

DAMAGED_KEPT_S = 7 * 24 * 3600.0
YOUNGEST_S = 24 * 3600.0  # nothing a run younger than a day wrote is touched


@click.command()
@click.option("--yes", is_flag=True, help="Delete what is shown.")
def command(yes: bool) -> None:
    """Show what nothing refers to: replaced takes outside every release, old damaged files, superseded metadata."""
    from svta_assets.workspace import prepare_workspace

    work = prepare_workspace()
    doomed = list(garbage(work, time.time()))
    for reason, item in doomed:
        click.echo(f"{reason}: {item.key} ({item.size / 1000:.0f} kB)")
    total = sum(item.size for _, item in doomed) / 1e6
    if yes:
        work.store.delete(item.key for _, item in doomed)
        click.echo(f"deleted {len(doomed)} objects, {total:.1f} MB")
    else:
        click.echo(f"{len(doomed)} objects, {total:.1f} MB" + ("; delete them with --yes" if doomed else ""))


def garbage(work: Any, now: float) -> Iterator[tuple[str, Any]]:
    """(reason, object) of everything that may go at time `now` (seconds since the epoch)."""
    kept = _needed_clips(work)
    for item in work.store.list("clips"):
        old = now - item.modified > YOUNGEST_S
        if old and item.key.rsplit(".", 1)[0] not in kept:
            yield "replaced take", item
    for item in work.store.list("damaged"):
        if now - item.modified > DAMAGED_KEPT_S:
            yield "damaged", item
    for table in work.catalog.tables:
        newest = {file.key for file in work.catalog.files(table)}
        for item in work.store.list(f"metadata/{table}"):
            if item.key not in newest and now - item.modified > YOUNGEST_S:
                yield "superseded metadata", item


def _needed_clips(work: Any) -> set[str]:
    """Object stems of clips that are current, candidates, the one before the newest promotion, or in a release."""
    from svta_assets.videos.takes import candidates
    from svta_models.release import read_rows, release_log

    clips, promotions = work.catalog.read("clips"), work.catalog.read("promotions")
    uris = dict(clips.select("clip_id", "uri").iter_rows())
    needed = set(clips.filter("current")["uri"]) | set(candidates(clips, promotions)["uri"])
    needed |= {uris[clip] for clip in promotions["previous_clip_id"].drop_nulls() if clip in uris}
    needed |= set(clips["same_pixels_as"].drop_nulls().replace_strict(uris, default=None).drop_nulls())
    for digest in {entry.hash for entry in release_log(work.store)}:
        needed |= set(read_rows(work.store, digest)["uri"])
    return {uri.rsplit(".", 1)[0] for uri in needed}
