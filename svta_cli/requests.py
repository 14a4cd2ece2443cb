"""`svta requests`: what was asked for, and what became of it."""

import json
from typing import Any

import click


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that ended more than a week ago.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(everything: bool, as_json: bool) -> None:
    """Regeneration requests with their state: waiting, launched, running, done, failed or refused."""
    from svta_assets.regeneration.requests import requests
    from svta_assets.workspace import open_workspace

    rows = requests(open_workspace()).to_dicts()
    shown = rows if everything else [row for row in rows if _is_recent(row)]
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    if not shown:
        click.echo("no request; `svta regen CATEGORY --request` asks for one")
    for row in shown:
        _print(row)


def _is_recent(row: dict[str, Any]) -> bool:
    from datetime import UTC, datetime, timedelta

    from svta_assets.regeneration.requests import OPEN

    week_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    return row["state"] in OPEN or row["updated_at"] >= week_ago


def _print(row: dict[str, Any]) -> None:
    from svta_assets.regeneration.texts import asked_for, standing_of

    click.echo(f"{row['request_id']}  {standing_of(row)}")
    click.echo(f"  {asked_for(row)}, by {row['by']} at {row['at'][:16]}" + (f": {row['why']}" if row["why"] else ""))
    if row["reason"]:
        click.echo(f"  {row['reason']}")
