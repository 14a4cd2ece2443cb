"""The nights' schedules: off until started, a tick only reads, and a night happens once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from svta_assets.automation.nightly import NIGHT_TAG, SCHEDULES, nightly, validation_schedule
from svta_assets.automation.requests import REQUEST_TAG, STEP_TAG
from svta_assets.definitions import defs
from svta_assets.regeneration.requests import requests
from svta_resources.home import HomeResource
from svta_resources.profiles import Home
from tests.regeneration.night_home import make_night_home, measure
from tests.stages.toy_category import ToyCategory

NIGHT = datetime(2026, 11, 21, 1, tzinfo=UTC)


@pytest.fixture
def toys(home: Home) -> dict[str, ToyCategory]:
    return make_night_home(home.path)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def _tick(schedule: Any, instance: dg.DagsterInstance, at: datetime = NIGHT) -> Any:
    with dg.build_schedule_context(  # entered: it opens an instance of its own, and must close it
        instance,
        scheduled_execution_time=at,
        resources={"home": HomeResource()},
        repository_def=defs.get_repository_def(),
    ) as context:
        return schedule(context)


def _started(instance: dg.DagsterInstance, asked: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    job = defs.resolve_job_def("regenerate")
    instance.create_run_for_job(job, run_config=dict(asked.run_config), tags=dict(asked.tags), status=status)


def _files(home: Home) -> list[str]:
    return sorted(str(path) for path in home.path.rglob("*"))


def test_every_schedule_is_off_until_somebody_starts_it() -> None:
    assert len(SCHEDULES) == 3
    assert {one.default_status for one in SCHEDULES} == {dg.DefaultScheduleStatus.STOPPED}


def test_a_tick_asks_for_one_run_a_part_and_writes_nothing(
    toys: dict[str, ToyCategory], home: Home, instance: dg.DagsterInstance
) -> None:
    before = _files(home)
    [run] = _tick(nightly, instance)
    assert _files(home) == before, "evaluating a tick buys nothing"
    assert run.run_key == "nightly-2026-11-21-weakest"
    assert (run.tags[NIGHT_TAG], run.tags[STEP_TAG]) == ("2026-11-21", "clips")
    assert run.tags[REQUEST_TAG] == run.run_key
    config = run.run_config["ops"]["regenerate_categories"]["config"]
    assert (config["mode"], config["include_test"], config["request"]) == ("new_take", False, run.run_key)
    assert config["gpu_hours"] == 8.0
    dg.validate_run_config(defs.resolve_job_def("regenerate"), dict(run.run_config))
    assert requests(toys["fire"].work).is_empty(), "the run brings its request with it"


def test_a_night_happens_once_however_often_its_tick_is_evaluated(
    toys: dict[str, ToyCategory], instance: dg.DagsterInstance
) -> None:
    [run] = _tick(nightly, instance)
    _started(instance, run, dg.DagsterRunStatus.SUCCESS)
    found = _tick(nightly, instance, NIGHT.replace(minute=30))
    assert isinstance(found, dg.SkipReason)
    assert "has its runs already" in str(found.skip_message)
    assert _tick(nightly, instance, NIGHT.replace(day=22)), "the next night may"


def test_a_night_waits_while_clips_are_being_made(toys: dict[str, ToyCategory], instance: dg.DagsterInstance) -> None:
    [run] = _tick(nightly, instance, NIGHT.replace(day=20))
    _started(instance, run, dg.DagsterRunStatus.STARTED)
    found = _tick(nightly, instance)
    assert isinstance(found, dg.SkipReason)
    assert "still to end" in str(found.skip_message)


def test_checkpoints_are_validated_once(toys: dict[str, ToyCategory], instance: dg.DagsterInstance) -> None:
    assert isinstance(_tick(validation_schedule, instance), dg.SkipReason)
    work = toys["fire"].work
    ranks = work.catalog.read("validation_ranks", "clip4clip-meanp")
    measure(work, {}, "checkpoint-2")
    work.catalog.publish("validation_ranks", "clip4clip-meanp", ranks)  # trained, and not validated yet
    found = _tick(validation_schedule, instance)
    assert isinstance(found, dg.RunRequest)
    assert found.tags["svta/models"] == "clip4clip-meanp"


def test_the_digest_is_written_and_shown(
    toys: dict[str, ToyCategory], home: Home, instance: dg.DagsterInstance
) -> None:
    done = defs.resolve_job_def("digest").execute_in_process(instance=instance)
    assert done.success
    [path] = (home.path / "reports" / "digests").glob("*.md")
    [event] = [event for event in done.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    metadata = event.event_specific_data.asset_observation.metadata  # type: ignore[union-attr]
    assert metadata["file"].value == str(path)
    assert metadata["clips"].value == 30
    assert "data:image/webp" in str(metadata["digest"].value)
