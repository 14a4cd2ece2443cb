"""Yield page: the funnel counts what the tables hold, names why things were set aside, and says what is left."""

import pytest

from svta_assets.texts.drops import Verdict, record
from svta_assets.videos.costs import rendered
from svta_assets.videos.reviews import record_review
from svta_cli.app.pages.yield_data import STAGES, funnels
from tests.app.conftest import CAPTIONS, NASTY, client_of
from tests.stages.toy_category import CATEGORY, ToyCategory


def test_the_funnel_follows_drops_rejections_and_missing_clips(released: ToyCategory) -> None:
    work, all_of_them = released.work, len(CAPTIONS)
    [before], total, costs = funnels(work)
    assert before.category == CATEGORY and before.counts == total.counts
    assert before.counts == dict.fromkeys(STAGES, all_of_them) | {"texts": 0}
    assert (before.takes, before.left, before.share) == (all_of_them, 0, 1.0)
    assert before.hours == pytest.approx(rendered(released.clips, "toy")["device_s"].sum() / 3600)
    assert not before.aside and not costs.problem

    record(work, [Verdict("p0", "drop", "could not happen")], "ann")
    record_review(work, [released.current["p1"]], "reject", "ann", "cut or frozen")
    more = CAPTIONS | {"new0": "A new house burns.", "new1": "Another one burns."}
    rows = [{"pair_id": one, "category": CATEGORY, "caption": text, "origin": "source"} for one, text in more.items()]
    work.catalog.publish("descriptions", CATEGORY, rows)
    [after], _, costs = funnels(work)
    assert after.counts["described"] == all_of_them + 2 - 1
    assert after.counts["rendered"] == all_of_them - 1 and after.counts["accepted"] == all_of_them - 2
    assert after.counts["labelled"] == all_of_them - 2
    assert after.counts["released"] == all_of_them, "a release is what it was"
    assert after.aside == {"text: dropped, could not happen": 1, "clip: reviewer, cut or frozen": 1}
    work.catalog.publish("rejects", "raw_texts", [{"stage": "raw_texts", "key": "k", "reason": "too short"}])
    assert funnels(work)[1].aside == {"raw_texts: too short": 1, **after.aside}
    assert after.left == 2 and costs.seconds is not None and after.eta_h is not None
    assert after.eta_h == pytest.approx(2 * costs.seconds / 3600 / min(costs.devices, 2))


def test_a_generator_that_cannot_be_asked_leaves_the_rest_of_the_page(
    released: ToyCategory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "dear")
    shown = client_of(released.work).get("/yield")
    assert shown.status_code == 200 and "is not a price" in shown.text and "not known" in shown.text
    assert f"category={CATEGORY}" in shown.text
    assert NASTY["script"] not in shown.text


def test_a_price_is_that_of_the_device_hours_spent(released: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "3600")
    _, total, costs = funnels(released.work)
    assert costs.price == pytest.approx(total.hours * 3600)
