"""The application as people use it, in headless Chromium: search, review, regenerate, results; and with bad texts."""

from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from svta_assets.workspace import Workspace
from tests.app.browser.tabs import REVIEWER, Tab, card_text, opened
from tests.app.conftest import CLIMBING, NASTY
from tests.app.live_app import serving
from tests.stages.evaluated_home import MODEL

PAGES = {
    "search": "/search?q=a+house+burns",
    "gallery": "/gallery?status=any",
    "clip": "/clip/script-0",
    "review": "/review",
    "review queue": "/review/clips?scope=all",
    "results": "/results",
    "categories": f"/results/categories?model={MODEL}",
    "misses": f"/results/misses?model={MODEL}",
    "figures": "/results/figures",
    "yield": "/yield",
}


def verdicts(work: Workspace, table: str) -> list[tuple[str, ...]]:
    """(what, verdict, reason, by) of a log, oldest first."""
    names = {"clip_reviews": "clip_id", "description_reviews": "pair_id", "label_reviews": "pair_id"}
    rows = Workspace(work.home).catalog.read(table).sort("at")
    return rows.select(names[table], "verdict", "reason", "by").rows()


def verdicts_when(page: Page, work: Workspace, table: str, count: int) -> list[tuple[str, ...]]:
    """The same once there are so many: a card goes before its verdict is recorded."""
    for _ in range(600):
        if len(verdicts(work, table)) >= count:
            break
        page.wait_for_timeout(50)
    return verdicts(work, table)


def search(tab: Tab, sentence: str) -> Page:
    """Type a sentence and wait for the clips: the first search encodes them."""
    page = tab.open("/search")
    page.get_by_label("What happens in the clip").fill(sentence)
    page.keyboard.press("Enter")
    expect(page.get_by_text("clips ranked in")).to_be_visible()
    return page


def test_a_sentence_finds_clips_that_play_while_pointed_at(tab: Tab) -> None:
    page = search(tab, "a house burns")
    cards = page.locator("article.card")
    assert cards.count() == 14
    assert all(score.strip() for score in page.locator(".card .score").all_inner_texts())
    video = cards.first.locator("video")
    assert video.evaluate("it => it.paused")
    cards.first.locator("a.picture").hover()
    page.wait_for_function("() => { const it = document.querySelector('video.hover'); return it.currentTime > 0; }")
    page.locator("h1").hover()
    page.wait_for_function("() => document.querySelector('video.hover').paused")


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        ("light", ("search", "gallery", "clip", "review queue", "results", "yield")),
        ("dark", ("search", "review", "review queue", "categories", "misses", "figures")),
    ],
)
def test_axe_finds_nothing_serious(
    chromium: Browser, address: str, scheme: Literal["light", "dark"], names: tuple[str, ...]
) -> None:
    found = {}
    with opened(chromium, address, scheme) as tab:
        search(tab, "a house burns")  # later ones have their clips at once
        for name in names:
            tab.open(PAGES[name])
            if wrong := tab.violations():
                found[name] = wrong
    assert not found


def test_clips_are_reviewed_with_the_keyboard_alone(tab: Tab, small_home: Workspace) -> None:
    page = tab.open("/review/clips?scope=all")
    text = page.locator("#subject-text")
    first = card_text(page)
    page.keyboard.press("k")
    expect(text).not_to_have_text(first)
    second = card_text(page)
    page.keyboard.press("r")
    expect(page.locator("#answer")).to_be_visible()
    page.keyboard.press("2")
    expect(text).not_to_have_text(second)
    page.keyboard.press("u")
    expect(text).to_have_text(second)
    page.keyboard.press("r")
    page.get_by_label("Reason", exact=True).fill("the house stands")
    page.keyboard.press("Enter")
    said = verdicts_when(page, small_home, "clip_reviews", 4)
    captions = dict(Workspace(small_home.home).catalog.read("clips").select("clip_id", "caption").iter_rows())
    assert [(captions[what].strip(), *rest) for what, *rest in said] == [
        (first, "keep", None, REVIEWER),
        (second, "reject", "the event is missing", REVIEWER),
        (second, "undo", None, REVIEWER),
        (second, "reject", "the house stands", REVIEWER),
    ]


