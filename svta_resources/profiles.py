"""A profile is three things together: resources, a Dagster instance file and a home.

`home.json` records which profile a home belongs to, so that toy and real clips never share tables or a release.
Nothing here touches the disk until something is about to be written (`Home.prepare`).
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from svta_resources.errors import SvtaError

EMBEDDED_LLM = "http://embedded/v1"
HOME_FILE = "home.json"


class HomeError(SvtaError):
    """The home cannot be used: another profile's, unreadable or not writable."""


@dataclass(frozen=True)
class Profile:
    """Settings that change together between a laptop, a GPU machine and production.

    Attributes:
        descriptions_per_seed: LLM descriptions for each seed anomaly (paper: 50).
        normal_categories, anomaly_categories: k of the two k-means fits (paper: 30 and 68).
        promote: "auto" makes accepted new takes current at once, "manual" waits for `svta regen --promote`.
        pool: "inline", "processes" (of this machine), or "ray" where ray_address is set.
        workers: workers of the video pool; 0 means one per processor (CPU) or device (GPU).
        confirm_above_gpu_hours: a larger `videos` run stops with its plan unless confirmed.
        recipe: training recipe of `model_checkpoints`.
    """

    name: str
    generator: str
    llm_base_url: str
    llm_model: str
    descriptions_per_seed: int
    normal_categories: int
    anomaly_categories: int
    promote: str
    pool: str
    workers: int
    confirm_above_gpu_hours: float
    recipe: str
    instance_file: str = "dagster.yaml"
    ray_address: str = ""


PROFILES: dict[str, Profile] = {
    "demo": Profile(
        name="demo",
        generator="procedural",
        llm_base_url=EMBEDDED_LLM,
        llm_model="embedded-rules",
        descriptions_per_seed=40,
        normal_categories=2,
        anomaly_categories=10,
        promote="auto",
        pool="processes",
        workers=0,
        confirm_above_gpu_hours=1.0,
        recipe="scratch",
    ),
    "gpu": Profile(
        name="gpu",
        generator="wan:wan2.1-t2v-14b",
        llm_base_url="",  # the openai client's own OPENAI_BASE_URL
        llm_model="",
        descriptions_per_seed=50,
        normal_categories=30,
        anomaly_categories=68,
        promote="manual",
        pool="processes",
        workers=0,
        confirm_above_gpu_hours=1.0,
        recipe="scratch",
    ),
}
PROFILES["production"] = replace(
    PROFILES["gpu"], name="production", confirm_above_gpu_hours=8.0, instance_file="deploy/production/one-machine.yaml"
)
WITH_RAY = {"production": "deploy/production/dagster.yaml"}  # instance files that start runs on a Ray cluster


