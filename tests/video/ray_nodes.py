"""Real Ray nodes for tests, in a namespace of their own.

Ray listens on every interface whatever address it is given, so it is started where there is no interface but loopback;
processes of the namespace end with its first one, so nothing is left behind.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HEAD, OTHER = "127.0.0.1", "127.0.0.2"
PORT = 6390  # the namespace has all ports to itself
ATTEMPTS = 3  # Ray gives a node's helper processes 15 s to come up, which a busy machine does not always keep
START_S = 120.0
# a node that does not answer is declared dead after 8 s instead of 50
HEALTH = {"initial_delay_ms": "1000", "period_ms": "1000", "timeout_ms": "1000", "failure_threshold": "4"}
RAY = str(Path(sys.executable).with_name("ray"))


class Namespace:
    """A network without any interface but loopback, and processes that only see each other."""

    def __init__(self) -> None:
        alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if os.geteuid():
            alone += ["--user", "--map-root-user"]
        missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"Ray is tested in a network namespace only, and {', '.join(missing)} is not installed")
        self._first = subprocess.Popen(
            [*alone, "sh", "-c", "ip link set lo up && echo up && sleep infinity & wait"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._first.stdout is not None and self._first.stderr is not None
        if self._first.stdout.readline().strip() != "up":
            pytest.skip(
                f"Ray is tested in a network namespace only, and unshare is refused: {self._first.stderr.read()}"
            )
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children")
        self._inside = children.read_text().split()[0]

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` inside."""
        user = ["--user", "--preserve-credentials"] if os.geteuid() else []
        return ["nsenter", "-t", self._inside, "--net", "--pid", "--mount", *user, f"--wdns={os.getcwd()}", *argv]

    def run(self, argv: Sequence[str], env: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(argv), env=env, capture_output=True, text=True, check=False, timeout=timeout)

    def close(self) -> None:
        self._first.kill()
        self._first.communicate()


class RayNodes:
    """A head on 127.0.0.1 and, when asked for, a second node on 127.0.0.2.

    Each offers one processor and one GPU, which is there as far as its nvidia-smi tells.
    """

    address = f"{HEAD}:{PORT}"

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self._tools = folder / "bin"
        self._tools.mkdir()
        (self._tools / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU-a, Large, 90000, 90000, 1.0, 9.0'\n")
        (self._tools / "nvidia-smi").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the cluster gets. Bytecode is kept: its dozen processes import the same modules."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        own = {"RAY_TMPDIR": str(self.folder)}
        quick = {f"RAY_health_check_{name}": value for name, value in HEALTH.items()}
        return {**kept, **own, **quick, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}

    def start(self, ip: str) -> None:
        """Start a node; it is up when this returns."""
        first = 7000 if ip == HEAD else 7100
        names = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")
        command = [RAY, "start", f"--node-ip-address={ip}", "--num-cpus=1", "--num-gpus=1"]
        command += ["--object-store-memory=80000000"]
        command += [f"--{name}-port={first + number}" for number, name in enumerate(names)]
        command += ["--include-log-monitor=False"]
        if ip == HEAD:
            command += ["--head", f"--port={PORT}", "--include-dashboard=False", "--no-monitor"]
            command += ["--disable-usage-stats"]
        else:
            command += [f"--address={self.address}"]
        own = {"PATH": f"{self._tools}:{os.environ['PATH']}", "SVTA_LOCK_DIR": str(self.folder / f"locks-{ip}")}
        said = ""
        for _ in range(ATTEMPTS):
            done = self.namespace.run(command, {**self.environment, **own}, START_S)
            if done.returncode == 0:
                return
            said = done.stdout[-1500:] + done.stderr[-1500:]
            if ip == HEAD:  # it sees the namespace only
                self.namespace.run([RAY, "stop", "--force"], self.environment, START_S)
        pytest.fail(f"the Ray node on {ip} does not start: {said}")

    def raylet(self, ip: str) -> int:
        """Process id of a node's raylet, as seen from outside."""
        [found] = [pid for pid, line in _processes() if "/raylet/raylet " in line and f"_ip_address={ip} " in line]
        return found

    def state(self, pid: int) -> str:
        """One letter, as ps shows it: R and S live, Z is dead and X gone."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    def workers(self, ip: str) -> list[int]:
        """Workers of the pool on a node: children of its raylet."""
        parent = self.raylet(ip)
        return [pid for pid, line in _processes() if line.startswith("ray::RayWorker") and _parent(pid) == parent]


def _processes() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    """A namespace with a head that runs in it; everything ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="svta-ray-"))  # short: it holds sockets, whose paths must be
    namespace = Namespace()
    try:
        nodes = RayNodes(namespace, folder)
        nodes.start(HEAD)
        yield nodes
    finally:
        namespace.close()
        time.sleep(0.2)  # the kernel ends the processes; they may still write
        shutil.rmtree(folder, ignore_errors=True)
