"""The sensor: one run for each request, bad ones set aside, states true to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from svta_assets.automation.requests import REQUEST_TAG, STEP_TAG, regeneration_requests
from svta_assets.definitions import defs
from svta_assets.regeneration.requests import MADE, ask, report, requests
from svta_assets.workspace import Workspace
from svta_resources.home import HomeResource
from svta_resources.profiles import Home
from tests.cli.conftest import CAPTIONS, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory

GOOD: dict[str, Any] = {"categories": [CATEGORY], "by": "ann"}


@pytest.fixture
def toy(home: Home) -> ToyCategory:
    made = ToyCategory(home.path, CAPTIONS, promote="manual")
    made.run()
    return made


@pytest.fixture
def work(toy: ToyCategory) -> Workspace:
    return toy.work


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def _tick(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    with dg.build_sensor_context(instance, definitions=defs, resources={"home": HomeResource()}) as context:
        found = regeneration_requests(context)
    assert isinstance(found, dg.SensorResult)
    return list(found.run_requests or [])


def _start(instance: dg.DagsterInstance, asked: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
    """A run as the daemon makes it of a run request."""
    job = defs.resolve_job_def(str(asked.job_name))
    run = instance.create_run_for_job(job, run_config=dict(asked.run_config), tags=dict(asked.tags), status=status)
    return run.run_id


def _only(work: Workspace) -> dict[str, Any]:
    [row] = requests(work).to_dicts()
    return row


def test_a_request_starts_one_run_and_no_second(work: Workspace, instance: dg.DagsterInstance) -> None:
    request = ask(work, **GOOD, filters={"below": {"motion": 99.0}, "only": ["p1"]}, pilot=2)
    [run] = _tick(instance)
    assert (run.run_key, run.job_name) == (request, "regenerate")
    assert run.tags[REQUEST_TAG] == request
    assert run.run_config["ops"]["regenerate_categories"]["config"] == {
        "categories": [CATEGORY],
        "mode": "new_take",
        "below": {"motion": 99.0},
        "only": ["p1"],
        "include_test": False,
        "confirm": False,
        "pilot": 2,
        "request": request,
    }
    assert [again.run_key for again in _tick(instance)] == [request], "Dagster drops a run key it has seen"
    run_id = _start(instance, run, dg.DagsterRunStatus.NOT_STARTED)
    assert _tick(instance) == []
    assert (_only(work)["state"], _only(work)["run_id"]) == ("launched", run_id)


BAD: list[dict[str, Any]] = [
    {"categories": ["figthing"]},
    {"categories": ["dancing"]},
    {"filters": {"rejcted": True}},
    {"filters": {"below": {"beauty": 1}}},
    {"filters": {"only": ["nobody"]}},
    {"mode": "better"},
    {"pilot": -1},
    {"categories": []},
]


def test_bad_requests_are_set_aside_and_hold_up_nobody(work: Workspace, instance: dg.DagsterInstance) -> None:
    bad = [ask(work, **{**GOOD, **wrong}) for wrong in BAD]
    row = {"request_id": "by-hand", "categories": ["fire"], "filters": "{no", "mode": "stale", "by": "x", "at": "2026"}
    work.catalog.append("regeneration_requests", "2026-11", [row])
    good = ask(work, **GOOD)
    assert [run.run_key for run in _tick(instance)] == [good]
    found = {row["request_id"]: row for row in requests(work).iter_rows(named=True)}
    assert {found[request]["state"] for request in [*bad, "by-hand"]} == {"refused"}
    reasons = [found[request]["reason"] for request in [*bad, "by-hand"]]
    said = ("fighting", "no descriptions", "rejcted", "beauty", "nobody", "better", "pilot", "nothing is named", "JSON")
    assert [word for word, reason in zip(said, reasons, strict=True) if word not in reason] == []
    assert found[good]["state"] == "waiting"
    before = requests(work)
    _tick(instance)
    assert requests(work).equals(before), "a refused request is looked at once"


def test_the_run_of_every_request_is_one_that_dagster_accepts(work: Workspace, instance: dg.DagsterInstance) -> None:
    every: list[dict[str, Any]] = [{}, {"rejected": True}, {"stale": True}, {"above": {"flicker": 2}, "only": ["p1"]}]
    for filters in every:
        ask(work, **GOOD, filters=filters, include_test=True)
    for run in _tick(instance):
        dg.validate_run_config(defs.resolve_job_def("regenerate"), dict(run.run_config))


def test_a_killed_run_fails_its_request_and_a_retry_mends_it(work: Workspace, instance: dg.DagsterInstance) -> None:
    request = ask(work, **GOOD)
    [run] = _tick(instance)
    killed = _start(instance, run, dg.DagsterRunStatus.FAILURE)
    report(work, request, "running", run_id=killed)  # its last words
    _tick(instance)
    assert _only(work)["state"] == "failed"
    assert killed[:8] in _only(work)["reason"]
    report(work, request, "running", run_id="retry")
    report(work, request, "done")
    assert (_only(work)["state"], _only(work)["reason"]) == ("done", None)


def test_labels_and_then_the_release_follow_what_was_made(
    toy: ToyCategory, work: Workspace, instance: dg.DagsterInstance
) -> None:
    release_of(toy)
    request = ask(work, **GOOD)
    report(work, request, "running", category=CATEGORY, made=1, accepted=1, device_seconds=1.0)
    report(work, request, MADE)
    assert _tick(instance) == []
    assert _only(work)["state"] == "done", "candidates that wait change nothing"

    labels = work.catalog.read("labels", CATEGORY)
    work.catalog.publish("labels", CATEGORY, labels.with_columns(clip_id=labels["clip_id"].str.replace("p1-0", "p1-9")))
    report(work, request, MADE)
    [run] = _tick(instance)
    assert (run.job_name, run.partition_key, run.asset_selection) == ("generate", CATEGORY, [dg.AssetKey("labels")])
    _start(instance, run, dg.DagsterRunStatus.STARTED)
    assert (_tick(instance), _only(work)["settling"]) == ([], True)

    release_of(toy)
    clips = work.catalog.read("clips", CATEGORY)
    work.catalog.publish("clips", CATEGORY, clips.with_columns(sha256=clips["sha256"].str.replace("^.", "0")))
    [run] = _tick(instance)
    assert (run.job_name, run.tags[STEP_TAG]) == ("organize", "release")
    release_of(toy)
    _tick(instance)
    assert _only(work)["state"] == "done"


def test_where_labels_fail_the_request_says_what_is_left_to_do(
    toy: ToyCategory, work: Workspace, instance: dg.DagsterInstance
) -> None:
    request = ask(work, **GOOD)
    report(work, request, "running", category=CATEGORY, made=1, accepted=1, device_seconds=1.0)
    report(work, request, MADE)
    [run] = _tick(instance)
    failed = _start(instance, run, dg.DagsterRunStatus.FAILURE)
    assert _tick(instance) == []
    row = _only(work)
    assert (row["state"], row["run_id"]) == ("failed", failed)
    assert f"labels of {CATEGORY} did not follow" in row["reason"]
    assert f"svta regen {CATEGORY} --mode missing" in row["reason"]


def test_two_requests_wait_for_one_release(toy: ToyCategory, work: Workspace, instance: dg.DagsterInstance) -> None:
    release_of(toy)
    clips = work.catalog.read("clips", CATEGORY)
    work.catalog.publish("clips", CATEGORY, clips.with_columns(sha256=clips["sha256"].str.replace("^.", "0")))
    for _ in range(2):
        report(work, ask(work, **GOOD), MADE)
    assert [run.job_name for run in _tick(instance)] == ["organize"]
    release_of(toy)
    _tick(instance)
    assert requests(work)["state"].to_list() == ["done", "done"]


def test_a_machine_without_a_home_has_no_request(home: Home, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert _tick(instance) == []
    assert not home.path.exists(), "a sensor that looks makes no home"
