"""deploy/docker without Docker: each service's command as a process, with its environment and its health check."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from svta_resources.profiles import project_root
from tests.production.compose_file import COMPOSE, Service, Unset, read_compose
from tests.s3_server import S3Server
from tests.toy_home import DrillHome

OURS = ("code", "webserver", "daemon")
CREDENTIALS = {"PGPASSWORD": "p", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
DOCKERFILE = COMPOSE.with_name("Dockerfile")
LAUNCH = """mutation ($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """The services of compose.yaml but Postgres and S3, which are the tests' own servers."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        inherited = DrillHome(folder / "home").environment()
        hidden = set(environment) | {name for name in inherited if name.startswith(("AWS_", "PG", "SVTA_", "DAGSTER_"))}
        # what the image sets; the rest must come from compose.yaml
        image = {"SVTA_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "dagster")}
        base = {**{name: value for name, value in inherited.items() if name not in hidden}, **image}
        services = read_compose(environment)["services"]
        self.services = {
            name: Service(name, services[name], base, folder / f"{name}.log") for name in ("buckets", *OURS)
        }
        (folder / "dagster").mkdir()
        shutil.copyfile(project_root() / "deploy/production/one-machine.yaml", folder / "dagster" / "dagster.yaml")
        self.url = f"http://127.0.0.1:{environment['SVTA_UI_PORT']}"

    def start(self) -> None:
        """In the order that `depends_on` asks for."""
        buckets = self.services["buckets"]
        assert buckets.run() == 0, buckets.said()
        for batch in (("code",), ("webserver", "daemon")):
            for name in batch:
                self.services[name].start()
            for name in batch:
                self._wait(name)

    def _wait(self, name: str) -> None:
        began = time.monotonic()
        while not self.services[name].healthy():
            assert time.monotonic() - began < 240, f"{name} is not healthy: {self.services[name].said()}"
            time.sleep(4)  # a check is a process that imports Dagster

    def stop(self) -> None:
        for service in reversed(self.services.values()):
            service.stop()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """GraphQL, as the page in the browser asks."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=120) as answer:
            return dict(json.load(answer)["data"])


@pytest.fixture(scope="module")
def stack(server: S3Server, database: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    logs = f"logs-{free_port()}"
    environment = {
        **database,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "administrator",  # the buckets are made by the stack itself
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "SVTA_BUCKET": f"media-{free_port()}",
        "SVTA_LOG_BUCKET": logs,
        "SVTA_BIND": "127.0.0.1",
        "SVTA_CODE_HOST": "127.0.0.1",
        "SVTA_CODE_PORT": str(free_port()),
        "SVTA_UI_PORT": str(free_port()),
        "SVTA_VIDEO_GENERATOR": "procedural",
    }
    running = Stack(tmp_path_factory.mktemp("stack"), environment)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.mark.timeout(600)  # four services start, and a run in a fifth process
def test_the_services_come_up_and_a_run_launched_in_the_ui_succeeds(stack: Stack, server: S3Server) -> None:
    selector = {
        "repositoryLocationName": "svta", "repositoryName": "__repository__", "pipelineName": "sources",
    }  # fmt: skip
    launched = stack.ask(LAUNCH, parameters={"selector": selector, "runConfigData": {}})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id, status, began = launched["run"]["runId"], "", time.monotonic()
    while status not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() - began < 300, f"{status}: {stack.services['daemon'].said()}"
        time.sleep(1)
        status = stack.ask(STATUS, id=run_id)["runOrError"]["status"]
    assert status == "SUCCESS", stack.services["code"].said()
    media = server.objects(stack.environment["SVTA_BUCKET"])
    assert any(key.startswith("svta/metadata/texts/") for key in media)
    assert any(run_id in key for key in server.objects(stack.environment["SVTA_LOG_BUCKET"])), "compute logs are in S3"


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
