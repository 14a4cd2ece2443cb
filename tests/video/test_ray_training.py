"""One training over two real Ray nodes: the weights of one machine, also after a process or the run itself was lost."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from ray_nodes import HEAD, OTHER, RayNodes, ray_nodes
from ray_training_scenarios import METHOD, STATES, recipe

from svta_models.execution import Execution
from svta_models.media_store import open_store
from svta_models.release import Release, resolve, write_release
from svta_models.training import train
from svta_resources.profiles import project_root
from tests.models.synthetic import make_release_rows
from tests.models.tiny_clip import QUICK, write_tiny_clip
from tests.toy_home import DrillHome

SCENARIOS = Path(__file__).with_name("ray_training_scenarios.py")
MODEL = "clip4clip-tighttransf"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes with a release, and weights at toy size."""
    made = tmp_path_factory.mktemp("training")
    write_tiny_clip(made / "clip")
    for name in ("home", "private"):
        store = open_store(made / name)
        write_release(store, make_release_rows(store, per_scene=3, scenes=12))
    return made


@pytest.fixture(scope="module")
def nodes(folder: Path) -> Iterator[RayNodes]:
    with ray_nodes() as running:
        running.start(OTHER, disk=folder / "private")
        yield running


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, str]:
    """The run's; the nodes' own environment has neither weights nor a network."""
    return {"SVTA_CLIP_DIR": str(folder / "clip"), "GLOO_SOCKET_IFNAME": "lo"}


@pytest.fixture(scope="module")
def on_one_machine(folder: Path, settings: dict[str, str]) -> str:
    """The checkpoint of two processes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVTA_CLIP_DIR", settings["SVTA_CLIP_DIR"])
        store = open_store(folder / "home")
        how = Execution(processes=2)
        return train(Release(store, resolve(store)), store, "elsewhere", recipe(), method=METHOD, how=how).checkpoint_id


@pytest.fixture(scope="module")
def seen(nodes: RayNodes, folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    return told(nodes, folder, settings, "undisturbed", "refusals", "through_the_client")


def told(nodes: RayNodes, folder: Path, settings: dict[str, str], *looks: str) -> dict[str, Any]:
    """What a process that uses the cluster has seen (ray_training_scenarios)."""
    environment = {**nodes.environment, **settings, "PYTHONPATH": str(project_root())}
    command = [sys.executable, str(SCENARIOS), nodes.address, str(folder), *looks]
    done = nodes.namespace.run(command, environment, 400)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_two_nodes_train_what_two_processes_of_one_machine_do(seen: dict[str, Any], on_one_machine: str) -> None:
    """Bit for bit: the same sums in the same order, also where the driver is no node of the cluster."""
    assert seen["through_the_client"] == on_one_machine
    found = seen["undisturbed"]
    assert found["id"] == on_one_machine
    assert all(f"({node}) x1" in found["said"][0] for node in (HEAD, OTHER))
    assert len(found["states"]) == 2
    assert all(key.startswith(f"{STATES}/") for key in found["states"])


def test_a_node_that_cannot_take_part_is_named_and_a_small_cluster_waited_for(seen: dict[str, Any]) -> None:
    found = seen["refusals"]
    assert f"({OTHER}): the store " in found["store"]
    assert "is not the same one on" in found["store"]
    assert found["said"] == "the training wants 4 CPUs of the Ray cluster's 2; waiting"
    assert "did not give 4 CPUs at once within 1 s; it has 2." in found["too few"]


class Training:
    """`dagster asset materialize` of a model on the cluster, run inside of its network."""

    def __init__(self, nodes: RayNodes, home: DrillHome) -> None:
        self.nodes, self.home = nodes, home
        config = {"recipe": "paper", "settings": {**QUICK, "epochs": 3}, "cluster": "cpu", "checkpoint_every": 1}
        self.log = home.path / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                nodes.namespace.command(home.command("model_checkpoints", MODEL, {"model_checkpoints": config})),
                env=home.environment(RAY_TMPDIR=str(nodes.folder)),
                cwd=project_root(),
                stdout=log,
                stderr=log,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def newest_state(self) -> int:
        """Its number, 0 before the first."""
        found = sorted(self.home.path.glob(f"checkpoints/{MODEL}/.training/*/*.pt"))
        return int(found[-1].name[:8]) if found else 0

    def ranks(self, ip: str) -> list[int]:
        """Its processes on a node."""
        return self.nodes.workers(ip, "RankActor")

    def kill(self) -> None:
        """Kill the run itself, which is a child of the command that led it into the network."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            os.kill(int(pid), SIGKILL)
        self.process.wait(60)

    def trains_on(self, after: int) -> None:
        wait_for(f"a state after {after}", lambda: self.newest_state() > after, self)


def wait_for(what: str, holds: Callable[[], bool], run: Training | None = None, seconds: float = 400) -> None:
    began = time.monotonic()
    while not holds():
        assert run is None or run.process.poll() is None, f"the run ended before {what}: {run.said()[-6000:]}"
        assert time.monotonic() - began < seconds, f"no {what} within {seconds:g} s"
        time.sleep(0.02)


def test_a_lost_run_and_a_lost_process_change_nothing_of_the_weights(
    nodes: RayNodes, settings: dict[str, str], on_one_machine: str, tmp_path: Path
) -> None:
    home = DrillHome(tmp_path / "home", settings={**settings, "SVTA_RAY_ADDRESS": nodes.address}).prepare()
    write_release(home.work.store, make_release_rows(home.work.store, per_scene=3, scenes=12))

    first = Training(nodes, home)
    first.trains_on(0)
    first.kill()
    wait_for("end of the killed run's processes", lambda: not (first.ranks(HEAD) or first.ranks(OTHER)))

    second = Training(nodes, home)
    second.trains_on(first.newest_state())
    [lost] = second.ranks(OTHER)
    os.kill(lost, SIGKILL)
    assert second.process.wait(400) == 1
    [said] = {line for line in second.said().splitlines() if line.startswith("svta_models.errors.SvtaError")}
    assert re.search(
        rf"process 1 of the training's 2 on \S+ \({OTHER}\) is lost \(.*it goes on from the last state", said
    )

    third = Training(nodes, home)
    assert third.process.wait(400) == 0, third.said()[-6000:]
    assert "going on after step" in third.said()
    assert home.work.catalog.read("checkpoints", MODEL)["checkpoint_id"].to_list() == [on_one_machine]
    assert third.newest_state() == 0, "nothing is left of a training that has ended"


def test_a_lost_head_ends_a_training_with_one_sentence(nodes: RayNodes, folder: Path, settings: dict[str, str]) -> None:
    """Last in this file: the cluster is gone afterwards."""
    said = told(nodes, folder, settings, "without_head")["without_head"]
    assert f"The head of the Ray cluster at {nodes.address} is lost (nothing has answered at " in said
