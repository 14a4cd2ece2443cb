"""Homes for tests: what the environment of a fresh user looks like, and the real commands run in one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svta_assets.workspace import Workspace
from svta_models.media_store import sha256_hex
from svta_resources.profiles import PROFILES, Home, project_root

_NOT_SET = (
    "SVTA_PROFILE", "SVTA_SOURCES_DIR", "SVTA_MEDIA_URL", "SVTA_LLM_MODEL", "SVTA_VIDEO_GENERATOR", "SVTA_WAN_DIR",
    "SVTA_GPU_HOUR_PRICE", "SVTA_WORKERS", "SVTA_WAN_ATTENTION", "SVTA_WAN_COMPILE", "OPENAI_BASE_URL", "OPENAI_API_KEY",
    "SVTA_BENCHMARKS", "SVTA_MODELS", "SVTA_LLM_MODELS", "SVTA_EMBEDDINGS_MODEL", "SVTA_EMBEDDINGS_BASE_URL", "SVTA_CLIP_DIR",
    "SVTA_TRAINING_RECIPE", "SVTA_LABEL_ASK", "SVTA_LABEL_RUNS",
    "SVTA_RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "SVTA_CRON_VALIDATION", "SVTA_CRON_NIGHTLY", "SVTA_CRON_DIGEST",
    "SVTA_TIMEZONE",
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE",
)  # fmt: skip
DAGSTER, SVTA = (str(Path(sys.executable).with_name(name)) for name in ("dagster", "svta"))
MODULE = "svta_assets.definitions"


def clean_environment(home: Path) -> dict[str, str | None]:
    """Environment of a user of the demo profile with this home; None means the variable must not be set."""
    return {**dict.fromkeys(_NOT_SET), "SVTA_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def interrupt(server: subprocess.Popen[bytes]) -> None:
    """End a server as Ctrl-C does; by force, with all that it started, when it does not end (own session needed)."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@dataclass
class DrillHome:
    """A demo home in which the real command line runs, as a user would run it."""

    path: Path
    ran: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  # environment of every command

    @property
    def work(self) -> Workspace:
        """The home, opened anew (no cached listing)."""
        return Workspace(Home(PROFILES["demo"], self.path, str(self.path)))

    def environment(self, **changed: str) -> dict[str, str]:
        """The environment of a command in this home."""
        quiet = {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        given = {name: value for name, value in clean_environment(self.path).items() if value is not None}
        inherited = {name: value for name, value in os.environ.items() if name not in clean_environment(self.path)}
        return {**inherited, **quiet, **given, **self.settings, **changed}

    def command(self, select: str, partition: str | None = None, config: dict[str, Any] | None = None) -> list[str]:
        """`dagster asset materialize` of a selection; `config` is run config by asset."""
        command = [DAGSTER, "asset", "materialize", "-m", MODULE, "--select", select]
        if partition:
            command += ["--partition", partition]
        if config:
            ops = {asset: {"config": values} for asset, values in config.items()}
            command += ["--config-json", json.dumps({"ops": ops})]
        return command

    def materialize(
        self, select: str, partition: str | None = None, config: dict[str, Any] | None = None, **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end. Output is kept; the caller judges the exit code."""
        return subprocess.run(
            self.command(select, partition, config),
            env=self.environment(**changed),
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def execute(self, job: str, config: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """`dagster job execute` to its end; `config` is run config by op."""
        return subprocess.run(
            self._job(job, config),
            env=self.environment(),
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def start_job(self, job: str, config: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start `dagster job execute` and return at once."""
        return subprocess.Popen(
            self._job(job, config),
            env=self.environment(),
            cwd=project_root(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _job(self, job: str, config: dict[str, Any]) -> list[str]:
        ops = {"ops": {op: {"config": values} for op, values in config.items()}}
        file = Path(self.environment()["DAGSTER_HOME"]) / f"{job}.run.json"
        file.write_text(json.dumps(ops))
        return [DAGSTER, "job", "execute", "-m", MODULE, "-j", job, "-c", str(file)]

    def svta(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `svta` command to its end."""
        return subprocess.run(
            [SVTA, *arguments],
            env=self.environment(),
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def start(self, select: str, partition: str, config: dict[str, Any] | None = None) -> subprocess.Popen[bytes]:
        """Start the command and return at once."""
        return subprocess.Popen(
            self.command(select, partition, config),
            env=self.environment(),
            cwd=project_root(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def must(self, name: str, select: str, partition: str | None = None) -> None:
        """Run a step that later tests build on, and remember how it went."""
        done = self.ran[name] = self.materialize(select, partition)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def prepare(self) -> "DrillHome":
        """Create the home and its Dagster instance with the demo's instance file."""
        (self.path / "dagster").mkdir(parents=True)
        shutil.copyfile(project_root() / "dagster.yaml", self.path / "dagster" / "dagster.yaml")
        return self

    def copy(self, to: Path) -> "DrillHome":
        """The same home elsewhere, for a test that changes it. Nothing in a home knows where it lies."""
        shutil.copytree(self.path, to)
        return DrillHome(to, dict(self.ran), dict(self.settings))

    def files(self, category: str) -> dict[str, str]:
        """Name of every finished mp4 of a category -> sha256 of its bytes on the disk."""
        folder = self.path / "clips" / category
        return {path.name: sha256_hex(path.read_bytes()) for path in sorted(folder.glob("*.mp4"))}

    def partials(self) -> list[str]:
        """Unfinished files anywhere in the home."""
        return sorted(path.name for path in self.path.rglob("*.part"))
