"""The settings of the profile production; tests/production runs it on a real Postgres and a real S3 server."""

import subprocess
from pathlib import Path

import pytest
import yaml

from svta_resources.profiles import HomeError, home_from, project_root
from tests.toy_home import SVTA, DrillHome

FOLDER = project_root() / "deploy" / "production"
INSTANCE_FILE = FOLDER / "one-machine.yaml"  # test_launchers.py holds dagster.yaml, the one with Ray, against it
LOG_BUCKET = "SVTA_LOG_BUCKET"
DATABASE_SETTINGS = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
NOWHERE = {**dict.fromkeys(DATABASE_SETTINGS, "1"), LOG_BUCKET: "logs"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a user of the profile sets apart from the database and S3: home, clips that a CPU can draw."""
    chosen = {"SVTA_PROFILE": "production", "SVTA_VIDEO_GENERATOR": "procedural"}
    inherited = DrillHome(tmp_path / "home").environment(**chosen)
    return {name: value for name, value in inherited.items() if name not in NOWHERE}


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


@pytest.mark.parametrize(("address", "file"), [("", "one-machine.yaml"), ("head:6379", "dagster.yaml")])
def test_the_instance_file_follows_from_whether_there_is_a_ray_cluster(
    address: str, file: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**environment, **NOWHERE, "RAY_API_SERVER_ADDRESS": "http://head:8265", "SVTA_RAY_ADDRESS": address}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    home = home_from()
    assert home.profile.pool == ("ray" if address else "processes")
    assert (home.prepare_dagster() / "dagster.yaml").read_text() == (FOLDER / file).read_text()
