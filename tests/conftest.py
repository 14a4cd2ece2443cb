"""Shared fixtures: a demo home of its own for every test, and one that a real run has filled (built once)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.toy_home import DrillHome, clean_environment

from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.profiles import Home, home_from

os.environ.setdefault("OMP_NUM_THREADS", "1")  # also for every subprocess: tests share few cores


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
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillHome]:
    """A home in which the real command line has made two small categories, labels, clusters and a release.

    Tests that change it work on a copy (`filled_home.copy(...)`).
    """
    drill = DrillHome(tmp_path_factory.mktemp("filled") / "home")
    drill.fill()
    yield drill
