"""Expansion: stable slots, distinct captions, no second payment, and the grammar's name on what the grammar wrote."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets import prompts
from svta_assets.categories import category
from svta_assets.labels.labelling import open_requests as label_requests
from svta_assets.prompts import attributes
from svta_assets.schemas import DESCRIPTIONS
from svta_assets.texts import expand as expand_module
from svta_assets.texts.expand import expand, sourced, without_dropped
from svta_assets.texts.slots import normalised, unusable
from svta_assets.texts.writers import Writers
from svta_models.identity import text_id
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.chat_errors import ChatError
from svta_resources.chat_retry import Backoff
from svta_resources.llm import EMBEDDED_BASE_URL, ChatModel, open_chat_model
from svta_resources.llm_settings import ChatSettings, Traffic
from tests.language.chat_server import Behaviour, chat_server
from tests.language.servers import scripted_chat

FALLING = category("falling")


def open_log(folder: Path) -> AnswerLog:
    return AnswerLog(open_store(folder), "answers/describe/falling", "run")


def run(folder: Path, count: int, chat):
    with open_log(folder) as log:
        return expand(FALLING, count, Writers.of(chat), log)


def sentence(payload) -> dict[str, str]:
    return {"caption": f"A woman falls down the stairs number {payload['index']} at dawn, try {payload['nonce']}."}


def test_fifty_descriptions_with_their_attributes(tmp_path: Path):
    expansion = run(tmp_path, 50, open_chat_model(base_url=EMBEDDED_BASE_URL, environ={}))
    rows = expansion.rows
    assert rows.schema == pl.Schema(DESCRIPTIONS.schema) and rows.height == 50 == rows["caption"].n_unique()
    assert expansion.rejects.height == 0 and expansion.tokens == 0
    assert rows["provider"].unique().to_list() == ["embedded-rules"]
    assert rows["slot"].to_list() == list(range(50))
    for index, row in enumerate(rows.iter_rows(named=True)):
        assert row["pair_id"] == text_id("llm", f"falling/{index}", 0)
        assert {name: row[name] for name in attributes("falling", index)} == attributes("falling", index)
    assert rows["recipe_sha"].n_unique() == 50


def test_unchanged_second_run_asks_nothing_and_gives_the_same(tmp_path: Path):
    chat, transport = scripted_chat(lambda payload, n: "junk" if payload["index"] == 3 else sentence(payload))
    first = run(tmp_path, 8, chat)
    assert first.tokens == 15 * len(transport.bodies)
    asked = len(transport.bodies)
    second = run(tmp_path, 8, chat)
    assert len(transport.bodies) == asked and second.tokens == 0
    assert second.rows.equals(first.rows) and second.rejects.equals(first.rejects)


def test_topping_up_renames_and_changes_nothing(tmp_path: Path):
    # even slots all say the same at first, so that several need another attempt
    def reply(payload, n):
        same = payload["nonce"] == 0 and payload["index"] % 2 == 0
        return {"caption": "A man falls off a chair in a bar."} if same else sentence(payload)

    chat, _ = scripted_chat(reply)
    few = run(tmp_path / "grown", 5, chat)
    grown = run(tmp_path / "grown", 12, chat)
    at_once = run(tmp_path / "fresh", 12, chat)
    assert grown.rows.head(5).equals(few.rows)
    assert grown.rows.equals(at_once.rows)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_model_says_the_slots_fill_with_distinct_captions(tmp_path_factory, data):
    said = ["A man falls in a park at night.", "a man FALLS in a park, at night", "too short", "", "A {b} c d e f g h."]

    def reply(payload, n):
        return {"caption": data.draw(st.sampled_from([*said, sentence(payload)["caption"]]))}

    chat, _ = scripted_chat(reply)
    expansion = run(tmp_path_factory.mktemp("log"), 6, chat)
    captions = expansion.rows["caption"].to_list()
    assert len({normalised(caption) for caption in captions}) == 6
    assert all(unusable(caption) is None for caption in captions)
    by_grammar = expansion.rows.filter(pl.col("provider") == "embedded-rules").height
    assert expansion.rejects.height >= 3 * by_grammar


def test_what_the_grammar_fills_carries_the_grammars_name_and_the_rejects_keep_the_raw_text(tmp_path: Path):
    chat, transport = scripted_chat(lambda payload, n: "I cannot" if payload["index"] == 1 else sentence(payload))
    expansion = run(tmp_path, 3, chat)
    assert expansion.rows["provider"].to_list() == ["toy.test", "embedded-rules", "toy.test"]
    assert expansion.rows["model"].to_list() == ["toy", "embedded-rules", "toy"]
    rejects = expansion.rejects.filter(pl.col("key").str.starts_with("falling/1/"))
    assert rejects.height == 3 and rejects["detail"].str.contains("I cannot").all()
    assert sum('"index":1' in body["messages"][1]["content"] for body in transport.bodies) == 9  # 3 attempts x 3


def test_a_run_that_dies_keeps_what_it_paid_for(tmp_path: Path):
    class Die(Exception):
        pass

    def reply(payload, n):
        if n == 5:
            raise Die
        return sentence(payload)

    chat, transport = scripted_chat(reply)
    with pytest.raises((Die, ChatError)):
        run(tmp_path, 8, chat)
    again, second = scripted_chat(lambda payload, n: sentence(payload))
    assert run(tmp_path, 8, again).rows.height == 8
    assert len(transport.bodies) == 5 and len(second.bodies) == 3


def test_a_server_that_fails_uses_up_no_attempt_and_lets_no_grammar_in(tmp_path: Path):
    script = {"2": ["500"] * 3 + ["ok"]}
    with chat_server(Behaviour(script=script)) as server:
        traffic = Traffic(concurrency=1, retries=2)
        chat = ChatModel("toy", server.url, "key", traffic=traffic, backoff=Backoff(0, 0))
        with pytest.raises(ChatError, match="run again"):
            run(tmp_path, 5, chat)
        expansion = run(tmp_path, 5, chat)
        assert server.seen()["asked"] == {"0": 1, "1": 1, "2": 4, "3": 1, "4": 1}
    assert expansion.rows["model"].to_list() == ["toy"] * 5 and expansion.rejects.height == 0


def test_recipe_follows_prompt_model_and_settings_only(tmp_path: Path, monkeypatch):
    chat, _ = scripted_chat(lambda payload, n: sentence(payload))
    before = run(tmp_path, 3, chat).rows["recipe_sha"]
    other_words, _ = scripted_chat(lambda payload, n: {"caption": sentence(payload)["caption"] + " Twice."})
    assert run(tmp_path / "b", 3, other_words).rows["recipe_sha"].equals(before), "an answer is no choice"
    chat.settings = ChatSettings(temperature=0.1)
    assert not set(run(tmp_path, 3, chat).rows["recipe_sha"]) & set(before)


def test_sourced_texts_pass_through_unchanged():
    texts = pl.DataFrame(
        {"text_id": ["t1", "t2"], "source": ["uca", "oops"], "caption": ["A man walks", "He fell"], "category": "fire"}
    )
    rows = sourced(texts)
    assert rows.schema == pl.Schema(DESCRIPTIONS.schema)
    assert rows["pair_id"].to_list() == rows["text_id"].to_list() == ["t1", "t2"]
    assert rows["caption"].to_list() == ["A man walks", "He fell"]
    assert rows["origin"].unique().to_list() == ["source"]
    assert rows.select("provider", "model", "age", "prompt_sha").null_count().row(0) == (2, 2, 2, 2)
    assert sourced(texts.clear()).height == 0


def test_a_collected_text_that_was_dropped_is_left_out_and_recorded():
    texts = pl.DataFrame(
        {"text_id": ["t1", "t2"], "source": ["uca", "oops"], "caption": ["A man walks", "He fell"], "category": "fire"}
    )
    review = {"by": "ann", "reason": "says nothing"}
    rows, rejects = without_dropped(sourced(texts), {("t2", "He fell"): review, ("t1", "Another text"): review})
    assert rows["pair_id"].to_list() == ["t1"], "a verdict counts only for the caption it was said of"
    assert rejects.select("key", "reason", "detail").rows() == [
        ("t2", "dropped by a reviewer", "ann: says nothing: He fell")
    ]


def test_another_prompt_makes_the_written_descriptions_stale_and_nothing_else(tmp_path: Path, monkeypatch):
    """Recipes of collected texts and of label questions stand; every written description gets another one."""
    chat, _ = scripted_chat(lambda payload, n: sentence(payload))
    texts = pl.DataFrame({"text_id": ["t1"], "source": ["uca"], "caption": ["A man walks"], "category": ["fire"]})
    facts = texts.with_columns(is_anomaly=True, source_category=pl.lit("Fire"))

    def recipes() -> tuple[list[str], list[str], list[str]]:
        written = run(tmp_path, 3, chat).rows["recipe_sha"].to_list()
        with AnswerLog(open_store(tmp_path), "answers/label/fire", "run") as log:
            asked = [request.sha(chat) for request in label_requests(sourced(texts), facts, chat, log)]
        assert asked
        return written, sourced(texts)["recipe_sha"].to_list(), asked

    written, collected, asked = recipes()
    now = prompts.load_prompt("describe")
    changed = replace(now, system=now.system + "Name the weather.\n")
    monkeypatch.setattr(expand_module, "load_prompt", lambda task: changed)
    written_now, collected_now, asked_now = recipes()
    assert not set(written) & set(written_now) and len(set(written_now)) == 3
    assert (collected, asked) == (collected_now, asked_now)
    assert run(tmp_path, 3, chat).rows["prompt_sha"].unique().to_list() == [changed.sha]


@pytest.mark.parametrize(
    ("caption", "fine"),
    [
        ("A man falls down in a park.", True),
        ("A man falls. He gets up again slowly.", True),
        ("A man falls. He gets up. He walks away.", False),
        ("A man falls", False),
        ("word " * 61, False),
        ("A man [name] falls in a park at night.", False),
    ],
)
def test_usable_descriptions_are_one_or_two_plain_sentences(caption, fine):
    assert (unusable(caption) is None) == fine
