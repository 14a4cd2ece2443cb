"""`svta doctor`: what is fine here, what is not, and what to do about it."""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from svta_cli import machine
from svta_models.errors import SvtaError
from svta_resources.profiles import EMBEDDED_LLM, Home, check_instance_file, home_from, profile_from

if TYPE_CHECKING:
    import polars as pl

    from svta_assets.videos.costs import ClipTime

PACKAGES = ("dagster", "dagster-webserver", "duckdb", "polars", "torch", "av", "skia-python", "openai", "obstore")
VIDEO_PACKAGES = ("diffsynth", "flash-attn-3", "flash-attn", "torchao")  # `wan` needs the first; the rest is for speed
LEAST_FREE_GB = 2.0
PYTHONS = ((3, 11), (3, 12))


@click.command()
@click.option("--hash", "hashes", is_flag=True, help="Print sha256 of the generator's weight files instead.")
@click.pass_context
def command(ctx: click.Context, hashes: bool) -> None:
    """Check this machine, the home and the settings; exit code 1 when something needs attention. Changes nothing.

    With --hash: the lines that `sha256sum -c` takes, on stdout; minutes for the full model.
    """
    from svta_cli.weights import print_hashes

    if hashes:
        print_hashes(profile_from().generator)
        return
    _own_clips.cache_clear()
    problems = 0
    for name, look in CHECKS.items():
        try:
            said = look().replace("\n", "\n           ")
            click.echo(f"ok       {name}: {said}")
        except SvtaError as error:
            problems += 1
            click.echo(f"problem  {name}: {error}")
    ctx.exit(1 if problems else 0)


def _python() -> str:
    if sys.version_info[:2] not in PYTHONS:
        raise SvtaError(f"Python {sys.version.split()[0]} is not supported: make env PYTHON=python3.11")
    return sys.version.split()[0]


def _packages() -> str:
    found, missing = machine.installed(PACKAGES)
    if missing:
        raise SvtaError(f"{', '.join(missing)} not installed: run `make env`")
    return ", ".join(found)


def _video_packages() -> str:
    found, missing = machine.installed(VIDEO_PACKAGES)
    absent = f"not installed: {', '.join(missing)}" if missing else ""
    return "; ".join(part for part in (", ".join(found), absent) if part)


def _home() -> str:
    home = home_from()
    home.check()
    there = "" if home.path.exists() else " (not made yet: the first command that writes makes it)"
    return f"profile {home.profile.name} at {home.path}{there}"


