"""A browser's tab that remembers everything that went wrong in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Response, expect

REVIEWER = "ann"
SERIOUS = ("serious", "critical")
PATIENCE_MS = 120_000  # what a page may take on a machine that does other work


@dataclass
class Tab:
    """A page, and what it complained of: console errors, exceptions, dialogs, answers of 400 and above."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a path and wait until it is quiet."""
        self.page.goto(path, wait_until="networkidle")
        return self.page

    def listen(self) -> None:
        """Begin to remember."""

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.complaints.append(f"console: {message.text}")

        def dialog(opened: Dialog) -> None:
            self.complaints.append(f"dialog: {opened.message}")
            opened.dismiss()

        def answer(response: Response) -> None:
            if response.status >= 400:
                self.complaints.append(f"{response.status}: {response.url}")

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("dialog", dialog)
        self.page.on("response", answer)

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical, one line each."""
        from axe_playwright_python.sync_playwright import Axe

        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]} ({node.get('failureSummary', '')[:200]})"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]


def card_text(page: Page) -> str:
    """The text of the card of a review queue, once there is one: between two batches the desk is empty."""
    text = page.locator("#subject-text")
    expect(text).not_to_be_empty()
    return text.inner_text()


@contextmanager
def opened(browser: Browser, address: str, scheme: Literal["light", "dark"] = "light") -> Iterator[Tab]:
    """A tab of its own; raises AssertionError at the end where something went wrong in it."""
    context = browser.new_context(base_url=address, color_scheme=scheme, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    tab = Tab(context.new_page())
    tab.listen()
    try:
        yield tab
        assert not tab.complaints, tab.complaints
    finally:
        context.close()
