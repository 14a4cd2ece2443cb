"""Headless Chromium, and homes to look at with it. One browser a file: its event loop must not outlive the file."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from svta_assets.workspace import Workspace
from tests.app.browser.homes import make_large_home, make_small_home
from tests.app.browser.tabs import PATIENCE_MS, REVIEWER, Tab, opened
from tests.app.live_app import serving

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed: on Debian `apt-get install chromium`")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Nasty texts with real clips, a release, a model that knows nothing, and its evaluation."""
    return make_small_home(tmp_path_factory.mktemp("small") / "home")


@pytest.fixture(scope="session")
def large_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """10,000 clips with labels."""
    return make_large_home(tmp_path_factory.mktemp("large") / "home")


@pytest.fixture(scope="module")
def address(small_home: Workspace) -> Iterator[str]:
    """The application over the small home, with a reviewer."""
    with serving(small_home, REVIEWER) as found:
        yield found


@pytest.fixture
def tab(chromium: Browser, address: str) -> Iterator[Tab]:
    """A tab on it. At the end nothing may stand in its console."""
    with opened(chromium, address) as found:
        yield found
