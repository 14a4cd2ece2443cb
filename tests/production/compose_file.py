"""Reads compose.yaml as `docker compose` does, and runs its services as processes: the tests have no Docker engine."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from svta_resources.profiles import project_root

COMPOSE = project_root() / "deploy" / "docker" / "compose.yaml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")


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


def argv(command: list[str]) -> list[str]:
    """A command of the image, run from this environment instead: the programs beside this Python."""
    command = command[1:] if command[0] == "CMD" else command
    beside = Path(sys.executable).with_name(command[0])
    return [str(beside if beside.exists() else command[0]), *command[1:]]


class Service:
    """One service of compose.yaml as a process in the project's folder, as the image has it."""

    def __init__(self, name: str, settings: dict[str, Any], base: Mapping[str, str], log: Path) -> None:
        self.name, self._settings, self._log = name, settings, log
        self.environment = {**base, **{key: str(entry) for key, entry in settings["environment"].items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                argv(self._settings["command"]), env=self.environment, cwd=project_root(), stdout=log, stderr=log
            )

    def run(self) -> int:
        """A service that ends by itself; its exit status."""
        self.start()
        assert self._process is not None
        return self._process.wait(120)

    def healthy(self) -> bool:
        """Do what the health check of the service does, once."""
        assert self._process is not None and self._process.poll() is None, f"{self.name} has ended: {self.said()}"
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
        return self._log.read_text(errors="replace")[-4000:]
