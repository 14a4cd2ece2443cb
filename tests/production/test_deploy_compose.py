"""deploy/docker without Docker: each service's command as a process, with its environment and its health check."""

from collections.abc import Iterator
from typing import Any

import pytest

from svta_resources.profiles import project_root
from tests.production.alone import facts_of
from tests.production.compose_drill import CATEGORY
from tests.production.compose_file import DOCKERFILE, Unset, read_compose

CREDENTIALS = {"PGPASSWORD": "p", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
DRILL_S = 1200.0  # only ends a drill that hangs: eight services start, and two runs


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    with facts_of("tests.production.compose_drill", DRILL_S) as facts:
        yield facts


@pytest.mark.timeout(DRILL_S + 60)
def test_with_nothing_but_credentials_set_all_services_come_up_and_a_run_launched_in_the_ui_succeeds(
    seen: dict[str, Any],
) -> None:
    assert seen["sources"]["status"] == "SUCCESS", seen["said"]
    assert any(key.startswith("svta/metadata/texts/") for key in seen["media"])
    assert any(seen["sources"]["run"] in key for key in seen["logs"]), "compute logs are in S3"


@pytest.mark.timeout(DRILL_S + 60)
def test_clips_are_made_by_the_service_ray_where_its_address_and_token_are_set(seen: dict[str, Any]) -> None:
    assert seen["clips"]["status"] == "SUCCESS", seen["said"]
    assert sum(key.startswith(f"svta/clips/{CATEGORY}/") and key.endswith(".mp4") for key in seen["media"]) == 5
    assert seen["actors"], "no worker of the pool ran on the cluster"


@pytest.mark.timeout(DRILL_S + 60)
def test_no_service_says_a_secret(seen: dict[str, Any]) -> None:
    assert len(seen["said"]["code"]) > 0
    assert seen["found"] == []


@pytest.mark.parametrize("missing", CREDENTIALS)
def test_a_credential_that_is_not_set_stops_compose_at_once(missing: str) -> None:
    with pytest.raises(Unset, match=missing):
        read_compose({name: value for name, value in CREDENTIALS.items() if name != missing})


def test_no_secret_stands_in_the_files_of_the_deployment() -> None:
    for folder in ("docker", "production", "kubernetes", "slurm"):
        for path in (project_root() / "deploy" / folder).iterdir():
            for line in path.read_text().splitlines():
                name, _, value = line.strip().partition("=" if path.name == "env.example" else ": ")
                if any(word in name for word in ("PASSWORD", "SECRET_ACCESS_KEY", "ACCESS_KEY_ID", "API_KEY", "TOKEN")):
                    assert value in ("", "token") or value.startswith(("${", "{env:")) or name.startswith("#"), line


def test_nothing_is_published_beyond_this_machine() -> None:
    services = read_compose(CREDENTIALS)["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_has_everything_that_the_services_run() -> None:
    """What is copied into the image, against what the commands name and what the packages are."""
    copied = {
        line.split()[1].rstrip("/") for line in DOCKERFILE.read_text().splitlines() if line.startswith("COPY svta")
    }
    packages = {path.parent.name for path in project_root().glob("svta_*/__init__.py")}
    assert copied == packages
    for service in read_compose(CREDENTIALS)["services"].values():
        command = service.get("command", [])
        for word in command if isinstance(command, list) else []:
            if word.startswith("deploy/"):
                assert (project_root() / word).is_file(), word
