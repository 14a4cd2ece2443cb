"""Review pages: what a person says is a row, however many say it at once, and what follows is what the pipeline reads."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from svta_assets.labels.reviews import standing
from svta_assets.reviewing import newest_words, words_of
from svta_assets.texts.drops import dropped
from svta_assets.videos.verdicts import newest_reviews
from svta_assets.workspace import Workspace
from svta_cli.app.pages.review_queue import SHARED, agreements, in_order
from svta_cli.app.pages.review_tables import ReviewHome
from svta_resources.profiles import Home
from tests.app.conftest import CAPTIONS, ORIGIN, client_of
from tests.app.live_app import post, serving
from tests.stages.labelled_home import LabelledHome
from tests.stages.toy_category import CATEGORY, ToyCategory

SCRIPT_HEADERS = {"accept": "application/json", "origin": ORIGIN}


def say(client: TestClient, queue: str, **values: str) -> Any:
    return client.post(f"/review/{queue}", json=values, headers=SCRIPT_HEADERS)


def cards_of(client: TestClient, queue: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/review/{queue}/cards", params=query).json()
    return found


# -- many at once ----------------------------------------------------------------------------------------------------


def test_two_clients_with_200_concurrent_posts_each_leave_400_rows(released: ToyCategory) -> None:
    work, clips = released.work, sorted(released.current.values())

    def work_through(address: str) -> Counter[str]:
        with ThreadPoolExecutor(25) as hands:
            verdicts = [
                {"id": clips[n % len(clips)], "verdict": "reject" if n % 3 else "keep", "reason": f"no. {n}"}
                for n in range(200)
            ]
            said = hands.map(lambda values: post(address, "/review/clips", values), verdicts)
            return Counter(rows for one in said for rows in [str(one["rows"])])

    with serving(work, "ann") as one, serving(work, "bob") as other, ThreadPoolExecutor(2) as clients:
        assert list(clients.map(work_through, (one, other))) == [Counter({"1": 200})] * 2
    log = Workspace(work.home).catalog.read("clip_reviews")
    assert log.height == 400
    assert Counter(log["by"]) == {"ann": 200, "bob": 200}
    said = Counter(zip(log["by"], log["reason"], strict=True))
    assert set(said.values()) == {1} and len(said) == 400, "every post is there, and once"


def test_a_remembering_catalog_always_reads_what_the_plain_one_reads(released: ToyCategory) -> None:
    plain, quick = Workspace(released.work.home).catalog, ReviewHome(released.work.home).catalog
    clip = sorted(released.current.values())[0]
    for number in range(3):
        row = {"clip_id": clip, "category": CATEGORY, "verdict": "keep", "by": "ann", "at": f"{number}"}
        plain.append("clip_reviews", CATEGORY, [row])
        quick.append("clip_reviews", CATEGORY, [{**row, "by": "bob"}])
        for table in ("clip_reviews", "clips", "labels"):
            assert quick.read(table).sort(pl.all()).equals(plain.read(table).sort(pl.all()))
    plain.publish("clips", CATEGORY, plain.read("clips", CATEGORY).head(3))
    assert quick.read("clips").height == 3 == quick.read("clips", CATEGORY).height


# -- what is read by the pipeline ------------------------------------------------------------------------------------


def test_a_rejected_clip_leaves_the_tables_and_an_undo_is_a_row_that_brings_it_back(released: ToyCategory) -> None:
    client = client_of(released.work, "ann")
    clip = released.current["p1"]
    assert say(client, "clips", id=clip, verdict="reject", reason="the event is missing").json() == {"rows": 1}
    desk = client.app.state.review_desk  # type: ignore[attr-defined]
    desk.settler.settle()
    row = released.clips.filter(clip_id=clip).row(0, named=True)
    assert (row["status"], row["reject_reason"]) == ("rejected", "reviewer ann: the event is missing")
    shown = client.app.state.site.rows("select status from clips where clip_id = ?", [clip])  # type: ignore[attr-defined]
    assert shown == [{"status": "rejected"}]
    say(client, "clips", id=clip, verdict="undo")
    desk.settler.settle()
    assert released.work.catalog.read("clip_reviews").height == 2
    assert released.current["p1"] == clip and not newest_reviews(released.work.catalog)


def test_a_dropped_description_is_dropped_for_the_pipeline_too(released: ToyCategory) -> None:
    client = client_of(released.work, "ann")
    assert say(client, "descriptions", id="p2", verdict="drop").status_code == 409, "a drop needs a reason"
    stale = say(client, "descriptions", id="p2", verdict="keep", seen_caption="House 2 stands.")
    assert stale.status_code == 409 and "another one by now" in stale.json()["error"]
    assert say(client, "descriptions", id="p2", verdict="drop", reason="no").status_code == 200
    assert {pair for pair, _ in dropped(released.work.catalog)} == {"p2"}


def test_labels_are_judged_as_they_were_seen_and_corrected(work: Workspace) -> None:
    labelled = LabelledHome(work, {"fire": 30})
    work.refresh()
    client = client_of(work, "ann")
    card = cards_of(client, "labels")[0]
    seen = {f"seen_{name}": value for name, value in card["seen"].items()}
    said = {"id": card["id"], "verdict": "wrong", "correct_name": "burn house", "correct_is_anomaly": "false"}
    outdated = say(client, "labels", **said, **seen | {"seen_name": "another name"})
    assert outdated.status_code == 409 and "the label is now" in outdated.json()["error"]
    assert say(client, "labels", **said, **seen).status_code == 200
    row = standing(work.catalog.read("label_reviews"))[card["id"]][0]
    assert (row["verdict"], row["correct_name"], row["correct_is_anomaly"]) == ("wrong", "burn house", False)
    assert (row["seed"], row["by"], row["recipe_sha"]) == (42, "ann", "0" * 64)
    assert card["id"] not in {one["id"] for one in cards_of(client, "labels")}
    labelled.materialize()
    assert labelled.labels[card["id"]]["name_origin"] == "reviewer"
    assert say(client, "labels", id=card["id"], verdict="undo").status_code == 200
    assert say(client, "labels", id=card["id"], verdict="undo").status_code == 409, "nothing is left to take back"
    assert work.catalog.read("label_reviews").height == 2


# -- pages -----------------------------------------------------------------------------------------------------------


def test_every_queue_opens_shows_texts_as_they_are_and_asks_again_only_for_what_is_not_there(
    released: ToyCategory,
) -> None:
    client = client_of(released.work, "ann")
    assert client.get("/review").status_code == 200
    for queue in ("descriptions", "labels", "clips", "merges"):
        page = client.get(f"/review/{queue}")
        assert page.status_code == 200 and "<script>alert" not in page.text
        first = cards_of(client, queue, scope="all")
        again = cards_of(client, queue, scope="all", without=",".join(one["id"] for one in first))
        assert not {one["id"] for one in first} & {one["id"] for one in again}
        if queue != "merges":  # a single category has nothing to merge with
            assert {one["text"] for one in first + again} == set(CAPTIONS.values()), "JSON, which the page sets as text"


def test_a_reader_may_look_but_not_judge(released: ToyCategory) -> None:
    reader = client_of(released.work)
    assert cards_of(reader, "clips")
    assert "Read only" in reader.get("/review/clips").text
    assert say(reader, "clips", id=released.current["p1"], verdict="keep").status_code == 403
    assert released.work.catalog.read("clip_reviews").is_empty()


def test_a_verdict_that_cannot_be_recorded_says_why(released: ToyCategory) -> None:
    client, clip = client_of(released.work, "ann"), released.current["p1"]
    for values, status, why in (
        ({"id": "nobody-0", "verdict": "keep"}, 409, "there is no clip"),
        ({"id": clip, "verdict": "love"}, 409, "a review says"),
        ({"id": clip, "verdict": "reject"}, 409, "needs a reason"),
        ({"verdict": "keep"}, 400, "id is missing"),
        ({"id": clip, "verdict": "keep", "reason": "x" * 3000}, 400, "at most 2000"),
    ):
        answer = say(client, "clips", **values)
        assert answer.status_code == status and why in answer.json()["error"]
    assert released.work.catalog.read("clip_reviews").is_empty()
    assert client.get("/review/..%2f..%2fx").status_code == client.get("/review/people").status_code == 404
    assert client.get("/review/clips", params={"scope": "none"}).status_code == 400


def test_progress_and_agreement_of_two_reviewers_are_shown(released: ToyCategory) -> None:
    ann, bob = client_of(released.work, "ann"), client_of(released.work, "bob")
    clip = cards_of(ann, "clips")[0]["id"]  # the sample is of one
    say(ann, "clips", id=clip, verdict="keep")
    say(bob, "clips", id=clip, verdict="reject", reason="cut")
    shown = " ".join(ann.get("/review/clips").text.split())
    assert "1 of 1 judged" in shown and "ann and bob: 1 judged by both, 0% alike" in shown
    assert "1 judged differently" in shown
    assert [one["id"] for one in cards_of(ann, "clips", scope="split")] == [clip]


def test_agreement_is_cohens_kappa_over_what_both_judged() -> None:
    said = {"ann": "kkrrk", "bob": "kkrk"}
    words = {f"c{n}": {by: of[n] for by, of in said.items() if n < len(of)} for n in range(5)}
    found = agreements(words)
    assert [(one.first, one.second, one.labels, one.agreed) for one in found] == [("ann", "bob", 4, 0.75)]
    assert found[0].kappa == pytest.approx(0.5)


# -- order and agreement ---------------------------------------------------------------------------------------------


def test_an_undo_takes_back_its_reviewers_word_and_no_other() -> None:
    rows = [("p", "ann", "keep"), ("p", "bob", "drop"), ("q", "ann", "drop"), ("p", "ann", "undo")]
    log = pl.DataFrame(
        [{"pair_id": pair, "by": by, "verdict": word, "at": f"{n}"} for n, (pair, by, word) in enumerate(rows)]
    )
    said = words_of(log, ("pair_id",))
    assert {pair: {by: row["verdict"] for by, row in of.items()} for (pair,), of in said.items()} == {
        "p": {"bob": "drop"},
        "q": {"ann": "drop"},
    }
    by_carl = pl.concat([log, pl.DataFrame([{"pair_id": "p", "by": "carl", "verdict": "undo", "at": "9"}])])
    assert set(newest_words(by_carl, ("pair_id",))) == {("q",)}, "one who said nothing takes back the newest word"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.data())
def test_every_reviewer_sees_what_they_have_not_judged_once_shared_ones_first(count: int, data: st.DataObject) -> None:
    ids = [f"id{n}" for n in range(count)]
    who = st.sampled_from(["ann", "bob", "carl"])
    words = {one: dict.fromkeys(data.draw(st.sets(who)), "keep") for one in ids}
    shown = in_order(ids, words, "ann")
    assert sorted(shown) == sorted(one for one in ids if "ann" not in words[one])
    everybody = set(in_order(ids, {}, "ann")[:SHARED])
    assert everybody == set(in_order(ids, {}, "bob")[:SHARED])
    later = [one for one in shown if one not in everybody]
    judged = [bool(words[one]) for one in later]
    assert judged == sorted(judged), "what nobody judged comes before second opinions"
    assert set(shown[: len(shown) - len(later)]) <= everybody


def test_two_reviewers_begin_at_different_places() -> None:
    ids = [f"id{n}" for n in range(200)]
    ann, bob = (in_order(ids, {}, by)[SHARED : SHARED + 50] for by in ("ann", "bob"))
    assert not set(ann) & set(bob)


def test_a_home_of_nothing_has_empty_queues(home: Home, work: Workspace) -> None:
    work.refresh()
    client = client_of(work, "ann")
    assert client.get("/review").text.count("Nothing to judge yet.") == 4
    assert cards_of(client, "labels") == cards_of(client, "merges") == []
