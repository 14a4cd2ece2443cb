"""A clip's page shows its whole history, and a reviewer can ask for another take from it."""

import json

import pytest
from starlette.testclient import TestClient

from svta_assets.regeneration.requests import parse_filters, requests
from svta_assets.videos.plan import Mode
from svta_assets.workspace import utc_now
from tests.app.conftest import CLIMBING, NASTY, ORIGIN, SCRIPT, client_of
from tests.app.html_pages import assert_harmless
from tests.stages.toy_category import CATEGORY, ToyCategory

HEADERS = {"origin": ORIGIN}


@pytest.mark.parametrize("pair", NASTY)
def test_every_text_is_shown_as_it_stands(reader: TestClient, pair: str) -> None:
    page = assert_harmless(reader.get(f"/clip/{pair}-0").text)
    assert " ".join(NASTY[pair].split()) in page.text
    assert f"{CATEGORY} → {SCRIPT} → {SCRIPT}" in page.text
    assert CLIMBING in page.text
    assert page.all("video")[0]["src"] == f"/media/clips/{pair}-0.mp4"


def test_a_clip_that_does_not_exist_is_not_found(reader: TestClient) -> None:
    for clip in ("none", "p0", "' or 1=1 --", "%00", "🔥"):
        assert reader.get(f"/clip/{clip}").status_code == 404


def test_the_whole_history_is_told(released: ToyCategory) -> None:
    catalog, at = released.work.catalog, utc_now()
    text = {"text_id": "p0", "source": "uca", "source_video": "Arson009", "caption": "x", "category": CATEGORY}
    catalog.publish(
        "texts", "all", [text | {"caption_zh": "房子着火了", "start_s": 1.5, "end_s": 4.0, "flags": ["short"]}]
    )
    released.generator.style = "other"
    released.run(Mode.NEW_TAKE, ["p0"])
    key = {"checkpoint_id": "c1", "release": "r1", "benchmark": "svta", "direction": "t2v"}
    catalog.publish("evaluations", "xclip-vit-b-32", [key | {"model": "xclip-vit-b-32", "pairs": 98, "at": at}])
    catalog.publish("query_ranks", "xclip-vit-b-32", [key | {"query": "p0", "rank": 7.5, "best_wrong": "script"}])
    said = {"clip_id": "p0-0", "pair_id": "p0", "category": CATEGORY, "by": "bob", "at": at}
    catalog.append("clip_reviews", CATEGORY, [said | {"verdict": "reject", "reason": "two heads"}])
    released.work.refresh()
    page = assert_harmless(client_of(released.work).get("/clip/p0-1").text)
    for expected in (
        "Arson009", "房子着火了", "1.5 to 4.0", "short",  # source text
        "take 1", "take 0", "promote", "stands for its pair",  # takes
        '"style": "other"', "seed",  # recipe
        "xclip-vit-b-32", "7.5", "98",  # ranks
        "bob said reject of the clip p0-0: two heads",
        "anomalous, by source", f"{SCRIPT}, by llm",  # label
        "contrast", "standard deviation of luma",  # scores
    ):  # fmt: skip
        assert expected in page.text, expected
    assert {"/clip/p0-0", "/clip/p0-1", "/clip/script-0"} <= {link["href"] for link in page.all("a")}
    split = released.work.catalog.read("splits").filter(pair_id="p0")["split"][0]
    assert f"Split {split} since" in page.text


def test_a_written_description_shows_who_wrote_it_and_to_what(released: ToyCategory) -> None:
    from svta_assets.prompts import load_prompt

    written = {
        "pair_id": "p0",
        "category": CATEGORY,
        "caption": "Rewritten.",
        "origin": "llm",
        "source": "llm",
        "slot": 3,
    }
    asked = {
        "age": "teenager",
        "culture": "Nordic",
        "model": "qwen",
        "provider": "gpu-a",
        "prompt_sha": load_prompt("describe").sha,
    }
    released.work.catalog.publish("descriptions", CATEGORY, [written | asked])
    released.work.refresh()
    page = assert_harmless(client_of(released.work).get("/clip/p0-0").text)
    for expected in (
        "qwen",
        "gpu-a",
        "teenager",
        "Nordic",
        "You write captions for short videos",
        "reads differently today",
    ):
        assert expected in page.text, expected


# -- asking for another take -------------------------------------------------------------------------------------------


def test_a_reader_sees_no_form(reader: TestClient) -> None:
    page = assert_harmless(reader.get("/clip/p0-0").text)
    assert not page.all("form", method="post")
    assert "--reviewer" in page.text


def test_a_request_is_recorded_under_the_reviewers_name_and_shown(released: ToyCategory) -> None:
    tab = client_of(released.work, "ada")
    form = assert_harmless(tab.get("/clip/p0-0").text).all("form", method="post")[0]
    answer = tab.post(
        form["action"], data={"mode": "new_take", "why": NASTY["script"]}, headers=HEADERS, follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/clip/p0-0#regenerate"
    asked = requests(released.work).row(0, named=True)
    assert (asked["by"], asked["mode"], asked["categories"]) == ("ada", "new_take", [CATEGORY])
    assert parse_filters(asked["filters"]) == {"only": ["p0"]}
    assert not asked["include_test"]
    page = assert_harmless(tab.get("/clip/p0-0").text)
    assert f"ada asked for new_take ({NASTY['script']}): waiting" in page.text
    assert "asked for" not in assert_harmless(tab.get("/clip/p1-0").text).text


def test_a_script_is_answered_with_json(reviewer: TestClient, released: ToyCategory) -> None:
    json_headers = HEADERS | {"accept": "application/json"}
    said = reviewer.post("/clip/p0-0/regenerate", json={"mode": "stale", "include_test": True}, headers=json_headers)
    assert said.json() == {"request_id": requests(released.work)["request_id"][0]}
    assert requests(released.work)["include_test"][0]
    refused = reviewer.post("/clip/p0-0/regenerate", json={"mode": "delete"}, headers=json_headers)
    assert refused.status_code == 400
    assert "mode is one of" in refused.json()["error"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"mode=new_take", "text/plain", 415),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (json.dumps({"mode": ["new_take"]}).encode(), "application/json", 400),
        (b"mode=%ff", "application/x-www-form-urlencoded", 400),
        (b"why=x", "application/x-www-form-urlencoded", 400),
        (b"mode=new_take&why=" + b"x" * 501, "application/x-www-form-urlencoded", 400),
        (b"mode=new_take&why=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_a_post_that_cannot_be_used_is_refused(
    reviewer: TestClient, released: ToyCategory, content: bytes, kind: str, status: int
) -> None:
    answer = reviewer.post("/clip/p0-0/regenerate", content=content, headers=HEADERS | {"content-type": kind})
    assert answer.status_code == status
    assert requests(released.work).is_empty()
