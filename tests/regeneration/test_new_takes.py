"""New takes beside what stands: figures, sheets, the page; and the digest of what was made."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from svta_assets.regeneration.compare import comparison_lines, comparison_markdown, waiting, write_page
from svta_assets.regeneration.digest import digest_of, inline_markdown, write
from svta_assets.regeneration.requests import ask, report
from svta_assets.videos.plan import Mode
from svta_resources.errors import SvtaError
from tests.regeneration.night_home import measure
from tests.stages.toy_category import CATEGORY, ToyCategory

CAPTIONS = {f"p{n}": f"House {n} burns." for n in range(12)}


@pytest.fixture
def toy(tmp_path: Path) -> ToyCategory:
    """Twelve candidates, of which p3's was rejected."""
    from svta_models.identity import take_seed

    made = ToyCategory(tmp_path / "home", CAPTIONS, promote="manual")
    made.run()
    made.generator.still = [(CAPTIONS["p3"], take_seed(42, 1))]
    made.run(Mode.NEW_TAKE)
    return made


def test_candidates_are_held_against_the_clips_of_the_same_pairs(toy: ToyCategory) -> None:
    found = waiting(toy.work, CATEGORY)
    assert set(found.new["clip_id"]) == {f"{pair}-1" for pair in CAPTIONS}
    assert set(found.stood["clip_id"]) == {f"{pair}-0" for pair in CAPTIONS}
    assert (found.yield_new.accepted, found.yield_new.made) == (11, 12)
    assert (found.yield_stood.accepted, found.yield_stood.made) == (12, 12)
    accepted = toy.clips.filter((pl.col("take") == 1) & (pl.col("status") == "accepted"))
    stood = toy.clips.filter((pl.col("take") == 0) & (pl.col("pair_id") != "p3"))
    [motion] = [delta for delta in found.deltas if delta.score == "motion"]
    assert (motion.new, motion.stood, motion.pairs) == (accepted["motion"].median(), stood["motion"].median(), 11)
    assert comparison_lines(found)[0] == "yield 92% (11 of 12) new, 100% (12 of 12) before"


def test_both_sheets_show_the_same_pairs_in_the_same_order(toy: ToyCategory) -> None:
    text = comparison_markdown(toy.work, waiting(toy.work, CATEGORY))
    assert len(re.findall(r"data:image/webp;base64,", text)) == 2
    assert re.search(r"\| !\[before\]\(data:[^)]+\) \| !\[new\]\(data:[^)]+\) \|", text)
    assert len(text) < 2 * 56_000, "event metadata lives in Dagster's database"
    captions = re.findall(r"^\d\. (.*)$", text, re.MULTILINE)
    assert captions == [CAPTIONS[pair] for pair in waiting(toy.work, CATEGORY).pairs(8)]


def test_the_page_has_both_clips_of_a_pair_in_one_row(toy: ToyCategory) -> None:
    page = write_page(toy.work, waiting(toy.work, CATEGORY)).read_text()
    rows = re.findall(r"<tr><td class=\"accepted\">.*?take 0.*?take 1.*?</code>", page)
    assert len(rows) == 12
    assert page.count('<td class="rejected">') == 1
    assert page.count("data:image/webp") == 24


def test_a_category_without_candidates_has_nothing_to_compare(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path / "home", CAPTIONS)
    toy.run()
    found = waiting(toy.work, CATEGORY)
    assert (found.new.height, found.pairs(8), found.deltas) == (0, [], [])


# -- the digest --------------------------------------------------------------------------------------------------------


def test_the_digest_tells_what_was_made_and_what_it_cost(toy: ToyCategory) -> None:
    work = toy.work
    request = ask(work, categories=[CATEGORY], by="nightly", request_id="nightly-2026-11-21-weakest")
    report(work, request, "running", category=CATEGORY, made=12, accepted=11, device_seconds=3600.0)
    report(work, request, "done")
    found = digest_of(work)
    assert (found.made, found.accepted) == (24, 23)
    assert found.nightly_hours == 1.0
    seconds = toy.clips.select(pl.coalesce("device_seconds", "seconds").sum()).item()
    assert found.device_hours == pytest.approx(seconds / 3600)
    target = write(work, found)
    text = target.read_text()
    assert target == work.home.path / "reports" / "digests" / f"{found.day}.md"
    assert "24 clips made, 23 accepted, 1 rejected" in text.splitlines()[0]
    assert f"| {CATEGORY} | 24 | 23 | 1 |" in text
    assert "1.0 device hours of the 8.0 device hours it may have, 12%" in text
    assert "done: 12 clips made, 11 accepted" in text
    assert (target.parent / f"{found.day}-{CATEGORY}.webp").read_bytes()[8:12] == b"WEBP"
    assert "data:image" not in text
    assert "data:image/webp" in inline_markdown(work, found)


def test_yesterday_is_not_today(toy: ToyCategory) -> None:
    later = datetime.now(UTC) + timedelta(hours=25)
    found = digest_of(toy.work, now=later)
    assert (found.made, found.requests) == (0, [])
    assert "no clip was made" in found.headline
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert digest_of(toy.work, today).made == 24
    with pytest.raises(SvtaError, match="is no date"):
        digest_of(toy.work, "yesterday")


def test_the_digest_shows_how_validation_moved(tmp_path: Path) -> None:
    from tests.regeneration.night_home import make_night_home

    work = make_night_home(tmp_path / "home")["fire"].work
    [fire] = [row["pair_id"] for row in work.catalog.read("validation_ranks").to_dicts() if row["category"] == "fire"]
    measure(work, {fire: 1.0}, "checkpoint-2")
    [news] = digest_of(work).validation
    assert news.before == 0.0
    assert news.now == pytest.approx(100 / 3)
    assert news.by_category["fire"] == (0.0, 100.0)
    text = write(work, digest_of(work)).read_text()
    assert "- clip4clip-meanp: 33.3, +33.3 against the checkpoint before" in text
    assert "  - fire: 0.0 -> 100.0" in text