def _nearest_folder(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _writable() -> str:
    folder = _nearest_folder(home_from().path)
    try:
        with tempfile.TemporaryFile(dir=folder):  # asks the disk itself: permission bits do not tell of a read-only one
            return str(folder)
    except OSError as error:
        raise SvtaError(
            f"{folder} is not writable ({error.strerror}): give this user write access or set SVTA_HOME"
        ) from error


def _disk() -> str:
    home = home_from()
    folder = _nearest_folder(home.path)
    free = machine.free_bytes(folder)
    if free < LEAST_FREE_GB * machine.GB:
        raise SvtaError(
            f"{free / machine.GB:.1f} GB free at {folder}, a demo needs {LEAST_FREE_GB:g}: free space or set SVTA_HOME"
        )
    said = f"{free / machine.GB:.0f} GB free"
    if home.media_url != str(home.path):
        return f"{said}; clips go to {home.media_url}"
    work, clips = _own_clips()
    size = machine.clip_megabytes(work.store, clips) if work else None
    worth = size or machine.ESTIMATED_CLIP_MB
    basis = "as those of this home have" if size else "an estimate: there are none yet"
    room = float(f"{free / 1e6 / worth:.2g}")  # two digits: clips differ in size
    return f"{said}, room for about {room:,.0f} clips of {worth:.2g} MB ({basis})"


def _memory() -> str:
    available, total = machine.host_memory()
    return f"{available / machine.GB:.1f} of {total / machine.GB:.1f} GB available"


def _media() -> str:
    from svta_models.media_store import open_store

    home = home_from()
    if home.media_url == str(home.path):
        return "in the home"
    open_store(home.media_url).list("releases")  # one call tells of wrong credentials, endpoint or bucket
    return f"{home.media_url} answers"


def _dagster() -> str:
    home: Home = home_from()
    folder = home.dagster_home
    if not (folder / "dagster.yaml").exists():
        return f"{folder} (not made yet)"
    check_instance_file(folder / "dagster.yaml")
    if os.environ.get("DAGSTER_HOME") is None:
        return f"{folder} (DAGSTER_HOME is not set: `svta` finds it; for the dagster command export it)"
    return str(folder)


def _devices() -> str:
    from svta_resources.gpu import cards

    found = cards()
    here = machine.describe_cards(found) if found else f"no GPU, {machine.processors()} processors"
    if address := profile_from().ray_address:
        from svta_resources.video.ray_cluster import checked_address

        return f"{here}; clips are made by the Ray cluster at {checked_address(address)}"
    return here


def _generator() -> str:
    """The generator can be opened here, and a device can hold it; nothing is loaded."""
    from svta_resources.video.generator import open_generator

    spec = profile_from().generator
    generator = open_generator(spec)
    if check := getattr(generator, "check_device", None):
        check()
    return spec


@cache
def _own_clips() -> "tuple[Any, pl.DataFrame]":
    """The home, opened, and the configured generator's clips in it; (None, no rows) where another check refuses it."""
    import polars as pl

    from svta_assets.workspace import open_workspace

    try:
        work = open_workspace()
        clips = work.catalog.read("clips")
    except SvtaError:
        return None, pl.DataFrame()
    return work, clips.filter(pl.col("generator") == work.profile.generator)


def _speed() -> str:
    """Clips an hour, as the clips of the home were made; nothing is measured here."""
    from svta_assets.videos.costs import device_hour_price

    price, time = device_hour_price(), _clip_time()
    if time is None or not time.clips:
        return "not measured yet; `svta regen <category> --mode missing --pilot 4` makes four clips and tells"
    cost = f", {price * time.seconds / 3600:.3g} a clip at {price:g} an hour" if price is not None else ""
    when = time.newest[:16].replace("T", " ")
    return f"{time.per_hour:,.0f} clips an hour and device (median of {time.clips}, newest {when} UTC){cost}"


def _clip_time() -> "ClipTime | None":
    """Seconds of a clip under today's settings where they can be told, else under any; None without a home."""
    from svta_assets.videos.costs import clip_time, of_settings, rendered

    work, clips = _own_clips()
    if work is None:
        return None
    rows = rendered(clips, work.profile.generator)
    with suppress(SvtaError):  # a generator that cannot be opened here: its own check says why
        rows = of_settings(rows, work.generator.recipe())
    return clip_time(rows, 0.0)


def _language_model() -> str:
    """Models and addresses. Never a key, and no user name or password that an address may hold."""
    from svta_resources.llm_models import listed_models

    if listed := listed_models():
        return ", ".join(f"{one.chat.model} at {one.chat.provider}" for one in listed)
    profile = profile_from()
    address = profile.llm_base_url or os.environ.get("OPENAI_BASE_URL") or ""
    model = profile.llm_model or os.environ.get("SVTA_LLM_MODEL") or ""
    if not model:
        raise SvtaError("no model: set SVTA_LLM_MODEL, and OPENAI_BASE_URL for a server of your own")
    if not address and not os.environ.get("OPENAI_API_KEY"):
        raise SvtaError(f"no key for {model}: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own")
    if address == EMBEDDED_LLM:
        return f"{model}, in this process"
    parts = urlsplit(address)
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}" if address else ""
    return f"{model} at {shown or 'the client library default address'}"


def _sources() -> str:
    folder = os.environ.get("SVTA_SOURCES_DIR")
    if not folder:
        return "packaged sentences (set SVTA_SOURCES_DIR for UCA, UCFCrime-AR and OOPS!)"
    if not Path(folder).is_dir():
        raise SvtaError(f"SVTA_SOURCES_DIR={folder} is not a folder: correct it, or unset it for packaged sentences")
    return folder


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "packages": _packages,
    "video packages": _video_packages,
    "home": _home,
    "writable": _writable,
    "disk": _disk,
    "memory": _memory,
    "media": _media,
    "dagster": _dagster,
    "devices": _devices,
    "video generator": _generator,
    "speed": _speed,
    "language model": _language_model,
    "sources": _sources,
}
