"""`svta mirror`: a project from a folder to a bucket, or back, or to another folder."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svta_models.errors import SvtaError
from svta_models.media_store import MediaStore, MissingObject, open_store
from svta_resources.profiles import HOME_FILE, profile_from

if TYPE_CHECKING:
    from svta_resources.catalog import Catalog
    from svta_resources.mirror import Plan, Report

SHOWN = 20  # problems named; the rest is counted


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--release", "ref", help="Only what this release needs: its clips, checkpoints, categories and tables.")
@click.option("--quick", is_flag=True, help="Take what is there already in the right size for the same.")
@click.option("--dry-run", is_flag=True, help="Show what would be copied; changes nothing.")
@click.pass_context
def command(ctx: click.Context, source: str, target: str, ref: str | None, quick: bool, dry_run: bool) -> None:
    """Copy a project from SOURCE to TARGET, each a home's folder or s3://bucket/prefix, and verify every hash.

    Can be interrupted and run again: what is there is compared, not sent again. Never overwrites; an object that
    differs is named, and the exit code is 1. Reports, svta.duckdb and Dagster's history stay where they are.
    """
    from svta_assets.schemas import TABLES
    from svta_cli.progress import live_line
    from svta_resources.catalog import Catalog
    from svta_resources.mirror import carry, keys_of_release, plan_mirror

    here, there = _open(source, target)
    marker = _marker(here, there)
    ours, theirs = Catalog(here, TABLES), Catalog(there, TABLES)
    with live_line("mirror") as say:
        say("listing")
        digest, only = keys_of_release(here, ours, ref) if ref else (None, None)
        plan = plan_mirror(here, there, only)
        if not plan.objects:
            raise SvtaError(f"{here.url} holds nothing of a project: give the folder of a home or s3://bucket/prefix")
        if dry_run:
            _announce(plan, here, there)
            return
        there.put_new(HOME_FILE, marker)
        report = carry(here, there, plan, say, quick=quick)
    profile = json.loads(marker)["profile"]
    own = _settle(ours, theirs, profile, subset=only is not None)
    if not ref and _latest(here) != _latest(there):
        own.append(("releases", "latest"))
    releases = _check_releases(there, report, digest)
    click.echo(f"{there.url}, profile {profile}:")
    _tell(plan, report, own, releases)
    ctx.exit(1 if report.problems or own else 0)


def _open(source: str, target: str) -> tuple[MediaStore, MediaStore]:
    here, there = open_store(source), open_store(target)
    if here.url == there.url:
        raise SvtaError(f"source and target are the same place, {here.url}")
    if "://" not in source and not Path(source).expanduser().is_dir():
        raise SvtaError(f"{here.url} is not a folder: give the folder of a home or s3://bucket/prefix")
    return here, there


def _marker(here: MediaStore, there: MediaStore) -> bytes:
    """The target's `home.json`: the one it has, else the source's, else one of the profile in use.

    Raises SvtaError where the two places belong to different profiles.
    """
    ours, theirs = _read_marker(here), _read_marker(there)
    if ours is not None and theirs is not None and ours["profile"] != theirs["profile"]:
        raise SvtaError(
            f"{there.url} belongs to profile {theirs['profile']!r}, {here.url} to {ours['profile']!r}: "
            "clips of two profiles never mix; choose another target"
        )
    chosen = theirs or ours
    if chosen is None:
        chosen = {"profile": profile_from().name, "created_at": datetime.now(UTC).isoformat()}
    return (json.dumps(dict(chosen)) + "\n").encode()


def _read_marker(store: MediaStore) -> Mapping[str, Any] | None:
    try:
        found = json.loads(store.get(HOME_FILE))
    except MissingObject:
        return None  # a bucket that a home uses through SVTA_MEDIA_URL: its home.json lies on that machine
    except ValueError as error:
        raise SvtaError(f"{HOME_FILE} in {store.url} is not JSON ({error}): restore it") from error
    if not isinstance(found, dict) or not isinstance(found.get("profile"), str):
        raise SvtaError(f"{HOME_FILE} in {store.url} names no profile: restore it")
    return found


def _settle(ours: "Catalog", theirs: "Catalog", profile: str, subset: bool) -> list[tuple[str, str]]:
    """Bring the target's clip rows into step with its clips where they are not; return what it has newer of its own."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import project_clips
    from svta_resources.mirror import newer_there

    own = newer_there(ours, theirs)
    stale = set(theirs.partitions("clips")) if subset else {partition for table, partition in own if table == "clips"}
    for category in sorted(stale):
        project_clips(theirs, category, load_thresholds(profile))
    return [entry for entry in own if entry[0] != "clips"]


def _latest(store: MediaStore) -> str | None:
    from svta_models.release import release_log

    log = release_log(store)
    return log[-1].hash if log else None


def _check_releases(there: MediaStore, report: "Report", digest: str | None) -> list[str]:
    """Read every release that arrived and check its hash; raises ReleaseError. Returns the hashes."""
    from svta_models.release import read_rows
    from svta_resources.mirror import Outcome

    keys = [*report.keys[Outcome.COPIED], *report.keys[Outcome.SAME]]
    rows = [key for key in keys if key.startswith("releases/") and key.endswith(".parquet")]
    hashes = sorted({key.rpartition("/")[2].removesuffix(".parquet") for key in rows} | ({digest} if digest else set()))
    for one in hashes:
        read_rows(there, one)
    return hashes


def _announce(plan: "Plan", here: MediaStore, there: MediaStore) -> None:
    size = sum(item.size for item in plan.missing)
    click.echo(f"{here.url} -> {there.url}")
    click.echo(f"to copy: {_objects(len(plan.missing))}, {size / 1e6:,.1f} MB")
    click.echo(f"there already, to compare: {_objects(len(plan.objects) - len(plan.missing))}")
    _name(f"differs at the target, would stay: {key}" for key in plan.other_size)
    if plan.only_there:
        click.echo(f"only at the target, stays: {_objects(len(plan.only_there))}")


def _tell(plan: "Plan", report: "Report", own: list[tuple[str, str]], releases: list[str]) -> None:
    from svta_resources.mirror import Outcome

    counts = [f"{outcome.value}: {len(keys)}" for outcome, keys in report.keys.items() if keys]
    click.echo(f"{_objects(len(plan.objects))}; {'; '.join(counts)}; {report.sent / 1e6:,.1f} MB sent")
    if plan.only_there:
        click.echo(f"only at the target, kept: {_objects(len(plan.only_there))}")
    if releases:
        click.echo(f"releases that open there with their hash: {', '.join(releases)}")
    _name(f"{outcome.value}: {key}" for outcome, key in report.problems)
    _name(f"the target is ahead of the source: {table}, {partition}" for table, partition in own)
    if report.keys[Outcome.DAMAGED]:
        click.echo(
            "next: `svta verify` at the source, which sets the damaged aside; then make them again and mirror again"
        )
    if report.keys[Outcome.DIFFERS]:
        click.echo("next: `svta verify` at both places tells which is damaged and sets it aside; then mirror again")
    if own:
        click.echo("next: the target was worked with; mirror to an empty place, or go on with the target alone")
    if not report.problems and not own:
        click.echo("every object is at the target with the sha256 that it has at the source")


def _objects(number: int) -> str:
    return f"{number:,} object{'' if number == 1 else 's'}"


def _name(lines: Any) -> None:
    lines = list(lines)
    for line in lines[:SHOWN]:
        click.echo(line)
    if len(lines) > SHOWN:
        click.echo(f"... and {len(lines) - SHOWN} more")
