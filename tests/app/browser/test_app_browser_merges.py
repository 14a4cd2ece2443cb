"""Merging categories as people do it: judged with the keyboard, applied and approved with the page's buttons."""

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from svta_assets.clusters import versions
from svta_assets.workspace import Workspace
from tests.app.browser.tabs import REVIEWER, opened
from tests.app.live_app import serving
from tests.app.merge_home import name_categories


def _said(page: Page, work: Workspace, count: int) -> list[tuple[str, ...]]:
    """(verdict, into, by) of what is on record, once there are so many."""
    for _ in range(600):
        rows = Workspace(work.home).catalog.read("merge_reviews").sort("at")
        if rows.height >= count:
            break
        page.wait_for_timeout(50)
    return rows.select("verdict", "into", "by").rows()


def test_categories_are_judged_with_the_keyboard_applied_and_approved(
    chromium: Browser, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_categories(work, monkeypatch)
    before = versions.current(work)
    with serving(work, REVIEWER) as address, opened(chromium, address) as tab:
        page = tab.open("/review/merges")
        heading = page.locator("#subject-heading")
        sides = page.locator("#subject-sides section")
        expect(sides).to_have_count(2)
        expect(page.get_by_role("button", name="Apply agreed merges")).to_be_disabled()
        assert not tab.violations()
        merged = heading.inner_text()
        page.keyboard.press("m")
        page.keyboard.type("one thing")
        page.keyboard.press("Enter")
        expect(heading).not_to_have_text(merged)
        expect(sides).to_have_count(2)
        kept = heading.inner_text()
        page.keyboard.press("a")
        expect(heading).not_to_have_text(kept)
        assert _said(page, work, 2) == [("merge", "one thing", REVIEWER), ("apart", None, REVIEWER)]
        page = tab.open("/review/merges")
        expect(page.get_by_role("listitem").filter(has_text="as one thing")).to_be_visible()
        page.get_by_role("button", name="Apply agreed merges").click()
        expect(page.get_by_text("No merge is agreed on")).to_be_visible()
        expect(page.get_by_text("not approved by people")).to_be_visible()
        page.get_by_role("button", name="Approve this version").click()
        expect(page.get_by_text("approved", exact=True)).to_be_visible()
        assert not tab.violations()
    now = versions.current(Workspace(work.home))
    assert now.height == before.height - 1
    [category] = now.filter(pl.col("name") == "one thing").iter_rows(named=True)
    assert category["names"] and merged.split(" and ")[0] in category["names"]
    assert versions.is_approved(Workspace(work.home), category["taxonomy"])
