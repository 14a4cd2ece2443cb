"""What `svta evaluate --misses` prints."""

from pathlib import Path
from typing import Any

import click

SHOWN = 20


def show_misses(
    work: Any, model: str, benchmark: str, direction: str, category: str | None, limit: int, csv: Path | None
) -> None:
    """Print the worst misses of a model's newest evaluation, and write all of them where `csv` says."""
    from svta_assets.tables.misses import misses

    found = misses(work, model, benchmark, direction, category)
    where = f"{model} on {benchmark}, {direction}" + (f", {category}" if category else "")
    click.echo(f"{found.height} queries of {where} are not answered first; the worst:")
    for row in found.head(limit).iter_rows(named=True):
        click.echo("\n".join(_lines(row, direction)))
    if csv:
        found.write_csv(csv)
        click.echo(f"\nall {found.height}: {csv}")


def _lines(row: dict[str, Any], direction: str) -> list[str]:
    """A miss; in text to video the query is a caption and its answer a clip, in video to text the reverse."""
    query = ("caption", "right clip") if direction == "t2v" else ("its caption", "query clip")
    wrong = ("wrong clip", "its caption") if direction == "t2v" else ("its clip", "wrong caption")
    lines = [
        f"\nrank {row['rank']:g}  {row['category'] or ''}",
        f"  {query[0]:13} {row['caption']}",
        f"  {query[1]:13} {row['file']}",
        f"  {wrong[0]:13} {row['wrong_file']}",
        f"  {wrong[1]:13} {row['wrong_caption']}",
    ]
    for title, name in (("prompt", "prompt"), ("recipe", "recipe"), ("its recipe", "wrong_recipe")):
        if row[name]:
            lines.append(f"  {title:13} {row[name]}")
    return lines
