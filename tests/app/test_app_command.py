"""`svta app` starts on this machine only and says in a sentence when it cannot."""

import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from svta_cli.main import run
from svta_resources.profiles import Home


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Settings of the servers that were started; none really is."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **settings: calls.append({"app": app, **settings}))
    return calls


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_listens_on_loopback_and_reads_no_forwarded_headers(home: Home, started: list[dict[str, Any]]) -> None:
    assert run(["app", "--reviewer", " ada ", "--port", str(_free_port())]) == 0
    assert started[0]["host"] == "127.0.0.1"
    assert started[0]["proxy_headers"] is False
    assert started[0]["app"].state.site.reviewer == "ada"


def test_without_a_name_it_is_read_only(
    home: Home, started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["app", "--port", str(_free_port())]) == 0
    assert started[0]["app"].state.site.reviewer is None
    assert "read only" in capsys.readouterr().out


def test_a_port_in_use_and_an_empty_name_are_said(
    home: Home, started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["app", "--port", str(taken.getsockname()[1])]) == 1
    assert "--port" in capsys.readouterr().err
    assert run(["app", "--reviewer", " "]) == 2
    assert run(["app", "--public-url", "example.org", "--port", str(_free_port())]) == 1
    assert not started


def test_a_fresh_home_has_pages_that_say_what_to_do(home: Home, started: list[dict[str, Any]], tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    run(["app", "--port", str(_free_port())])
    tab = TestClient(started[0]["app"], base_url="http://127.0.0.1:8050", client=("127.0.0.1", 1))
    for path in ("/gallery", "/search"):
        assert tab.get(path).status_code == 200
