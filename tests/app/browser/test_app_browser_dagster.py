"""The Dagster UI on a home: an asset's page shows its Markdown and figures, and nothing complains in the console."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from svta_resources.profiles import project_root
from tests.app.browser.tabs import opened
from tests.toy_home import SVTA, DrillHome, interrupt

START_S = 150.0


@pytest.fixture(scope="module")
def dagster_ui(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`svta ui` on a home whose texts are collected. Asks for Chromium first: without it nothing is started."""
    drill = DrillHome(tmp_path_factory.mktemp("ui") / "home").prepare()
    drill.must("raw_texts", "raw_texts")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = drill.path / "ui.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [SVTA, "ui", "--port", str(port)],
            env=drill.environment(),
            cwd=project_root(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        interrupt(server)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        assert server.poll() is None and time.monotonic() < until, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)


def test_an_assets_page_renders_markdown_and_figures(chromium: Browser, dagster_ui: str) -> None:
    with opened(chromium, dagster_ui) as tab:
        page = tab.page
        page.goto("/assets/raw_texts?view=events")
        row = page.locator("tr", has_text="Figure 4")
        row.get_by_text("Show Markdown").click()
        figure = page.get_by_role("dialog").locator("img")
        expect(figure).to_be_visible()
        page.wait_for_function(
            "() => [...document.querySelectorAll('[role=dialog] img')].some(one => one.naturalWidth > 100)"
        )
        page.keyboard.press("Escape")
        page.goto("/asset-groups")
        expect(page.get_by_text("checkpoints", exact=True).first).to_be_visible()
