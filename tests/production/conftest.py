"""A real S3 server, started once for all tests of the production profile, and a real Postgres for each file."""

from collections.abc import Callable, Iterator

import pytest

from tests.postgres_server import postgres
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    """The S3 server; a test that kills it must start it again."""
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """Postgres with nothing in it, for one file of tests; the settings (PG*) that lead to it."""
    with postgres() as settings:
        yield settings


@pytest.fixture
def media(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Makes a bucket and gives `s3://bucket/media`; the environment leads to the server as a user's would."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "SVTA_MEDIA_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return lambda: f"s3://{server.make_bucket()}/media"
