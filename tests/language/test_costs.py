"""What was asked and what will be: the sums follow from the kept answers, the plan from what is missing."""

import os
from pathlib import Path

import pytest

from svta_assets.labels.labelling import label
from svta_assets.schemas import TEXTS
from svta_assets.texts.costs import Spent, plan_texts, spent_by_model, spent_markdown, spent_on, spent_table
from svta_assets.texts.describe import describe_category
from svta_assets.texts.drops import Verdict, record
from svta_assets.texts.expand import sourced
from svta_assets.texts.writers import Writer, Writers
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.answers import AnswerLog
from svta_resources.chat_errors import ChatError
from svta_resources.llm_settings import Prices
from svta_resources.profiles import home_from
from tests.language.servers import label_answer, scripted_chat

FACTS = {"category": "normal-03", "is_anomaly": False, "source": "uca", "source_category": "Normal"}
CAPTIONS = ["A man waits.", "A woman sings.", "A dog runs.", "A dog runs."]
TABLE = TEXTS.frame([{"text_id": f"t{n}", "caption": caption, **FACTS} for n, caption in enumerate(CAPTIONS)])


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    work = prepare_workspace(home_from({"SVTA_PROFILE": "demo", "SVTA_HOME": str(tmp_path / "home")}))
    work.catalog.publish("texts", "all", TABLE)
    return work


def answer_all(work: Workspace, run_id: str, reply) -> None:
    chat, _ = scripted_chat(reply)
    chat.prices = Prices(1.0, 10.0)
    work.__dict__["chat"] = chat
    with AnswerLog(work.store, "answers/label/normal-03", run_id) as log:
        label(sourced(TABLE), TABLE, chat, log)


def test_sums_by_model_count_every_request_and_its_price(work: Workspace):
    answer_all(work, "run1", lambda payload, n: "junk" if "sings" in payload["caption"] else label_answer())
    spent = spent_on(work, "label", "normal-03")["toy"]
    assert (spent.requests, spent.rejected) == (3, 1)
    assert (spent.prompt_tokens, spent.answer_tokens) == (50, 25), "two answers, and one question asked three times"
    assert spent.price == pytest.approx((50 + 250) / 1e6) and spent.seconds > 0
    answer_all(work, "run2", lambda payload, n: label_answer())
    assert spent_on(work, "label", "normal-03", "run2")["toy"].requests == 1, "only the rejected one was asked again"
    table = spent_table(work)
    assert table.select("task", "category", "model", "requests").rows() == [("label", "normal-03", "toy", 4)]
    now, ever = spent_on(work, "label", "normal-03", "run2"), spent_on(work, "label", "normal-03")
    assert "| toy | this | 1 | 0 | 10 | 5 |" in spent_markdown(now, ever) and "| toy | all | 4 | 1 |" in spent_markdown(
        now, ever
    )
    assert spent_markdown({}, {}) == "nothing was asked"


def test_a_row_without_a_price_makes_the_sum_unknown_not_smaller():
    rows = [{"model": "m", "prompt_tokens": 10, "answer_tokens": 1, "price": 0.5}, {"model": "m", "prompt_tokens": 10}]
    assert spent_by_model(rows, {})["m"].price is None
    assert spent_by_model(rows, {"another": Prices(1e6, 0.0)})["m"].price is None
    assert spent_by_model(rows, {"m": Prices(1e6, 0.0)})["m"].price == pytest.approx(10.5)
    assert Spent(1, price=1.0) + Spent(1, price=2.0) == Spent(2, price=3.0)


