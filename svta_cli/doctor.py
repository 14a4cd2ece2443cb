"""`svta doctor`: what is fine here, what is not, and what to do about it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import click

from svta_models.errors import SvtaError
from svta_resources.profiles import EMBEDDED_LLM, Home, check_instance_file, home_from, profile_from

PACKAGES = ("dagster", "dagster-webserver", "duckdb", "polars", "torch", "av", "skia-python", "openai", "obstore")
LEAST_FREE_GB = 2.0
PYTHONS = ((3, 11), (3, 12))


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check this machine, the home and the settings; exit code 1 when something needs attention. Changes nothing."""
    problems = 0
    for name, look in CHECKS.items():
        try:
            click.echo(f"ok       {name}: {look()}")
        except SvtaError as error:
            problems += 1
            click.echo(f"problem  {name}: {error}")
    ctx.exit(1 if problems else 0)


def _python() -> str:
    if sys.version_info[:2] not in PYTHONS:
        raise SvtaError(f"Python {sys.version.split()[0]} is not supported: make env PYTHON=python3.11")
    return sys.version.split()[0]


def _packages() -> str:
    found, missing = [], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        raise SvtaError(f"{', '.join(missing)} not installed: run `make env`")
    return ", ".join(found)


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
    folder = _nearest_folder(home_from().path)
    free = shutil.disk_usage(folder).free / 1e9
    if free < LEAST_FREE_GB:
        raise SvtaError(f"{free:.1f} GB free at {folder}, a demo needs {LEAST_FREE_GB:g}: free space or set SVTA_HOME")
    return f"{free:.0f} GB free"


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
    from svta_resources.gpu import visible_devices

    return ", ".join(visible_devices()) or f"no GPU, {len(os.sched_getaffinity(0))} processors"


def _generator() -> str:
    from svta_resources.video.generator import open_generator

    spec = profile_from().generator
    open_generator(spec)
    return spec


def _language_model() -> str:
    """Model and address. Never the key, and no user name or password that an address may hold."""
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
    "home": _home,
    "writable": _writable,
    "disk": _disk,
    "media": _media,
    "dagster": _dagster,
    "devices": _devices,
    "video generator": _generator,
    "language model": _language_model,
    "sources": _sources,
}
