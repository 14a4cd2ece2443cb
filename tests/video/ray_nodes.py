"""Real Ray nodes for tests, in a namespace of their own.

Ray listens on every interface whatever address it is given, so it is started where there is no interface but loopback;
processes of the namespace end with its first one, so nothing is left behind.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

HEAD, OTHER, THIRD, FOURTH = (f"127.0.0.{number}" for number in range(1, 5))
PORT, JOB_SERVER_PORT = 6390, 8265  # the namespace has all ports to itself
ATTEMPTS = 3  # a busy machine does not always keep the times that Ray gives the processes of a node
START_S = 120.0
# a node that does not answer is declared dead after 8 s instead of 50
HEALTH = {"initial_delay_ms": "1000", "period_ms": "1000", "timeout_ms": "1000", "failure_threshold": "4"}
RAY = str(Path(sys.executable).with_name("ray"))


class Place(Protocol):
    """Where the commands of a cluster run."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]: ...


class Inside:
    """The place of a process that was itself started in a namespace."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=timeout)


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

    def run(self, argv: Sequence[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(argv), env=env, capture_output=True, text=True, check=False, timeout=timeout)

    def close(self) -> None:
        self._first.kill()
        self._first.communicate()


class RayNodes:
    """A head on 127.0.0.1 and, when asked for, further nodes on 127.0.0.2 and so on.

    Each offers one processor and one GPU unless `start` is told otherwise; the GPU is there as far as its nvidia-smi
    tells. `extra` is for the environment of all. A cluster whose jobs join it needs its head elsewhere: for a job, Ray
    takes 127.0.0.1 for the address of the job's own node.
    """

    def __init__(
        self, namespace: Place, folder: Path, extra: Mapping[str, str] | None = None, head: str = HEAD
    ) -> None:
        self.namespace, self.folder, self.extra, self.head = namespace, folder, dict(extra or {}), head
        self.address, self.job_server = f"{head}:{PORT}", f"http://{head}:{JOB_SERVER_PORT}"
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
        told = {"RAY_USAGE_STATS_ENABLED": "0", "GRPC_ENABLE_FORK_SUPPORT": "0"}  # docs/many-gpus.md says why
        return {**kept, **own, **quick, **told, "PYTHONWARNINGS": "ignore", **self.extra}

    def start(self, ip: str, cpus: int = 1, gpus: int = 1, job_server: bool = False, disk: Path | None = None) -> None:
        """Start a node; it is up when this returns.

        Args:
            job_server: for the head: runs can be submitted to it.
            disk: a folder of which the node sees one of its own, empty at first, as another machine would.
        """
        command = [
            *self._own(disk, ip),
            RAY,
            "start",
            f"--node-ip-address={ip}",
            f"--num-cpus={cpus}",
            f"--num-gpus={gpus}",
        ]
        command += ["--object-store-memory=80000000", "--include-log-monitor=False", *_port_options(ip)]
        if ip == self.head:
            command += ["--head", f"--port={PORT}", f"--include-dashboard={job_server}", "--no-monitor"]
            command += [f"--dashboard-host={ip}", f"--dashboard-port={JOB_SERVER_PORT}", "--disable-usage-stats"]
        else:
            command += [f"--address={self.address}"]
        own = {"PATH": f"{self._tools}:{self.environment['PATH']}", "SVTA_LOCK_DIR": str(self.folder / f"locks-{ip}")}
        said = ""
        for _ in range(ATTEMPTS):
            own["RAY_OVERRIDE_NODE_ID_FOR_TESTING"] = node_id = secrets.token_hex(28)
            with self._announced(node_id, _agent_ports(ip)):
                done = self.namespace.run(command, {**self.environment, **own}, START_S)
            if done.returncode == 0:
                return
            said = done.stdout[-1500:] + done.stderr[-1500:]
            if ip == self.head:  # it sees the namespace only
                self.namespace.run([RAY, "stop", "--force"], self.environment, START_S)
        pytest.fail(f"the Ray node on {ip} does not start: {said}")

    @contextmanager
    def _announced(self, node_id: str, ports: Mapping[str, int]) -> Iterator[None]:
        """Name the ports of a starting node's agents in its session, where the agents write them once they are up.

        The raylet gives up after 15 s without these files, no setting says otherwise, and importing what an agent
        needs takes longer on a busy machine. The ports are known beforehand, so nobody has to wait.
        """
        started = threading.Event()

        def announce() -> None:
            told: set[Path] = set()
            while not started.wait(0.1):
                for session in set((self.folder / "ray").glob("session_2*")) - told:
                    for name, port in ports.items():
                        whole = session / f".{name}_port"
                        whole.write_text(str(port))
                        whole.rename(session / f"{name}_port_{node_id}")
                    told.add(session)

        watching = threading.Thread(target=announce)
        watching.start()
        try:
            yield
        finally:
            started.set()
            watching.join()

    def wait_for_agent(self, ip: str) -> None:
        """Wait until the agent of a node answers, which may be after `start`; jobs need it. For processes inside."""
        began, port = time.monotonic(), _agent_ports(ip)["dashboard_agent_listen"]
        while True:
            try:
                socket.create_connection((ip, port), timeout=5).close()
            except OSError:
                assert time.monotonic() - began < START_S, f"no agent of the Ray node on {ip}"
                time.sleep(0.2)
            else:
                return

    def _own(self, disk: Path | None, ip: str) -> list[str]:
        """What goes before a node's command, for a folder of its own in place of `disk`."""
        if disk is None:
            return []
        own, bound = self.disk(ip), 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        own.mkdir(exist_ok=True)
        return ["unshare", "--mount", "sh", "-c", bound, "sh", str(own), str(disk)]

    def disk(self, ip: str) -> Path:
        """What a node sees where it was started with a `disk`."""
        return self.folder / f"disk-{ip}"

    def raylet(self, ip: str) -> int:
        """Process id of a node's raylet, as seen from outside."""
        mine = (f"={self.folder}", f"_ip_address={ip} ")  # other tests' nodes have the same addresses
        lines = [(pid, f"{line} ") for pid, line in _processes() if "/raylet/raylet " in line]
        [found] = [pid for pid, line in lines if all(part in line for part in mine)]
        return found

    def state(self, pid: int) -> str:
        """One letter, as ps shows it: R and S live, Z is dead and X gone."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    def workers(self, ip: str, kind: str = "RayWorker") -> list[int]:
        """Actors of a kind on a node, by default workers of the pool: children of its raylet."""
        parent = self.raylet(ip)
        return [pid for pid, line in _processes() if line.startswith(f"ray::{kind}") and _parent(pid) == parent]


def _agent_ports(ip: str) -> dict[str, int]:
    """Ports of a node's agents, by Ray's names: the nodes of a test share one machine, so each has its own."""
    first = 6900 + 100 * int(ip.rpartition(".")[2])
    names = ("dashboard_agent_listen", "metrics_agent", "runtime_env_agent", "metrics_export")
    return {name: first + number for number, name in enumerate(names)}


def _port_options(ip: str) -> list[str]:
    """The same as options of `ray start`, which calls one of them otherwise."""
    options = {"metrics_agent": "dashboard_agent_grpc"}
    return [f"--{options.get(name, name).replace('_', '-')}-port={port}" for name, port in _agent_ports(ip).items()]


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
