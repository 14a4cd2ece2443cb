"""Shared fixtures: a demo home of its own for every test, and one that real runs have filled (built once)."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.profiles import Home, home_from
from tests.toy_home import DrillHome, clean_environment

os.environ.setdefault("OMP_NUM_THREADS", "1")  # also for every subprocess: tests share few cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with the longest time limits first, or one worker would be at them when the other has finished."""
    limits: dict[Path, float] = {}
    for item in items:
        given = [float(mark.args[0]) for mark in item.iter_markers("timeout")]
        limits[item.path] = max([limits.get(item.path, 0.0), *given])
    items.sort(key=lambda item: -limits[item.path])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A demo home that nothing has been written to yet, chosen through the environment as users choose it."""
    for name, value in clean_environment(tmp_path / "home").items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return home_from()


@pytest.fixture
def work(home: Home) -> Workspace:
    """The same home, prepared and opened."""
    return prepare_workspace(home)


@pytest.fixture(scope="session")
def described_home(tmp_path_factory: pytest.TempPathFactory) -> DrillHome:
    """A home with texts and the descriptions of `fighting`, made by the real command line; no clip yet."""
    drill = DrillHome(tmp_path_factory.mktemp("described") / "home").prepare()
    drill.must("raw_texts", "raw_texts")
    drill.must("llm_descriptions", "llm_descriptions", "fighting")
    return drill


@pytest.fixture(scope="session")
def filled_home(described_home: DrillHome, tmp_path_factory: pytest.TempPathFactory) -> DrillHome:
    """The described home carried on: clips and labels of `fighting` and `normal-00`, categories and a release.

    Shared by every test that only reads; a test that changes something works on `filled_home.copy(...)`.
    """
    drill = described_home.copy(tmp_path_factory.mktemp("filled") / "home")
    for category in ("fighting", "normal-00"):
        drill.must(f"generate {category}", "llm_descriptions,videos,labels", category)
    drill.must("organize", "clusters,splits")
    return drill


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real HTTP server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def new_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Makes a bucket and gives its URL; the environment leads to the server as a user's would."""
    import boto3

    settings = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }

    def make() -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        bucket = f"b-{uuid.uuid4().hex[:12]}"
        boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1").create_bucket(Bucket=bucket)
        return f"s3://{bucket}/media"

    return make
