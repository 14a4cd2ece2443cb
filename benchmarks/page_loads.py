"""How long the pages of a home take in a real browser: `python benchmarks/page_loads.py --home DIR [--rounds 3]`.

Starts `svta ui` (Dagster's webserver, daemon and code server) and `svta app` on the home, each on a free port of this
machine, and opens their pages in headless Chromium. A load ends when what the page exists for is visible, pictures
aside. First: in a new tab with an empty cache, after the servers have answered once; again: the median of further loads
in that tab. Needs Chromium and the packages of `.[dev]`. The home is only looked at, but `svta ui` runs its sensors.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Browser, Page, sync_playwright

from svta_resources.profiles import project_root
from tests.app.browser.conftest import FLAGS, PROGRAMS
from tests.toy_home import SVTA, clean_environment, interrupt

START_S, LOAD_S = 300.0, 300.0
# path -> what must be visible: something that comes from the home, not from the page's frame
DAGSTER = {
    "/asset-groups": "text=checkpoints",
    "/assets/videos?view=partitions": r"text=/Materialized \([1-9]\d*\)/",
    "/assets/videos?view=partitions&partition=normal-00": "text=what happened",
    "/assets/clusters?view=events": "text=normal categories",
    "/runs": "text=/organize|generate/",
}
APP = {
    "/gallery?status=any": r"text=/[\d,]+ clips/",
    "/gallery?status=any&page=100": r"text=/[\d,]+ clips/",
    "/review": "text=labels",
    "/review/labels?scope=all": "#subject-text:not(:empty)",
    "/yield": "text=normal-15",
}


def main() -> None:
    """Print a line a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="default: what SVTA_HOME names, else the demo's")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    home = given.home or Path(os.environ.get("SVTA_HOME") or project_root() / ".svta" / "demo")
    if not (home / "home.json").exists():
        raise SystemExit(f"{home} is no home of SVTA: name one with --home, or run `make demo` first")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit(f"none of {', '.join(PROGRAMS)} is installed: on Debian `apt-get install chromium`")
    print("| page | first, s | again, s | answers, kB | elements |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for command, pages in (("ui", DAGSTER), ("app", APP)):
            with served(command, home.absolute()) as address:
                for path, shown in pages.items():
                    print(measured(browser, address, path, shown, given.rounds, command), flush=True)
        browser.close()


@contextmanager
def served(command: str, home: Path) -> Iterator[str]:
    """`svta ui` or `svta app` on a home, until the block ends; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = clean_environment(home)
    kept = {name: value for name, value in os.environ.items() if name not in given}
    own = {name: value for name, value in given.items() if value is not None}
    server = subprocess.Popen(
        [SVTA, command, "--port", str(port)],
        env={**kept, **own, "PYTHONWARNINGS": "ignore"},
        cwd=project_root(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/{'server_info' if command == 'ui' else 'gallery'}", server)
        yield address
    finally:
        interrupt(server)


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Until a server answers."""
    until = time.monotonic() + START_S
    while True:
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"nothing answers at {url}: start the command by hand to see why")
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except OSError:
            time.sleep(0.3)


def measured(browser: Browser, address: str, path: str, shown: str, rounds: int, command: str) -> str:
    """A row of the table."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    received: list[int] = []
    page.on("response", lambda response: received.append(int(response.headers.get("content-length", 0))))
    first = load(page, address + path, shown)
    size = sum(received)
    again = statistics.median(load(page, address + path, shown) for _ in range(rounds))
    elements = page.evaluate("document.querySelectorAll('*').length")
    context.close()
    return f"| svta {command}: {path} | {first:.2f} | {again:.2f} | {size / 1000:,.0f} | {elements:,} |"


def load(page: Page, url: str, shown: str) -> float:
    """Seconds until what matches the selector is visible."""
    began = time.monotonic()
    page.goto(url, wait_until="commit")
    page.locator(shown).locator("visible=true").first.wait_for(timeout=LOAD_S * 1000)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