def project_root() -> Path:
    """The checkout that holds the packages; the current folder when SVTA is installed without one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def profile_from(environ: Mapping[str, str] | None = None) -> Profile:
    """Read SVTA_PROFILE and the settings that override it. Raises SvtaError for an unknown profile."""
    environ = os.environ if environ is None else environ
    name = environ.get("SVTA_PROFILE") or "demo"
    if name not in PROFILES:
        raise SvtaError(f"SVTA_PROFILE={name!r} is not a profile; use one of: {', '.join(PROFILES)}")
    profile = PROFILES[name]
    if generator := environ.get("SVTA_VIDEO_GENERATOR"):
        profile = replace(profile, generator=generator)
    if workers := environ.get("SVTA_WORKERS"):
        profile = replace(profile, workers=_workers(workers))
    if address := environ.get("SVTA_RAY_ADDRESS"):
        file = WITH_RAY.get(name, profile.instance_file)
        profile = replace(profile, pool="ray", ray_address=address, instance_file=file)
    if model := environ.get("SVTA_LLM_MODEL"):
        profile = replace(profile, llm_model=model, llm_base_url=environ.get("OPENAI_BASE_URL") or "")
    return profile


def _workers(given: str) -> int:
    if not given.isdigit():
        raise SvtaError(f"SVTA_WORKERS={given!r} is not a number of processes; set 1 or more, or 0 for one a device")
    return int(given)


@dataclass(frozen=True)
class Home:
    """Where a profile keeps everything.

    Attributes:
        path: folder of the home, absolute.
        media_url: the store of clips and metadata: the home itself, or SVTA_MEDIA_URL.
    """

    profile: Profile
    path: Path
    media_url: str

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance: DAGSTER_HOME where set, else inside the home."""
        given = os.environ.get("DAGSTER_HOME")
        return Path(given).expanduser().absolute() if given else self.path / "dagster"

    def check(self) -> None:
        """Refuse a home of another profile. Reads only."""
        marker = self.path / HOME_FILE
        try:
            recorded = json.loads(marker.read_text())["profile"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HomeError(f"{marker} cannot be read ({error}); restore it or choose another SVTA_HOME") from error
        if recorded != self.profile.name:
            raise HomeError(
                f"{self.path} belongs to profile {recorded!r}, not {self.profile.name!r}: "
                f"run with SVTA_PROFILE={recorded}, or give this profile a home of its own with SVTA_HOME"
            )

    def prepare(self) -> None:
        """Create what is missing of the home. Raises HomeError when it cannot be written or is another profile's."""
        self.check()
        marker = self.path / HOME_FILE
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not marker.exists():
                facts = {"profile": self.profile.name, "created_at": datetime.now(UTC).isoformat()}
                _write_whole(marker, json.dumps(facts) + "\n")
        except OSError as error:
            raise HomeError(
                f"home {self.path} cannot be written ({error.strerror or error}): "
                "free space or give write access, or set SVTA_HOME to another folder"
            ) from error

    def prepare_dagster(self) -> Path:
        """Create the Dagster instance folder with the profile's instance file; return it.

        Raises HomeError when it cannot be written, or when a setting or package that the file asks for is missing.
        """
        self.prepare()
        folder = self.dagster_home
        target = folder / "dagster.yaml"
        if not target.exists():
            source = project_root() / self.profile.instance_file
            if not source.is_file():
                raise HomeError(f"instance file {source} is missing: run from a checkout of the project")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _write_whole(target, source.read_text())
            except OSError as error:
                raise HomeError(f"{target} cannot be written ({error.strerror or error}): set DAGSTER_HOME") from error
        check_instance_file(target)
        return folder


def check_instance_file(path: Path, environ: Mapping[str, str] | None = None) -> None:
    """Refuse an instance file that this environment cannot serve, before Dagster does so with a traceback.

    Raises HomeError naming the environment variables it reads that are not set, or the package it needs.
    """
    import yaml

    environ = os.environ if environ is None else environ
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise HomeError(f"{path} cannot be read as YAML ({error}): repair it, or remove it to get a new one") from error
    entries = list(_mappings(settings))
    asked = dict.fromkeys(entry["env"] for entry in entries if set(entry) == {"env"})
    if unset := [name for name in asked if name not in environ]:
        raise HomeError(f"{path} reads settings from the environment, of which {', '.join(unset)} must still be set")
    modules = [str(entry["module"]) for entry in entries if "module" in entry and "class" in entry]
    if any("postgres" in entry for entry in entries):
        modules.append("dagster_postgres")
    for package in (name.partition(".")[0] for name in modules):
        if find_spec(package) is None:
            raise HomeError(
                f"{path} needs the package {package}: install it beside SVTA "
                "(dagster_postgres comes with `pip install '.[production]'`)"
            )


def _mappings(settings: object) -> Iterator[Mapping[str, Any]]:
    """Every mapping of a YAML document, in its order."""
    if isinstance(settings, Mapping):
        yield settings
    inner = settings.values() if isinstance(settings, Mapping) else settings if isinstance(settings, list) else ()
    for one in inner:
        yield from _mappings(one)


def _write_whole(target: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        os.replace(temporary, target)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def home_from(environ: Mapping[str, str] | None = None) -> Home:
    """Find the home from SVTA_PROFILE, SVTA_HOME and SVTA_MEDIA_URL without touching the disk."""
    environ = os.environ if environ is None else environ
    profile = profile_from(environ)
    given = environ.get("SVTA_HOME")
    path = Path(given).expanduser().absolute() if given else project_root() / ".svta" / profile.name
    return Home(profile, path, environ.get("SVTA_MEDIA_URL") or str(path))
