"""Runs of the production instance as jobs of a real Ray cluster, one of whose machines is lost in the middle of one.

The drill does it all in a network namespace with loopback only and writes what it saw; the tests judge that.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.production.alone import facts_of
from tests.production.ray_launcher_drill import BACKFILL, LOST
from tests.production.ray_site import RUNNERS

PAIRS = 5  # packaged texts of each of these categories
DRILL_S = 1500.0  # only ends a drill that hangs: it takes minutes on a machine that is not busy
pytestmark = pytest.mark.timeout(DRILL_S + 60)


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    with facts_of("tests.production.ray_launcher_drill", DRILL_S) as facts:
        yield facts


def test_runs_of_the_queue_are_jobs_of_the_cluster_and_never_on_the_head(seen: dict[str, Any]) -> None:
    runs = seen["backfill"]
    assert sorted(run["category"] for run in runs) == sorted(BACKFILL)
    assert [(run["status"], run["job"]) for run in runs] == [("SUCCESS", "SUCCEEDED")] * len(BACKFILL)
    assert {run["node"] for run in runs} <= set(RUNNERS)
    assert all(run["metadata"]["dagster/run-id"] == run["run"] for run in runs)


def test_what_a_run_on_another_machine_made_is_recorded_as_anywhere_else(seen: dict[str, Any]) -> None:
    for run in seen["backfill"]:
        category = run["category"]
        assert run["materialized"] == [[asset, category] for asset in ("llm_descriptions", "videos", "labels")]
        stages = {stage: items for stage, partition, items in run["costs"] if partition == category}
        assert stages.items() >= {"llm_descriptions": PAIRS, "videos": PAIRS, "labels": PAIRS}.items()
        assert "STEP_SUCCESS" in run["log"], "its output is in the bucket"
    assert seen["key was used"], "the node's own environment has the key of the language model"


def test_nodes_share_no_disk_with_the_daemon_or_each_other(seen: dict[str, Any]) -> None:
    """Each has its own in place of the home, and needs no instance file there: the run brings its instance along."""
    for run in [*seen["backfill"], seen["loss"]["lost"], seen["loss"]["retried"]]:
        assert "dagster.yaml" not in seen["disks"][run["node"]]
        assert "home.json" in seen["disks"][run["node"]]


def test_a_run_whose_node_is_lost_ends_on_the_other_one_with_what_was_missing(seen: dict[str, Any]) -> None:
    loss = seen["loss"]
    lost, retried = loss["lost"], loss["retried"]
    assert PAIRS < sum(loss["made before"].values()) < PAIRS * len(LOST), "in the middle of its clips"
    assert lost["node"] == loss["where"] != retried["node"]
    assert retried["status"] == "SUCCESS"
    assert loss["parent"], "run_retries started it"
    assert any("Ray job" in line for line in lost["said"]), "run_monitoring asked the job server"
    assert ["videos", LOST[0]] in lost["materialized"], "what was finished stays recorded"
    assert {partition for _, partition in retried["materialized"]} >= set(LOST[1:])


def test_every_clip_is_there_once_and_the_orphan_did_no_harm(seen: dict[str, Any]) -> None:
    assert set(seen["clips"]) == {*BACKFILL, *LOST}
    for category, clips in seen["clips"].items():
        assert len(clips["pairs"]) == PAIRS, category
        assert clips["rows"] == clips["cards"] == clips["pairs"]
        assert clips["by row"] == clips["by card"] == clips["by object"]
        assert clips["rejects"] == 0
    status, said = seen["verify"]
    assert status == 0, said
    assert f"clean: {PAIRS * len(seen['clips'])} clips" in said


def test_nothing_that_ray_or_dagster_stores_and_shows_is_a_secret(seen: dict[str, Any]) -> None:
    assert len(seen["jobs"]) == len(BACKFILL) + 2
    for job in seen["jobs"]:
        assert {"SVTA_PROFILE", "SVTA_HOME", "SVTA_MEDIA_URL"} <= set(job["settings"])
    assert min(seen["places"][page] for page in ("/api/jobs/", "/api/v0/actors?detail=1", "list of jobs")) > 1000
    assert any(place.endswith("raylet.out") for place in seen["places"]), "the logs of Ray's own processes"
    assert any("job-driver-dagster-run-" in place for place in seen["places"]), "what the runs have printed"
    assert seen["places"]["table event_logs"] > 0
    assert seen["found"] == []
