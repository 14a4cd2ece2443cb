"""The chat client: schema, re-asks, errors that name the setting, and no key anywhere."""

import json
import pickle
import socket
import traceback

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.prompts import load_prompt
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import ChatError, InvalidAnswer, UnreachableServer
from svta_resources.chat_reading import read_answer
from svta_resources.llm import EMBEDDED_BASE_URL, Answer, ChatModel, Prompt, Request, open_chat_model
from svta_resources.llm_settings import Traffic
from tests.language.servers import Scene, completion, port_server, scripted_chat, toy_chat

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
PROMPT = Prompt("say", "1", "Say a word.", SCHEMA)
GOOD = json.dumps(completion('{"word": "yes"}'))
SECRET = "sk-very-secret-key"


def real_chat(url: str, retries: int = 6) -> ChatModel:
    return ChatModel("toy", url, SECRET, traffic=Traffic(concurrency=2, timeout_s=5, retries=retries))


def test_answer_is_parsed_and_records_who_gave_it():
    chat, transport = scripted_chat(lambda payload, n: {"word": payload["start"] + "!"})
    answer = chat.ask("say", {"start": "hey"}, PROMPT)
    assert (answer.data, answer.model, answer.provider) == ({"word": "hey!"}, "served-name", "toy.test")
    assert answer.usage.total == 15 and answer.latency_s > 0
    sent = transport.bodies[0]
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert json.loads(sent["messages"][1]["content"]) == {"task": "say", "start": "hey"}


@pytest.mark.parametrize(
    "wrapped", ['<think>hm {"word": 3}</think>\n{"word": "yes"}', '```json\n{"word": "yes"}\n```', ' {"word": "yes"} ']
)
def test_thinking_and_fences_around_the_answer_are_read(wrapped):
    chat, transport = scripted_chat(lambda payload, n: wrapped)
    answer = chat.ask("say", {}, PROMPT)
    assert answer.data == {"word": "yes"} and answer.raw == wrapped and len(transport.bodies) == 1


@pytest.mark.parametrize(
    ("content", "beside", "thought"),
    [
        ('<think>hm {"word": 3}</think>\n{"word": "yes"}', {}, 'hm {"word": 3}'),
        ('so it is yes\n</think>\n\n{"word": "yes"}', {}, "so it is yes"),  # the template opened the block
        ('{"word": "yes"}', {"reasoning_content": "it is yes"}, "it is yes"),
        ('{"word": "yes"}', {"reasoning": "it is yes"}, "it is yes"),
        ('{"word": "</think>"}', {}, ""),
        ('```json\n{"word": "</think>"}\n```', {}, ""),
    ],
)
def test_thinking_is_told_from_the_answer_wherever_a_server_puts_it(content, beside, thought):
    body = completion(content)
    body["choices"][0]["message"] |= beside
    reading = read_answer(json.dumps(body), SCHEMA)
    assert reading.thinking == thought and reading.raw == content
    assert reading.data == {"word": "</think>" if not thought else "yes"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["word", "a"]), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(JSON_VALUES, min_size=6, max_size=6), st.text(max_size=20))
def test_whatever_a_server_sends_is_an_answer_or_a_complaint(values, text):
    message = {"content": values[0], "refusal": values[1], "reasoning_content": values[2]}
    choice = {"message": message, "finish_reason": values[3]}
    bodies = [
        {"choices": [choice], "usage": values[4], "model": values[5]},
        {"choices": values},
        {"choices": [values[0]]},
    ]
    for body in [*map(json.dumps, [*bodies, *values]), text]:
        reading = read_answer(body, SCHEMA)
        assert (reading.data is None) == bool(reading.complaint)


@pytest.mark.parametrize("bad", ["{not json", '{"word": 3}', '{"other": "x"}', "[]", "null", ""])
def test_invalid_answers_are_asked_again_with_the_reason(bad):
    chat, transport = scripted_chat(lambda payload, n: bad if n < 2 else {"word": "yes"})
    answer = chat.ask("say", {}, PROMPT)
    assert answer.data == {"word": "yes"}
    assert answer.usage.total == 45, "re-asks are paid for too"
    assert "not valid" in transport.bodies[2]["messages"][1]["content"]


def test_third_invalid_answer_is_an_error_that_keeps_the_raw_text():
    chat, transport = scripted_chat(lambda payload, n: f"nonsense {n}")
    with pytest.raises(InvalidAnswer) as caught:
        chat.ask("say", {}, PROMPT)
    assert len(transport.bodies) == 3 and caught.value.raw == "nonsense 2" and caught.value.usage.total == 45


