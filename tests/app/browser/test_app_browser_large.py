"""10,000 clips do not freeze a page: what the browser holds stays small, and keys are answered."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from svta_assets.workspace import Workspace
from tests.app.browser.homes import CLIPS
from tests.app.browser.tabs import REVIEWER, Tab, card_text, opened
from tests.app.live_app import serving

MOST_ELEMENTS = 2_500  # a page of the gallery has 60 clips; browsers are slow from tens of thousands
MOST_BYTES = 400_000  # of HTML


@pytest.fixture(scope="module")
def large(chromium: Browser, large_home: Workspace) -> Iterator[Tab]:
    with serving(large_home, REVIEWER) as address, opened(chromium, address) as tab:
        yield tab


@pytest.mark.parametrize("path", ["/gallery?status=any", "/review", "/review/labels?scope=all", "/yield", "/search"])
def test_a_page_holds_a_bounded_part_of_10000_clips(large: Tab, path: str) -> None:
    page = large.open(path)
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_ELEMENTS
    assert len(page.content()) < MOST_BYTES


def test_the_gallery_of_10000_clips_answers_typing_and_pages(large: Tab) -> None:
    page = large.open("/gallery?status=any")
    expect(page.get_by_role("status")).to_have_text(f"{CLIPS:,} clips")
    box = page.get_by_label("Caption contains")
    box.press_sequentially("number 9876 burns")
    expect(box).to_have_value("number 9876 burns")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("1 clip")
    page = large.open("/gallery?status=any&page=167")
    assert page.locator("article.card").count() == CLIPS - 166 * 60


def test_a_queue_of_10000_is_worked_through_key_by_key(large: Tab, large_home: Workspace) -> None:
    page = large.open("/review/descriptions")
    text = page.locator("#subject-text")
    for _ in range(15):  # more than one batch of cards
        before = card_text(page)
        page.keyboard.press("k")
        expect(text).not_to_have_text(before)
    expect(page.locator("#said")).to_contain_text("(15 in this session)")
    rows = Workspace(large_home.home).catalog.read("description_reviews")
    assert rows.height == rows["pair_id"].n_unique() == 15
