"""The review pages with clips and metadata in a bucket: what is shown, what is said, and who sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from svta_assets.workspace import Workspace
from svta_models.media_store import open_store
from svta_resources.profiles import Home
from tests.app.conftest import CAPTIONS as NASTY
from tests.app.conftest import ORIGIN, client_of, write_labels_and_release
from tests.stages.toy_category import CATEGORY, ToyCategory

HEADERS = {"accept": "application/json", "origin": ORIGIN}


@pytest.fixture
def bucket(media: Callable[[], str], tmp_path: Path) -> ToyCategory:
    """Clips, labels and a release, all of them in a bucket."""
    made = ToyCategory(tmp_path / "home", NASTY, media_url=media())
    made.run()
    write_labels_and_release(made)
    return made


def test_clips_of_a_bucket_are_shown_and_judged_by_two_people_on_two_machines(
    bucket: ToyCategory, tmp_path: Path
) -> None:
    url = bucket.work.store.url
    ann = client_of(Workspace(bucket.work.home), "ann")
    elsewhere = ToyCategory(tmp_path / "other", {}, category="other", media_url=url).work.home
    bob = client_of(Workspace(Home(elsewhere.profile, elsewhere.path, url)), "bob")
    cards = ann.get("/review/clips/cards?scope=all", headers=HEADERS).json()
    assert cards and {card["category"] for card in cards} == {CATEGORY}
    clip = cards[0]["id"]
    uri = dict(bucket.clips.select("clip_id", "uri").iter_rows())[clip]
    assert ann.get(f"/media/clips/{clip}.mp4").content == open_store(url).get(uri)
    assert ann.get(f"/media/clips/{clip}.mp4", headers={"range": "bytes=0-9"}).status_code == 206
    assert ann.get(f"/media/thumbs/{clip}.webp").headers["content-type"] == "image/webp"
    said = {"id": clip, "verdict": "reject", "reason": "the event is missing"}
    assert ann.post("/review/clips", json=said, headers=HEADERS).status_code == 200
    assert clip not in [card["id"] for card in ann.get("/review/clips/cards?scope=all", headers=HEADERS).json()]
    assert bob.post("/review/clips", json={"id": clip, "verdict": "keep"}, headers=HEADERS).status_code == 200
    rows = Workspace(bucket.work.home).catalog.read("clip_reviews", CATEGORY).sort("at")
    assert rows.select("clip_id", "verdict", "by").rows() == [(clip, "reject", "ann"), (clip, "keep", "bob")]
    assert not list((tmp_path / "home").rglob("*.parquet")), "nothing of it lies in the folder"


@pytest.mark.parametrize("queue", ["", "/clips", "/labels", "/descriptions", "/merges"])
def test_every_review_page_opens_over_a_bucket(bucket: ToyCategory, queue: str) -> None:
    assert client_of(Workspace(bucket.work.home), "ann").get(f"/review{queue}").status_code == 200
