"""Every service of deploy/docker/compose.yaml as a process, a run launched as in the UI; what came of it, as JSON.

`test_deploy_compose.py` starts it in a namespace of its own, where the names of the services lead to 127.0.0.1 and all
ports are free, so that nothing but the credentials is set: `python -m tests.production.compose_drill FOLDER`, where
FOLDER has a short path and receives facts.json. Postgres is initialized as its image does it; its command is the image's.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from svta_resources.profiles import project_root
from tests.postgres_server import postgres, programs
from tests.production.compose_file import Service, image_environment, needs, read_compose
from tests.toy_home import DrillHome

CATEGORY = "arson"  # five packaged texts, of which no language model makes more
HEALTHY_S = 240.0  # only ends a drill that hangs
RUN_S = 600.0
UI = "http://127.0.0.1:3000"
LAUNCH = """mutation ($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


class Stack:
    """The services of compose.yaml, in the order that they wait for each other."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        inherited = DrillHome(folder / "home").environment()
        settings = ("AWS_", "PG", "SVTA_", "DAGSTER_", "RAY_", "OPENAI_", "GRPC_")
        hidden = {name for name in inherited if name.startswith(settings)}
        base = {name: value for name, value in inherited.items() if name not in hidden}
        # what the images have; the rest must come from compose.yaml
        base |= image_environment(folder) | {"PATH": f"{programs()}:{base['PATH']}", "RAY_TMPDIR": str(folder)}
        self._given: dict[str, Any] = read_compose(environment)["services"]
        self.services = {
            name: Service(name, given, base, folder / f"{name}.log", folder / f"disk-{name}")
            for name, given in self._given.items()
        }
        self._up: set[str] = set()
        (folder / "dagster").mkdir()
        shutil.copyfile(project_root() / "deploy/production/one-machine.yaml", folder / "dagster" / "dagster.yaml")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything is up and healthy in the block."""
        given = self.services["postgres"].environment
        image = {"PGUSER": "POSTGRES_USER", "PGPASSWORD": "POSTGRES_PASSWORD", "PGDATABASE": "POSTGRES_DB"}
        with postgres({"PGPORT": "5432", **{name: given[told] for name, told in image.items()}}):
            try:
                for name in self.services:
                    self._start(name)
                yield
            finally:
                for service in reversed(self.services.values()):
                    service.stop()
                for left in Path("/tmp").glob("seaweedfs-*8333.sock"):  # what SeaweedFS itself leaves there
                    left.unlink()

    def _start(self, name: str) -> None:
        if name in self._up:
            return
        for other in needs(self._given[name]):
            self._start(other)
        service = self.services[name]
        if "service_completed_successfully" in {needs(one).get(name) for one in self._given.values()}:
            assert service.run() == 0, service.said()
        else:
            if "command" in self._given[name]:
                service.start()
            began = time.monotonic()
            while not service.healthy():
                assert time.monotonic() - began < HEALTHY_S, f"{name} is not healthy: {service.said()}"
                time.sleep(2)
        print(f"{name} is up", flush=True)
        self._up.add(name)


def launched(job: str, assets: list[str], partition: str | None = None) -> dict[str, str]:
    """Launch a job as the page in the browser does, and wait for its end: its id and status."""
    selector: dict[str, Any] = {
        "repositoryLocationName": "svta", "repositoryName": "__repository__", "pipelineName": job,
        "assetSelection": [{"path": [asset]} for asset in assets], "assetCheckSelection": [],
    }  # fmt: skip
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    answer = asked(LAUNCH, parameters={"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}})[
        "launchRun"
    ]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    run, status, began = answer["run"]["runId"], "", time.monotonic()
    while status not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() - began < RUN_S, f"{job} is {status}"
        time.sleep(1)
        status = asked(STATUS, id=run)["runOrError"]["status"]
    print(f"{job} {partition or ''}: {status}", flush=True)
    return {"run": run, "status": status}


def asked(query: str, **variables: Any) -> dict[str, Any]:
    """GraphQL, as the page in the browser asks."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = Request(f"{UI}/graphql", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as answer:
        return dict(json.load(answer)["data"])


def keys(environment: dict[str, str], bucket: str) -> list[str]:
    """What is in a bucket."""
    import boto3

    session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    client = session.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name=environment["AWS_REGION"])
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(one["Key"] for page in pages for one in page.get("Contents", []))


def main(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost postgres s3 code ray\n")
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)  # in this mount namespace only
    hidden = {name: secrets.token_hex(32) for name in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN")}
    env_file = {
        **hidden, "AWS_ACCESS_KEY_ID": "svta",
        "SVTA_VIDEO_GENERATOR": "procedural", "SVTA_RAY_ADDRESS": "ray://ray:10001",
        "OPENAI_BASE_URL": "http://embedded/v1", "SVTA_LLM_MODEL": "embedded-rules",
    }  # fmt: skip
    stack, facts = Stack(folder, env_file), dict[str, Any]()
    try:
        with stack.running():
            facts["sources"] = launched("sources", ["raw_texts"])
            facts["clips"] = launched("generate", ["llm_descriptions", "videos"], CATEGORY)
            code = stack.services["code"].environment
            facts["media"] = keys(code, "svta")
            facts["logs"] = keys(code, code["SVTA_LOG_BUCKET"])
            ray = [path for path in (folder / "ray").glob("session_2*/logs/*") if path.is_file()]
            facts["actors"] = sum("RayWorker" in path.read_text(errors="replace") for path in ray)
    finally:
        said = {name: service.said() for name, service in stack.services.items()}
        facts["found"] = [[name, where] for name, secret in hidden.items() for where in said if secret in said[where]]
        facts["said"] = {name: text[-3000:] for name, text in said.items()}
        (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    os.environ.pop("RAY_ADDRESS", None)
    main(Path(sys.argv[1]))