def test_check_beyond_the_schema_makes_an_answer_invalid():
    chat, transport = scripted_chat(lambda payload, n: {"word": "no" if n == 0 else "yes"})
    answer = chat.ask("say", {}, PROMPT, check=lambda data: None if data["word"] == "yes" else "say yes")
    assert answer.data == {"word": "yes"} and "say yes" in transport.bodies[1]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (completion(None, refusal="I would rather not"), "refused"),
        (completion('{"word": "y', finish_reason="length"), "cut off"),
        ({**completion(""), "choices": []}, "no choices"),
    ],
)
def test_refusals_cut_answers_and_empty_replies_are_invalid(body, reason):
    with port_server(Scene([(200, {}, json.dumps(body))])) as url, pytest.raises(InvalidAnswer, match=reason):
        real_chat(url).ask("say", {}, PROMPT)


def test_too_many_requests_wait_as_long_as_the_server_says():
    scene = Scene([(429, {"Retry-After": "1"}, "{}"), (500, {"Retry-After": "0.2"}, "{}"), (200, {}, GOOD)])
    with port_server(scene) as url:
        assert real_chat(url).ask("say", {}, PROMPT).data == {"word": "yes"}
    assert len(scene.times) == 3 and scene.times[1] - scene.times[0] >= 1.0


def test_endless_too_many_requests_end_in_a_clear_error():
    scene = Scene([(429, {"Retry-After": "0.01"}, '{"error": {"message": "slow down"}}')])
    with port_server(scene) as url, pytest.raises(ChatError, match="too many requests"):
        real_chat(url, retries=2).ask("say", {}, PROMPT)
    assert len(scene.times) == 3


def test_truncated_body_is_asked_again_and_at_last_rejected():
    half = (200, {}, GOOD[: len(GOOD) // 2])
    with port_server(Scene([half, (200, {}, GOOD)])) as url:
        assert real_chat(url).ask("say", {}, PROMPT).data == {"word": "yes"}
    with port_server(Scene([half])) as url, pytest.raises(InvalidAnswer, match="not whole JSON"):
        real_chat(url).ask("say", {}, PROMPT)


def test_unreachable_server_names_address_and_setting():
    with socket.socket() as probe:  # a port that nobody listens on
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    with pytest.raises(UnreachableServer, match="OPENAI_BASE_URL") as caught:
        real_chat(url, retries=0).ask("say", {}, PROMPT)
    assert url in str(caught.value)


@pytest.mark.parametrize(("status", "setting"), [(401, "OPENAI_API_KEY"), (404, "SVTA_LLM_MODEL")])
def test_refused_key_and_unknown_model_name_their_setting(status, setting):
    body = json.dumps({"error": {"message": f"cannot use {SECRET}"}})
    with port_server(Scene([(status, {}, body)])) as url, pytest.raises(ChatError, match=setting):
        real_chat(url).ask("say", {}, PROMPT)


def test_key_is_sent_but_never_shown():
    scene = Scene([(401, {}, json.dumps({"error": {"message": f"bad key {SECRET}"}}))])
    with port_server(scene) as url:
        chat = real_chat(url)
        with pytest.raises(ChatError) as caught:
            chat.ask("say", {}, PROMPT)
    assert scene.keys == [f"Bearer {SECRET}"]
    shown = repr(chat) + str(chat) + "".join(traceback.format_exception(caught.value)) + json.dumps(chat.recipe())
    assert SECRET not in shown


def test_content_filter_rejects_one_question_only():
    body = json.dumps({"error": {"message": "filtered", "code": "content_filter"}})
    with port_server(Scene([(400, {}, body)])) as url, pytest.raises(InvalidAnswer, match="content filter"):
        real_chat(url).ask("say", {}, PROMPT)


def test_no_model_chosen_is_an_error_not_the_rules():
    with pytest.raises(ChatError, match="SVTA_LLM_MODEL"):
        open_chat_model(environ={})
    with pytest.raises(ChatError, match="SVTA_LLM_MODEL"):
        open_chat_model(environ={"OPENAI_BASE_URL": "http://gpu:8000/v1"})
    with pytest.raises(ChatError, match="OPENAI_API_KEY"):
        open_chat_model(environ={"SVTA_LLM_MODEL": "some-model"})


def test_settings_from_the_environment_reach_the_client():
    environ = {"SVTA_LLM_MODEL": "qwen3", "OPENAI_BASE_URL": "http://gpu:8000/v1", "OPENAI_API_KEY": SECRET}
    chat = open_chat_model(environ=environ)
    assert (chat.model, chat.base_url, chat.provider) == ("qwen3", "http://gpu:8000/v1", "gpu")


def test_recipe_names_the_model_but_not_its_address():
    one, other = (ChatModel("m", f"http://{host}/v1", "k") for host in ("a", "b"))
    assert Request("1", "say", {"x": 1}, PROMPT).sha(one) == Request("2", "say", {"x": 1}, PROMPT).sha(other)
    assert Request("1", "say", {"x": 2}, PROMPT).sha(one) != Request("1", "say", {"x": 1}, PROMPT).sha(one)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_many_questions_are_each_answered_once(concurrency):
    def reply(payload, n):
        return "junk" if payload["n"] % 10 == 0 else {"word": str(payload["n"])}

    chat, _ = scripted_chat(reply)
    requests = [Request(str(n), "say", {"n": n}, PROMPT) for n in range(30)]
    got: dict[str, Answer | InvalidAnswer] = {}
    ask_many(chat, requests, lambda request, answer: got.__setitem__(request.key, answer), concurrency)
    assert sorted(got, key=int) == [str(n) for n in range(30)]
    assert {key for key, answer in got.items() if isinstance(answer, InvalidAnswer)} == {"0", "10", "20"}
    assert got["7"].data == {"word": "7"}


def test_fatal_error_stops_the_rest_and_hands_over_what_was_paid_for():
    scene = Scene([(200, {}, GOOD)] * 3 + [(401, {}, '{"error": {"message": "no"}}')])
    got, drawn = [], []

    def requests():
        for n in range(100):
            drawn.append(n)
            yield Request(str(n), "say", {"n": n}, PROMPT)

    with port_server(scene) as url, pytest.raises(ChatError):
        ask_many(real_chat(url), requests(), lambda request, answer: got.append(request.key), 2)
    assert len(got) == 3, "answers that came before the error are handed over"
    assert len(drawn) <= 6, "requests are drawn lazily and no more are asked after the error"


def test_embedded_provider_speaks_the_real_clients_api():
    from svta_resources.embedded_llm import open_client

    client = openai.OpenAI(base_url=EMBEDDED_BASE_URL, api_key="none", http_client=open_client())
    assert [model.id for model in client.models.list()] == ["embedded-rules"]
    with pytest.raises(openai.NotFoundError, match="embedded-rules"):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "{}"}])
    with pytest.raises(openai.BadRequestError, match="task"):
        client.chat.completions.create(model="embedded-rules", messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.BadRequestError, match="unknown"):
        client.chat.completions.create(model="embedded-rules", messages=[{"role": "user", "content": '{"task":"x"}'}])