def test_the_plan_counts_what_is_missing_and_shrinks_with_every_answer(work: Workspace):
    chat, transport = scripted_chat(lambda payload, n: "unused")
    chat.prices = Prices(1.0, 10.0)
    work.__dict__["chat"] = chat
    plan = plan_texts(work, ["normal-03", "falling"])
    described, labelled = plan.totals
    assert (described.requests, labelled.requests) == (work.profile.descriptions_per_seed, 3)
    assert [(part.task, part.category) for part in plan.parts] == [("describe", "falling"), ("label", "normal-03")]
    assert described.seconds is None and "guess" in plan.basis["label"]["toy"] and not transport.bodies
    assert labelled.price == pytest.approx((labelled.prompt_tokens + 10 * labelled.answer_tokens) / 1e6, rel=0.01)

    answer_all(work, "run1", lambda payload, n: "junk" if "sings" in payload["caption"] else label_answer())
    labelled = plan_texts(work, ["normal-03", "falling"]).totals[1]
    assert labelled.requests == 1 and labelled.seconds is not None
    assert labelled.prompt_tokens == pytest.approx(50 / 3), "the mean of what this model was sent"
    answer_all(work, "run2", lambda payload, n: label_answer())
    assert plan_texts(work, ["normal-03"]).totals[1].requests == 0


def test_a_plan_of_everything_leaves_retired_categories_out(work: Workspace):
    plan = plan_texts(work)
    assert (
        plan.models == {"embedded-rules": "embedded-rules"}
        and plan.totals[0].requests == 23 * work.profile.descriptions_per_seed
    )
    assert plan.totals[1].requests == 3 and plan.totals[0].price == 0.0
    assert all(total.prompt_tokens == total.answer_tokens == 0 for total in plan.totals), "rules use no tokens"


def test_a_plan_without_a_model_says_what_to_set(tmp_path: Path, monkeypatch):
    for name in ("SVTA_LLM_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    home = home_from({**os.environ, "SVTA_PROFILE": "gpu", "SVTA_HOME": str(tmp_path)})
    with pytest.raises(ChatError, match="SVTA_LLM_MODEL"):
        plan_texts(prepare_workspace(home))


def test_a_plan_of_several_models_has_a_price_for_each_and_expects_what_repeats(work: Workspace):
    """Models are asked at the same time, each at its own price; where some repeat themselves, more slots will open."""
    quick, deep = (scripted_chat(lambda payload, n: "unused")[0] for _ in range(2))
    quick.model, deep.model, quick.prices, deep.prices = "quick", "deep", Prices(1.0, 10.0), Prices(3.0, 30.0)
    work.__dict__.update(chat=quick, writers=Writers([Writer(quick, 3.0), Writer(deep)]))
    plan = plan_texts(work, ["falling", "fire"])
    assert plan.models == {"quick": "toy.test", "deep": "toy.test"}
    by_model = {part.model: part for part in plan.by_model}
    count = 2 * work.profile.descriptions_per_seed
    assert by_model["quick"].requests > by_model["deep"].requests > 0
    assert plan.totals[0].requests == count == sum(part.requests for part in plan.by_model)
    for model, rate in (("quick", 1.0), ("deep", 3.0)):
        one = by_model[model]
        expected = rate * (one.prompt_tokens + 10 * one.answer_tokens) / 1e6
        assert one.price == pytest.approx(expected, rel=0.01) and one.topup == 0
    assert plan.totals[0].price == pytest.approx(sum(part.price or 0 for part in plan.by_model))

    judged = [
        {"pair_id": f"p{n}", "category": "stealing", "model": "deep", "near_duplicate": n < 2, "at": "1"}
        for n in range(8)
    ]
    work.catalog.append("novelty", "stealing", judged)
    now = {part.model: part for part in plan_texts(work, ["falling", "fire"]).by_model}
    assert now["quick"] == by_model["quick"]
    assert now["deep"].requests == by_model["deep"].requests
    assert now["deep"].topup == pytest.approx(now["deep"].requests / 3), (
        "one of four repeats, so one more for every three"
    )
    assert now["deep"].price == pytest.approx(by_model["deep"].price * 4 / 3, rel=0.01)


def test_a_plan_counts_what_reviewers_dropped(work: Workspace):
    describe_category(work, "falling", "run1")
    assert plan_texts(work, ["falling"]).totals[0].requests == 0
    pair = work.catalog.read("descriptions", "falling")["pair_id"][0]
    record(work, [Verdict(pair, "drop", "odd")], "ann")
    assert plan_texts(work, ["falling"]).totals[0].requests == 1
