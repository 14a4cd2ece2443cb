"""`svta doctor`."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from svta_models.errors import SvtaError

PACKAGES = ("dagster", "duckdb", "polars", "torch", "av", "skia-python", "openai", "obstore")
LEAST_FREE_GB = 2.0


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check this machine, the home and the settings; exit code 1 when something needs attention."""
    problems = 0
    for name, look in CHECKS.items():
        try:
            click.echo(f"ok       {name}: {look()}")
        except SvtaError as error:
            problems += 1
            click.echo(f"problem  {name}: {error}")
    ctx.exit(1 if problems else 0)


def _home() -> str:
    from svta_resources.profiles import home_from

    home = home_from()
    home.check()
    return f"profile {home.profile.name} at {home.path}, media in {home.media_url}"


def _writable() -> str:
    from svta_resources.profiles import home_from

    folder = home_from().path
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise SvtaError(f"{folder} is not writable: give this user write access or set SVTA_HOME")
    return str(folder)


def _disk() -> str:
    from svta_resources.profiles import home_from

    folder: Path = home_from().path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < LEAST_FREE_GB:
        raise SvtaError(f"{free:.1f} GB free at {folder}, a demo needs {LEAST_FREE_GB:g}: free space or set SVTA_HOME")
    return f"{free:.0f} GB free"


def _python() -> str:
    if sys.version_info[:2] < (3, 11):  # noqa: UP036  (an old interpreter can run this file)
        raise SvtaError(f"Python {sys.version.split()[0]} is too old: use 3.11 or 3.12, then `make env`")
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


def _devices() -> str:
    from svta_resources.gpu import visible_devices

    return ", ".join(visible_devices()) or f"no GPU, {os.cpu_count()} processors"


def _generator() -> str:
    from svta_resources.profiles import profile_from
    from svta_resources.video.generator import open_generator

    spec = profile_from().generator
    open_generator(spec)
    return spec


def _language_model() -> str:
    from svta_resources.profiles import profile_from

    profile = profile_from()
    return f"{profile.llm_model or 'SVTA_LLM_MODEL is not set'} at {profile.llm_base_url or 'OPENAI_BASE_URL'}"


def _sources() -> str:
    folder = os.environ.get("SVTA_SOURCES_DIR")
    if not folder:
        return "packaged sentences (set SVTA_SOURCES_DIR for UCA, UCFCrime-AR and OOPS!)"
    if not Path(folder).is_dir():
        raise SvtaError(f"SVTA_SOURCES_DIR={folder} is not a folder")
    return folder


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "packages": _packages,
    "home": _home,
    "writable": _writable,
    "disk": _disk,
    "devices": _devices,
    "video generator": _generator,
    "language model": _language_model,
    "sources": _sources,
}