def test_embedded_provider_says_who_it_is_and_costs_nothing():
    chat = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={})
    attributes = {
        "age": "child",
        "gender": "female",
        "culture": "Pacific",
        "environment": "street",
        "camera": "drone",
    }
    answer = chat.ask(
        "describe", {"category": "falling", "index": 0, "attributes": attributes}, load_prompt("describe")
    )
    assert (answer.provider, answer.model, answer.usage.total) == ("embedded-rules", "embedded-rules-2", 0)
    assert "girl" in answer.data["caption"]


def test_embedded_provider_explains_words_it_does_not_know():
    chat = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={})
    with pytest.raises(ChatError, match="flying"):
        chat.ask(
            "describe",
            {
                "category": "flying",
                "index": 0,
                "attributes": {
                    "age": "child",
                    "gender": "male",
                    "culture": "Pacific",
                    "environment": "street",
                    "camera": "drone",
                },
            },
            load_prompt("describe"),
        )


def test_connection_lost_while_answering_is_retried():
    calls = []

    class Flaky(httpx2.BaseTransport):
        def handle_request(self, request):
            calls.append(1)
            if len(calls) == 1:
                raise httpx2.ConnectError("gone", request=request)
            return httpx2.Response(200, json=json.loads(GOOD), request=request)

    chat = toy_chat(Flaky())
    assert chat.ask("say", {}, PROMPT).data == {"word": "yes"} and len(calls) == 2


def test_prompt_hash_changes_with_what_the_model_reads_only():
    changed = Prompt("say", "2", "Say a word.", SCHEMA)
    assert changed.sha == PROMPT.sha
    assert Prompt("say", "1", "Say one word.", SCHEMA).sha != PROMPT.sha
    assert pickle.loads(pickle.dumps(PROMPT)) == PROMPT
