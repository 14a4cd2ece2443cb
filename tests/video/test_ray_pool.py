"""The pool over Ray on two real nodes; last, a backfill that one of them is lost of: every clip is there once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import HEAD, OTHER, RayNodes, ray_nodes

from svta_models.media_store import sha256_hex
from svta_resources.profiles import project_root
from svta_resources.video.pool import MAX_RETRIES
from tests.toy_home import DrillHome

SCENARIOS, HEAD_LOST = (Path(__file__).with_name(f"{name}.py") for name in ("ray_pool_scenarios", "ray_head_lost"))
CATEGORY = "fighting"
GENERATOR = "procedural?height=240&width=416&frames=49"  # half a second a clip: long enough to be lost in one
CLIPS, BEFORE = 16, 4  # all, and those that are made when the node is lost
pytestmark = pytest.mark.timeout(900)  # two nodes start, each with processes of its own, and one is declared dead


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes() as running:
        running.start(OTHER)
        yield running


@pytest.fixture(scope="module")
def seen(nodes: RayNodes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process that uses the pool has seen (ray_pool_scenarios)."""
    return told(nodes, SCENARIOS, tmp_path_factory.mktemp("scenarios"))


def told(nodes: RayNodes, script: Path, folder: Path) -> dict[str, Any]:
    """The JSON that a script prints which is run inside of the cluster's network."""
    environment = {**nodes.environment, "PYTHONPATH": str(project_root())}
    done = nodes.namespace.run([sys.executable, str(script), nodes.address, str(folder)], environment, 400)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_job_is_answered_once_by_resident_workers_on_both_nodes(seen: dict[str, Any]) -> None:
    plain = seen["plain"]
    assert sorted(plain["first"]) == list(range(len(plain["first"])))
    assert plain["second"] == {str(job): job * job for job in range(40)}
    assert plain["answers"] == 40
    assert len(plain["workers"][0]) == 2
    assert plain["workers"][1] == plain["workers"][0], "the same processes in the next run"
    assert {HEAD, OTHER} == {node.partition("(")[2].rstrip(")") for node in plain["nodes"]}
    assert plain["after_an_early_end"] == [0, 1, 2, 3, 4]


def test_an_exception_is_the_jobs_error_and_the_others_go_on(seen: dict[str, Any]) -> None:
    errors = seen["errors"]["failing"]
    assert [job for job, error in sorted(errors.items()) if error] == ["1", "3", "5"]
    assert "ValueError: job 3 is odd" in errors["3"]
    assert "cannot be sent back" in seen["errors"]["unsendable"]


def test_a_worker_that_cannot_be_built_or_sees_another_store_ends_the_run_with_its_reason(seen: dict[str, Any]) -> None:
    assert "no weights here" in seen["errors"]["broken"]
    assert "is not the same one on" in seen["errors"]["elsewhere"]


def test_a_worker_for_a_gpu_gets_one_from_ray_and_leases_it(seen: dict[str, Any]) -> None:
    kind, visible, _ = seen["device"]
    assert (kind, visible) == ("cuda", "0"), "a worker that cannot lease its card is not built"


def test_a_job_that_kills_its_workers_is_given_up_and_the_others_finish(seen: dict[str, Any]) -> None:
    losses = seen["losses"]
    assert sorted(losses["deadly"], key=int) == [str(job) for job in range(9)]
    assert {job for job, (_, error, _) in losses["deadly"].items() if error} == {"5"}
    _, error, deaths = losses["deadly"]["5"]
    assert "its worker died 3 times" in error and "given up" in error
    assert deaths == losses["starts"] == 1 + MAX_RETRIES
    assert losses["left"] == 0, "what workers look for in the store is removed"


def test_a_job_whose_worker_or_device_is_lost_once_is_made_by_another_and_counted(seen: dict[str, Any]) -> None:
    once, lost = seen["losses"]["once"], seen["losses"]["lost"]
    assert sorted(once) == [str(job) for job in range(6)]
    assert once["3"] == 1
    assert {job: result for job, (result, _) in lost.items()} == {str(job): job for job in range(6)}
    assert lost["2"][1] != lost["3"][1], "another process made it"


