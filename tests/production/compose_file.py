"""Reads compose.yaml as `docker compose` does, and runs its services as processes: the tests have no Docker engine."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from svta_resources.profiles import project_root

COMPOSE = project_root() / "deploy" / "docker" / "compose.yaml"
DOCKERFILE = COMPOSE.with_name("Dockerfile")
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")
# what the entry point of an image puts between the program and its arguments (docker/entrypoint.sh of SeaweedFS)
ENTRY_POINTS = {
    "chrislusf/seaweedfs": ("weed", ["-dir=/data", "-master.volumePreallocate", "-master.volumeSizeLimitMB=1024"])
}


class Unset(Exception):
    """A variable that compose.yaml insists on is not set."""


def read_compose(environment: Mapping[str, str]) -> dict[str, Any]:
    """The file with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` filled in from `environment` alone."""

    def value(match: re.Match[str]) -> str:
        given = environment.get(match["name"], "")
        if given or match["kind"] is None:
            return given
        if match["kind"] == "?":
            raise Unset(f"{match['name']}: {match['word']}")
        return match["word"]

    def filled(node: Any) -> Any:
        if isinstance(node, str):
            return VARIABLE.sub(value, node)
        if isinstance(node, dict):
            return {key: filled(entry) for key, entry in node.items()}
        return [filled(entry) for entry in node] if isinstance(node, list) else node

    return dict(filled(yaml.safe_load(COMPOSE.read_text())))


def image_environment(home: Path) -> dict[str, str]:
    """What the Dockerfile sets, with `home` for the folder of the image's user."""
    lines = [line.split()[1:] for line in DOCKERFILE.read_text().splitlines() if line.startswith("ENV ")]
    pairs = (entry.partition("=") for line in lines for entry in line)
    return {name: value.replace("/home/svta", str(home)) for name, _, value in pairs}


def needs(settings: Mapping[str, Any]) -> dict[str, str]:
    """The services that one waits for, and for what of each."""
    return {name: given["condition"] for name, given in settings.get("depends_on", {}).items()}


def argv(command: list[str]) -> list[str]:
    """A command of an image, run from this environment instead: the programs beside this Python."""
    if command[0] == "CMD-SHELL":
        return ["sh", "-c", *command[1:]]
    command = command[1:] if command[0] == "CMD" else command
    beside = Path(sys.executable).with_name(command[0])
    return [str(beside if beside.exists() else command[0]), *command[1:]]


class Service:
    """One service of compose.yaml as a process in the project's folder, as the image has it.

    Args:
        base: the environment that the image brings.
        disk: a folder for what the service keeps in its volume.
    """

    def __init__(self, name: str, settings: dict[str, Any], base: Mapping[str, str], log: Path, disk: Path) -> None:
        self.name, self._settings, self._log, self._disk = name, settings, log, disk
        self.environment = {**base, **{key: str(entry) for key, entry in settings["environment"].items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What runs: the image's entry point with the service's command, paths in the volume replaced."""
        given = self._settings["command"]
        words = shlex.split(given) if isinstance(given, str) else list(given)
        image = str(self._settings.get("image", "")).partition(":")[0]
        if image in ENTRY_POINTS:
            program, added = ENTRY_POINTS[image]
            words = [program, words[0], *added, *words[1:]]
        for volume in self._settings.get("volumes", []):
            place = volume.split(":")[1]
            words = [word.replace(f"={place}", f"={self._disk}") for word in words]
        return argv(words)

    def start(self) -> None:
        self._disk.mkdir(exist_ok=True)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self.command(), env=self.environment, cwd=project_root(), stdout=log, stderr=log
            )

    def run(self) -> int:
        """A service that ends by itself; its exit status."""
        self.start()
        assert self._process is not None
        return self._process.wait(120)

    def healthy(self) -> bool:
        """Do what the health check of the service does, once."""
        ended = self._process is not None and self._process.poll() is not None
        assert not ended, f"{self.name} has ended: {self.said()}"
        check = argv(self._settings["healthcheck"]["test"])
        done = subprocess.run(
            check, env=self.environment, cwd=project_root(), capture_output=True, check=False, timeout=60
        )
        return done.returncode == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""
