"""The instance of the profile production: runs and events in Postgres, compute logs and data in S3."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from svta_assets.workspace import Workspace
from svta_resources.profiles import HomeError, home_from, project_root
from tests.postgres_server import postgres
from tests.toy_home import DAGSTER, MODULE, SVTA, DrillHome

INSTANCE_FILE = project_root() / "deploy" / "production" / "dagster.yaml"
LOG_BUCKET = "SVTA_LOG_BUCKET"
DATABASE_SETTINGS = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
NOWHERE = {**dict.fromkeys(DATABASE_SETTINGS, "1"), LOG_BUCKET: "logs"}


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    with postgres() as settings:
        yield settings


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a user of the profile sets apart from the database and S3: home, clips that a CPU can draw."""
    chosen = {"SVTA_PROFILE": "production", "SVTA_VIDEO_GENERATOR": "procedural"}
    inherited = DrillHome(tmp_path / "home").environment(**chosen)
    return {name: value for name, value in inherited.items() if name not in NOWHERE}


def _ask(database: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    import psycopg2

    names = dict(zip(("host", "port", "dbname", "user", "password"), DATABASE_SETTINGS, strict=True))
    login = {name: database[setting] for name, setting in names.items()}
    with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _objects(bucket: str) -> dict[str, bytes]:
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}


def test_a_command_line_run_is_recorded_in_postgres_and_s3(
    database: dict[str, str],
    new_bucket: Callable[[], str],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    media, logs = new_bucket(), new_bucket().split("/")[2]
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment |= {**aws, **database, LOG_BUCKET: logs, "SVTA_MEDIA_URL": media}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    home = home_from()
    folder = home.prepare_dagster()
    assert (folder / "dagster.yaml").read_text() == INSTANCE_FILE.read_text()

    command = [DAGSTER, "asset", "materialize", "-m", MODULE, "--select", "raw_texts"]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    [(run_id, status)] = _ask(database, "select run_id, status from runs")
    assert status == "SUCCESS"
    events = dict(_ask(database, "select dagster_event_type, count(*) from event_logs group by 1"))
    assert (events["ASSET_MATERIALIZATION"], events["PIPELINE_SUCCESS"]) == (1, 1)
    assert _ask(database, "select asset_key, last_run_id from asset_keys") == [('["raw_texts"]', run_id)]

    captured = _objects(logs)
    assert captured, "the run wrote no compute log"
    assert all(key.startswith(f"compute-logs/storage/{run_id}/compute_logs/") for key in captured)
    assert b"STEP_SUCCESS" in b"".join(captured.values())

    texts = Workspace(home).catalog.read("texts")
    assert texts.height > 0
    assert any(key.startswith("media/metadata/texts/") for key in _objects(media.split("/")[2]))
    left = sorted(
        str(path.relative_to(home.path)) for path in home.path.rglob("*") if path.suffix in {".db", ".parquet"}
    )
    assert left == [], "runs and tables belong to Postgres and S3, not to this machine"


@pytest.mark.parametrize("missing", [*DATABASE_SETTINGS, LOG_BUCKET])
def test_an_unset_variable_is_named_before_dagster_needs_it(
    missing: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**environment, **NOWHERE}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(HomeError, match=rf"dagster\.yaml reads .*, of which {missing} must still be set"):
        home_from().prepare_dagster()


def test_the_command_says_what_is_unset_without_a_traceback(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [SVTA, "ui", "--port", "3997"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert f"of which {', '.join(DATABASE_SETTINGS)}, {LOG_BUCKET} must still be set" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_host_and_no_secret_stands_in_the_instance_file() -> None:
    settings = yaml.safe_load(INSTANCE_FILE.read_text())
    database = settings["storage"]["postgres"]["postgres_db"]
    assert {database[name]["env"] for name in ("hostname", "port", "db_name", "username", "password")} == set(
        DATABASE_SETTINGS
    )
    assert settings["compute_logs"]["config"]["bucket"] == {"env": LOG_BUCKET}


def test_what_keeps_killed_runs_from_blocking_others_is_set_as_in_the_demo() -> None:
    ours, demo = (yaml.safe_load(path.read_text()) for path in (INSTANCE_FILE, project_root() / "dagster.yaml"))
    for name in ("run_monitoring", "run_retries", "telemetry"):
        assert ours[name] == demo[name]
    assert ours["concurrency"]["pools"] == demo["concurrency"]["pools"]
