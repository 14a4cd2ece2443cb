"""Many questions to a real server that misbehaves: every one ends answered or rejected with a reason."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import ChatError, InvalidAnswer, LostQuestion
from svta_resources.chat_retry import Backoff
from svta_resources.chat_rows import bookkeeping
from svta_resources.llm import Answer, ChatModel, Prompt, Request
from svta_resources.llm_settings import Prices, Traffic
from tests.language.chat_server import FAULTS, PASSING, Behaviour, chat_server

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
PROMPT = Prompt("say", "1", "Say a word.", SCHEMA)
NO_PAUSE = Backoff(0, 0)


def chat_at(url: str, concurrency: int = 8, timeout_s: float = 20, retries: int = 6) -> ChatModel:
    traffic = Traffic(concurrency=concurrency, timeout_s=timeout_s, retries=retries)
    return ChatModel("toy", url, "key", traffic=traffic, backoff=NO_PAUSE, prices=Prices(1.0, 10.0))


def question(n: int) -> Request:
    return Request(str(n), "say", {"n": n}, PROMPT)


def ask_all(chat: ChatModel, count: int, **options) -> dict[int, Answer | InvalidAnswer]:
    got: dict[int, Answer | InvalidAnswer] = {}
    ask_many(
        chat, map(question, range(count)), lambda request, answer: got.update({int(request.key): answer}), **options
    )
    return got


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_once_still_ends_in_an_answer(fault):
    script = {str(n): [fault, "ok"] for n in range(4)}
    with chat_server(Behaviour(script=script)) as server:
        got = ask_all(chat_at(server.url), 4)
        seen = server.seen()
    assert {n: answer.data for n, answer in got.items()} == {n: {"word": str(n)} for n in range(4)}
    assert set(seen["asked"].values()) == {2}
    paid = 210 if fault in PASSING or fault == "truncated" else 420  # half a reply tells no usage
    assert {answer.usage.total for answer in got.values()} == {paid}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "not whole JSON"),
        ("malformed", "not JSON"),
        ("schema", "unexpected|required"),
        ("refusal", "refused"),
        ("length", "cut off"),
        ("empty", "no choices"),
    ],
)
def test_a_model_that_never_answers_well_is_rejected_with_its_raw_text(fault, reason):
    with chat_server(Behaviour(script={"1": [fault]})) as server:
        got = ask_all(chat_at(server.url), 3)
        assert server.seen()["asked"] == {"0": 1, "1": 3, "2": 1}
    assert isinstance(got[0], Answer) and isinstance(got[2], Answer)
    invalid = got[1]
    assert isinstance(invalid, InvalidAnswer) and not isinstance(invalid, LostQuestion)
    assert invalid.raw and re.search(reason, invalid.complaint)


@pytest.mark.parametrize("fault", ["500", "drop", "cut"])
def test_a_question_the_server_always_fails_on_is_rejected_and_the_others_are_answered(fault):
    with chat_server(Behaviour(script={"5": [fault]})) as server:
        got = ask_all(chat_at(server.url, concurrency=1, retries=2), 12)
        assert server.seen()["asked"]["5"] == 3
    assert isinstance(got[5], LostQuestion) and "the server failed" in got[5].complaint
    assert all(isinstance(got[n], Answer) for n in range(12) if n != 5)


def test_a_reply_that_drips_longer_than_the_timeout_is_given_up():
    with chat_server(Behaviour(script={"0": ["drip", "ok"]}, drip_s=0.1)) as server:
        got = ask_all(chat_at(server.url, timeout_s=2), 1)
        assert server.seen()["asked"]["0"] == 2
    assert isinstance(got[0], Answer)


def test_a_server_that_fails_on_everything_stops_the_run_soon():
    with chat_server(Behaviour(faults=1.0, kinds=("500",))) as server:
        with pytest.raises(ChatError, match="run again"):
            ask_all(chat_at(server.url, concurrency=1, retries=1), 1000)
        assert server.seen()["requests"] == 6, "three questions, two attempts each"


def test_endless_slow_down_stops_the_run_and_names_the_settings():
    with chat_server(Behaviour(faults=1.0, kinds=("429",))) as server, pytest.raises(ChatError, match="SVTA_LLM_RPM"):
        ask_all(chat_at(server.url, concurrency=1, retries=2), 10)


def test_a_pause_of_an_hour_is_an_error_not_a_wait():
    with (
        chat_server(Behaviour(faults=1.0, kinds=("429",), retry_after_s=3600)) as server,
        pytest.raises(ChatError, match="3600 s"),
    ):
        ask_all(chat_at(server.url), 10)


def test_with_a_fifth_of_requests_failing_every_row_ends_answered_or_rejected(tmp_path: Path):
    count = 300
    store = open_store(tmp_path)
    with chat_server(Behaviour(faults=0.2)) as server:
        chat = chat_at(server.url, concurrency=16)
        with AnswerLog(store, "a", "run") as log:
            ask_many(
                chat, map(question, range(count)), lambda request, answer: log.add(bookkeeping(chat, request, answer))
            )
        assert server.seen()["most_at_once"] <= 16
    rows = log.load()
    assert set(rows) == {question(n).sha(chat) for n in range(count)}
    assert all(row.get("error") or row["answered_by"] == "served" for row in rows.values())
    answered = [row for row in rows.values() if "error" not in row]
    assert len(answered) >= 0.95 * count, "three attempts at a fifth of failures: one in a hundred is lost"
    assert all(
        row["price"] == pytest.approx((row["prompt_tokens"] + 10 * row["answer_tokens"]) / 1e6) for row in answered
    )


def test_never_more_under_way_than_allowed_and_requests_are_read_lazily():
    drawn = handed = ahead = 0

    def requests():
        nonlocal drawn, ahead
        for n in range(60):
            drawn += 1
            ahead = max(ahead, drawn - handed)
            yield question(n)

    def keep(request, answer):
        nonlocal handed
        handed += 1

    with chat_server(Behaviour(latency_s=0.02)) as server:
        ask_many(chat_at(server.url), requests(), keep, concurrency=5)
        assert server.seen()["most_at_once"] <= 5
    assert handed == 60 and ahead <= 5


def test_thinking_is_kept_apart_from_the_answer():
    with chat_server(Behaviour(thinking="The word might be {nine}.")) as server:
        chat = chat_at(server.url)
        answer = ask_all(chat, 1)[0]
    assert isinstance(answer, Answer)
    assert answer.thinking == "The word might be {nine}." and answer.data == {"word": "0"}
    row = bookkeeping(chat, question(0), answer)
    assert row["thinking"] == answer.thinking and "nine" not in json.dumps(answer.data)


def test_progress_counts_every_request():
    said: list[tuple[int, int]] = []
    with chat_server(Behaviour(script={"1": ["schema"]})) as server:
        chat = chat_at(server.url)
        chat.progress = lambda done, total: said.append((done, total))
        ask_all(chat, 5, total=5)
    assert said == [(done, 5) for done in range(1, 6)]


def test_it_works_inside_a_running_event_loop():
    import asyncio

    async def notebook() -> int:
        return len(ask_all(chat_at(server.url), 3))

    with chat_server(Behaviour()) as server:
        assert asyncio.run(notebook()) == 3


WIDTH, COUNT = 8, 400
# what may be sent again is exactly what was under way
CHILD = f"""
import sys
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_rows import bookkeeping
from tests.language.test_ask_many import chat_at, question
chat = chat_at(sys.argv[1], {WIDTH})
with AnswerLog(open_store(sys.argv[2]), "a", "run") as log:
    known = log.load()
    def keep(request, answer):
        log.add(bookkeeping(chat, request, answer))
        print(request.key, flush=True)
    ask_many(chat, (one for one in map(question, range({COUNT})) if one.sha(chat) not in known), keep)
"""


def test_a_killed_run_loses_only_what_was_under_way_and_an_unchanged_run_sends_nothing(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    with chat_server(Behaviour(latency_s=0.01)) as server:
        command = [sys.executable, "-c", CHILD, server.url, str(tmp_path)]
        for stop_after in (20, 100):
            run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
            assert run.stdout is not None
            said = [run.stdout.readline() for _ in range(stop_after)]
            os.kill(run.pid, signal.SIGKILL)
            said += run.stdout.readlines()
            run.wait()
            run.stdout.close()
            kept = AnswerLog(open_store(tmp_path), "a", "reader").load()
            chat = chat_at(server.url)
            flushed = {question(int(line)).sha(chat) for line in said if line.endswith("\n")}
            assert flushed <= set(kept), "an answer that was flushed is there"
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root)
        asked = server.seen()["asked"]
        assert len(asked) == COUNT == len(AnswerLog(open_store(tmp_path), "a", "reader").load())
        assert sum(asked.values()) - COUNT <= 2 * WIDTH, "two kills, each with at most WIDTH under way"
        before = server.seen()["requests"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root)
        assert server.seen()["requests"] == before
