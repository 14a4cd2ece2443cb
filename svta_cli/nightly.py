"""`svta nightly`: what the next night would do; validation ranks and the digest by hand."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from svta_assets.regeneration.night import Night

WAITS_SHOWN = 8


@click.command()
@click.option("--dry-run", is_flag=True, help="Print the next tick (the default).")
@click.option("--validate", "validate_now", is_flag=True, help="Compute missing validation ranks now, on this machine.")
@click.option("--digest", "digest_now", is_flag=True, help="Write the digest of the last 24 hours.")
@click.option("--date", "day", default=None, metavar="YYYY-MM-DD", help="With --digest: of that day (UTC).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(dry_run: bool, validate_now: bool, digest_now: bool, day: str | None, as_json: bool) -> None:
    """What the schedule `nightly` would start at its next tick, and why. Changes nothing.

    Settings: automation.yaml in the home. The schedules are started and stopped in the Dagster UI.
    """
    from svta_assets.workspace import open_workspace

    if dry_run + validate_now + digest_now > 1:
        raise click.UsageError("choose one of --dry-run, --validate and --digest")
    if day and not digest_now:
        raise click.UsageError("--date goes with --digest")
    work = open_workspace()
    if validate_now:
        _validate(work)
    elif digest_now:
        _digest(work, day)
    else:
        from svta_assets.regeneration.night import plan_night

        night = plan_night(work)
        if as_json:
            click.echo(json.dumps(gather(night), indent=2))
        else:
            _print(night)


def _validate(work: Any) -> None:
    from svta_assets.regeneration.validation import outdated, validate
    from svta_resources.gpu_resource import GpuResource

    models = outdated(work)
    if not models:
        click.echo("the newest checkpoint of every model has its validation ranks")
        return
    with GpuResource().device() as device:
        for model in models:
            found = validate(work, model, device, lambda line: None)
            click.echo(f"{model}: validation R@1 {found.r1:.1f} on {found.rows.height} pairs of {found.release}")
    work.refresh()


def _digest(work: Any, day: str | None) -> None:
    from svta_assets.regeneration.digest import digest_of, write

    found = digest_of(work, day)
    path = write(work, found)
    click.echo(path.read_text(encoding="utf-8"), nl=False)
    click.echo(f"\nwritten to {path}")


def gather(night: "Night") -> dict[str, Any]:
    """The next night as plain values."""
    return {
        "gpu_hours_per_night": night.settings.night.gpu_hours_per_night,
        "seconds_per_clip": night.seconds_per_clip,
        "measured_on": night.measured_on,
        "device_hours": night.device_hours,
        "parts": [
            {
                "name": part.name,
                "mode": part.mode.value,
                "device_hours": part.device_hours,
                "categories": [
                    {"category": share.category, "clips": share.renders, "pairs": len(share.pairs), "why": share.why}
                    for share in part.shares
                ],
            }
            for part in night.parts
        ],
        "weakest_first": [{"category": one.category, "weakness": one.weakness} for one in night.ranked],
        "waits": night.waits,
        "cut": night.cut,
        "unrendered": night.unrendered,
        "unvalidated": night.unvalidated,
    }


def _print(night: "Night") -> None:
    from svta_cli.figures import duration

    budget = night.settings.night.gpu_hours_per_night
    basis = f"median of {night.measured_on} clips" if night.measured_on else "an estimate"
    if not night.parts:
        click.echo("the next night starts nothing")
    for part in night.parts:
        click.echo(f"{part.name}: mode {part.mode.value}, {part.renders} clips, {duration(part.device_hours)}")
        for share in part.shares:
            click.echo(f"  {share.category}: {share.renders} clips; {share.why}")
    click.echo(
        f"budget: {duration(night.device_hours)} of {budget:g} h, at {night.seconds_per_clip:.2f} s a clip ({basis})"
    )
    for line in _remarks(night):
        click.echo(line)


def _remarks(night: "Night") -> list[str]:
    lines = []
    if night.cut:
        lines.append(f"left for another night: {night.cut} clips beyond the budget")
    if night.unrendered:
        lines.append(f"not tried again: {night.unrendered} pairs that could not be rendered; `svta status` counts them")
    if night.unvalidated:
        lines.append(
            f"no validation ranks yet: {', '.join(night.unvalidated)}; the schedule `validation` or "
            "`svta nightly --validate` computes them"
        )
    if not night.settings.night.include_test:
        lines.append("pairs of the test split keep their clips")
    reasons: dict[str, list[str]] = {}
    for key, why in night.waits.items():
        reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items() if night.settings.night.weakest else ():
        more = f" and {len(keys) - WAITS_SHOWN} more" if len(keys) > WAITS_SHOWN else ""
        lines.append(f"no new takes of {', '.join(keys[:WAITS_SHOWN])}{more}: {why}")
    return lines
