"""The gallery shows what its filters leave, a page at a time, whatever the texts hold."""

from collections.abc import Collection, Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from svta_assets.videos.plan import Mode
from svta_assets.workspace import Workspace
from svta_cli.app import clip_filters
from svta_cli.app.clip_filters import PAGE_SIZE, Filters, count_statement, filters_from, page_statement
from svta_models.errors import SvtaError
from svta_resources.query import query
from tests.app.conftest import CAPTIONS, CLIMBING, NASTY, client_of
from tests.app.html_pages import Page, assert_harmless
from tests.stages.toy_category import CATEGORY, ToyCategory


def _shown(tab: TestClient, **filters: str) -> set[str]:
    """Clips that the gallery shows."""
    answer = tab.get("/gallery?" + urlencode(filters))
    assert answer.status_code == 200, answer.text
    links = Page(answer.text).all("a", class_="picture")
    return {link["href"].removeprefix("/clip/") for link in links}


EVERY = {f"{pair}-0" for pair in CAPTIONS}


def test_every_standing_clip_is_shown_and_no_text_breaks_the_page(reader: TestClient) -> None:
    assert _shown(reader) == EVERY
    page = assert_harmless(reader.get("/gallery").text)
    for pair in ("script", "quote", "emoji", "chinese", "template"):
        assert NASTY[pair] in page.text
    assert f"{CLIMBING} ({len(CAPTIONS)})" in page.text


def test_a_caption_of_10000_characters_is_cut(reader: TestClient) -> None:
    assert reader.get("/gallery").text.count("fire fire") < 100


@pytest.mark.parametrize(
    ("filters", "pairs"),
    [
        ({"category": CATEGORY}, set(CAPTIONS)),
        ({"category": "fighting"}, set()),
        ({"final": CLIMBING}, set(CAPTIONS)),
        ({"generator": "toy"}, set(CAPTIONS)),
        ({"generator": "wan"}, set()),
        ({"words": "RUNS"}, {"script"}),
        ({"words": "街上"}, {"chinese"}),
        ({"words": "100%"}, set()),
        ({"words": "%"}, {"template"}),
        ({"words": "' or 1=1 --"}, set()),
        ({"category": "' or '1'='1"}, set()),
        ({"status": "rejected"}, set()),
        ({"status": "any"}, set(CAPTIONS)),
        ({"model": "embedded-rules"}, set()),
    ],
)
def test_a_filter_leaves_what_it_says(reader: TestClient, filters: dict[str, str], pairs: set[str]) -> None:
    assert _shown(reader, **filters) == {f"{pair}-0" for pair in pairs}


def test_splits_part_the_gallery(reader: TestClient) -> None:
    parts = [_shown(reader, split=name) for name in ("train", "val", "test")]
    assert set.union(*parts) == EVERY
    assert sum(map(len, parts)) == len(EVERY)


def test_a_score_orders_and_bounds(reader: TestClient, shown: ToyCategory) -> None:
    rows = shown.clips.sort("contrast", "clip_id")
    low, high = rows["contrast"][3], rows["contrast"][8]
    inside = rows.filter(pl.col("contrast").is_between(low, high))["clip_id"].to_list()
    for order, expected in (("low", inside), ("high", inside[::-1])):
        asked = urlencode({"score": "contrast", "low": low, "high": high, "order": order})
        links = Page(reader.get(f"/gallery?{asked}").text).all("a", class_="picture")
        assert [link["href"].removeprefix("/clip/") for link in links] == expected


class EverySeed(Collection[tuple[str, int]]):
    """Every seed of one caption."""

    def __init__(self, caption: str) -> None:
        self._caption = caption

    def __contains__(self, item: object) -> bool:
        return isinstance(item, tuple) and item[0] == self._caption

    def __iter__(self) -> Iterator[tuple[str, int]]:
        raise NotImplementedError("there are too many")

    def __len__(self) -> int:
        return 1 << 31