def test_a_label_is_corrected_with_the_keyboard_and_a_refused_verdict_puts_the_card_back(
    tab: Tab, small_home: Workspace
) -> None:
    page = tab.open("/review/labels?scope=all")
    text = card_text(page)
    page.keyboard.press("w")
    page.keyboard.type("burn house")
    page.keyboard.press("Tab")
    page.keyboard.press("n")  # normal
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("wrong:")
    row = Workspace(small_home.home).catalog.read("label_reviews").row(0, named=True)
    assert (row["correct_name"], row["correct_is_anomaly"], row["by"]) == ("burn house", False, REVIEWER)
    assert row["caption"].strip() == text
    after = card_text(page)
    page.keyboard.press("w")
    page.keyboard.type("?!")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nothing is recorded")
    expect(page.locator("#subject-text")).to_have_text(after)
    assert Workspace(small_home.home).catalog.read("label_reviews").height == 1
    tab.complaints.clear()  # Chromium logs every refused request; this one was meant


def test_a_skipped_clip_is_not_shown_again_and_a_mouse_does_what_the_keys_do(tab: Tab, small_home: Workspace) -> None:
    before = len(verdicts(small_home, "clip_reviews"))
    page = tab.open("/review/clips?scope=all")
    first = card_text(page)
    page.keyboard.press("s")
    expect(page.locator("#subject-text")).not_to_have_text(first)
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#said")).to_contain_text("keep:")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#said")).to_contain_text("taken back")
    assert [one[1] for one in verdicts_when(page, small_home, "clip_reviews", before + 2)[before:]] == ["keep", "undo"]


def test_a_clip_is_requested_anew_from_its_page(tab: Tab, small_home: Workspace) -> None:
    page = tab.open("/clip/p1-0")
    page.get_by_label("Why").fill("too dark")
    if (sure := page.get_by_role("checkbox")).count():
        sure.check()
    page.get_by_role("button", name="Request regeneration").click()
    expect(page.get_by_text(f"{REVIEWER} asked for new_take (too dark)")).to_be_visible()
    row = Workspace(small_home.home).catalog.read("regeneration_requests").row(0, named=True)
    assert row["by"] == REVIEWER and "p1" in str(row)


def test_a_cell_of_the_tables_opens_its_misses_with_pictures_of_what_was_found_instead(tab: Tab) -> None:
    page = tab.open("/results")
    expect(page.get_by_text("Another scale")).to_be_visible()
    page.locator("a.ours").first.click()
    expect(page.get_by_role("heading", name="ranked beyond 1")).to_be_visible()
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.answer img')];"
        " return all.length > 1 && all[1].complete && all[1].naturalWidth > 0; }"
    )
    assert page.locator(".miss").count() == page.locator(".answer.right").count() > 0
    assert page.locator(".answer.wrong").count() >= page.locator(".miss").count()
    page.locator(".answer.wrong a.picture").first.click()
    expect(page.get_by_role("heading", name="Ranks")).to_be_visible()


def test_nasty_texts_are_shown_as_they_are_and_nothing_of_them_runs(tab: Tab) -> None:
    for name, text in NASTY.items():
        page = tab.open(f"/clip/{name}-0")
        shown = page.locator("p.whole").inner_text()
        assert " ".join(shown.split()) == " ".join(text.split())
        assert page.locator("main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} sticks out"
    page = tab.open(f"/gallery?status=any&words={quote(NASTY['script'])}")
    assert NASTY["script"] in page.locator("article.card").inner_text()


def test_a_category_that_climbs_stays_a_word(tab: Tab, address: str) -> None:
    page = tab.open("/gallery?status=any")
    page.get_by_label("Final category").select_option(CLIMBING)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("14 clips")
    page = tab.open(f"/results/categories?model={MODEL}")
    page.get_by_role("row", name=CLIMBING).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"in {CLIMBING}")
    assert page.url.startswith(f"{address}/results/misses?")


def test_a_reader_sees_everything_and_no_button_that_says_something(chromium: Browser, small_home: Workspace) -> None:
    with serving(small_home) as address, opened(chromium, address) as tab:
        page = tab.open("/review/clips?scope=all")
        assert page.get_by_role("button", name="Keep").is_disabled()
        before = card_text(page)
        page.keyboard.press("k")
        assert card_text(page) == before
        assert tab.open("/clip/p1-0").get_by_role("button").count() == 0