def test_a_driver_that_is_no_node_uses_the_cluster_through_rays_client_server(seen: dict[str, Any]) -> None:
    through = seen["client"]
    assert through["once"] == {str(job): [None, int(job == 3)] for job in range(6)}
    assert through["again"] == [0, 1, 2, 3]
    assert "no weights here" in through["broken"]


class Backfill:
    """`dagster asset materialize` of a category, run inside of the cluster's network."""

    def __init__(self, nodes: RayNodes, home: DrillHome) -> None:
        home.settings = {"SVTA_VIDEO_GENERATOR": GENERATOR, "SVTA_RAY_ADDRESS": nodes.address}
        self.home, self.log = home, home.path / "log"
        self.pairs = sorted(home.work.catalog.read("descriptions", CATEGORY)["pair_id"])[:CLIPS]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                nodes.namespace.command(home.command("videos", CATEGORY, {"videos": {"only": self.pairs}})),
                env=home.environment(RAY_TMPDIR=str(nodes.folder)),
                cwd=project_root(),
                stdout=log,
                stderr=log,
            )

    def cards(self) -> list[Path]:
        return sorted((self.home.path / "clips" / CATEGORY).glob("*.json"))

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, what: str, holds: Callable[[], bool], seconds: float = 180) -> None:
        began = time.monotonic()
        while not holds():
            assert self.process.poll() is None, f"the run ended before {what}: {self.said()[-6000:]}"
            assert time.monotonic() - began < seconds, f"no {what} within {seconds:g} s: {self.said()[-6000:]}"
            time.sleep(0.05)


def test_a_backfill_outlives_a_node_whose_orphan_still_finishes(
    nodes: RayNodes, described_home: DrillHome, tmp_path: Path
) -> None:
    """The node's raylet stops answering, as one behind a cut network does; its worker lives on and publishes.

    The worker sleeps until the loss is noticed: on a fast machine the run would otherwise end before that.
    """
    run = Backfill(nodes, described_home.copy(tmp_path / "home"))
    run.wait_for("workers on both nodes", lambda: all(nodes.workers(ip) for ip in (HEAD, OTHER)))
    run.wait_for("the first clips", lambda: len(run.cards()) >= BEFORE)
    raylet, [orphan] = nodes.raylet(OTHER), nodes.workers(OTHER)
    for process in (orphan, raylet):
        os.kill(process, signal.SIGSTOP)
    run.wait_for("the loss of the node", lambda: f"({OTHER}) is lost" in run.said())
    assert nodes.state(orphan) not in "ZX", "the orphan was still at work when its clip was given to the other node"
    os.kill(orphan, signal.SIGCONT)
    status = run.process.wait(240)
    os.kill(raylet, signal.SIGKILL)
    assert status == 0, run.said()[-6000:]
    assert "its clip is tried again elsewhere" in run.said()
    every_clip_is_there_once(run.home, run.pairs)


def every_clip_is_there_once(home: DrillHome, pairs: list[str]) -> None:
    clips = home.work.catalog.read("clips", CATEGORY)
    assert sorted(clips["pair_id"]) == pairs
    assert home.work.catalog.read("rejects", f"videos.{CATEGORY}").height == 0
    assert home.partials() == []
    assert home.files(CATEGORY) == {Path(uri).name: sha for uri, sha in clips.select("uri", "sha256").iter_rows()}
    for uri, sha in clips.select("uri", "sha256").iter_rows():
        card = home.path / Path(uri).with_suffix(".json")
        assert json.loads(card.read_text())["sha256"] == sha == sha256_hex((home.path / uri).read_bytes())


def test_a_lost_head_ends_a_run_with_one_sentence_and_the_process_lives_on(nodes: RayNodes, tmp_path: Path) -> None:
    """Last in this file: the cluster is gone afterwards. Left to itself, Ray would end the process without a word."""
    seen = told(nodes, HEAD_LOST, tmp_path)
    for way, address in (("client", "ray://127.0.0.1:10001"), ("node", nodes.address)):
        assert seen[way]["made"] >= seen[way]["before"]
        assert f"The head of the Ray cluster at {address} is lost" in seen[way]["said"]
        assert "start the cluster again, then the run" in seen[way]["said"]
    assert "nothing has answered" in seen["node"]["said"]