def test_statuses_follow_takes(released: ToyCategory) -> None:
    caption = CAPTIONS["p0"]
    released.generator.style = "other"
    released.generator.still = EverySeed(caption)
    released.run(Mode.NEW_TAKE, ["p0", "p1"])
    released.work.refresh()
    tab = client_of(released.work)
    assert _shown(tab, status="rejected") == {"p0-1"}
    assert _shown(tab, status="accepted") == EVERY | {"p1-1"}
    assert _shown(tab, status="current") == EVERY - {"p1-0"} | {"p1-1"}  # the demo promotes by itself
    assert _shown(tab, status="any") == EVERY | {"p0-1", "p1-1"}


@pytest.mark.parametrize(
    "asked",
    ["page=0", "page=-1", "page=x", "page=٣", "page=9999999", "score=motion&low=x", "score=motion&low=nan",
     "score=motion&high=inf", "score=sha256", "order=random", "status=secret"],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_named(reader: TestClient, asked: str) -> None:
    answer = reader.get(f"/gallery?{asked}")
    assert answer.status_code == 400
    assert asked.rpartition("&")[2].partition("=")[0] in assert_harmless(answer.text).text


def test_what_was_asked_is_escaped_where_it_is_shown_again(reader: TestClient) -> None:
    for asked in ('"><script>alert(1)</script>', "' onfocus='x", "{{7*7}}"):
        for name in ("words", "category", "score"):
            page = assert_harmless(reader.get(f"/gallery?{name}={quote(asked)}").text)
            assert "49" not in page.text
    page = assert_harmless(reader.get(f"/gallery?words={quote(NASTY['quote'])}").text)
    assert page.all("input", name="words")[0]["value"] == NASTY["quote"]


def test_pages_part_the_clips(shown: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_filters, "PAGE_SIZE", 5)
    seen: list[str] = []
    for number in range(1, 4):
        found = query(shown.work.home.path, *page_statement(Filters(page=number)))
        seen += found["clip_id"].to_list()
    assert len(seen) == len(set(seen)) == len(EVERY)


def test_a_page_beyond_the_last_leads_back(reader: TestClient) -> None:
    page = assert_harmless(reader.get("/gallery?page=7&category=fire").text)
    assert page.all("a", href="/gallery?category=fire")


def test_ten_thousand_clips_are_a_page_of_sixty(released: ToyCategory) -> None:
    row = released.clips.row(0, named=True)
    rows = [
        row | {"clip_id": f"m{n:05d}-0", "pair_id": f"m{n:05d}", "caption": f"House {n} burns."} for n in range(10_000)
    ]
    released.work.catalog.publish("clips", CATEGORY, rows)
    released.work.refresh()
    tab = client_of(released.work)
    answer = tab.get("/gallery?page=100")
    page = assert_harmless(answer.text)
    assert "10,000 clips" in page.text
    assert "page 100 of 167" in page.text
    assert len(page.all("a", class_="picture")) == PAGE_SIZE
    assert len(answer.content) < 200_000
    assert all(image["loading"] == "lazy" for image in page.all("img"))


@given(st.dictionaries(st.sampled_from([field.name for field in fields(Filters)]), st.text(max_size=30)))
def test_what_a_request_gives_is_only_ever_a_parameter(asked: dict[str, str]) -> None:
    try:
        filters = filters_from(asked)
    except HTTPException:
        return  # refused: see above
    for statement, values in (page_statement(filters), count_statement(filters)):
        assert statement.count("?") == len(values)
    again = dict(parse_qsl(filters.address.partition("?")[2], keep_blank_values=True))
    assert filters_from(again) == filters  # an address leads back to the same filters


def test_a_home_that_cannot_be_written_is_still_shown(
    released: ToyCategory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(_: Workspace) -> None:
        raise SvtaError("the disk is full")

    monkeypatch.setattr(Workspace, "refresh", full)
    assert _shown(client_of(released.work)) == EVERY
    with pytest.raises(SvtaError, match="the disk is full"):
        client_of(ToyCategory(tmp_path / "fresh", {}).work)


def test_what_the_filters_offer_follows_the_database(released: ToyCategory) -> None:
    tab = client_of(released.work)
    assert "toy (14)" in tab.get("/gallery").text
    released.work.catalog.publish("clips", CATEGORY, released.clips.head(3).with_columns(generator=pl.lit("other")))
    tab.app.state.site.refresh()  # type: ignore[attr-defined]
    page = tab.get("/gallery").text
    assert "other (3)" in page
    assert "toy (14)" not in page
