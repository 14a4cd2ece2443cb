"""The batch client against a language model server: `python benchmarks/language.py`, all parts or those named.

The parts are throughput, labels, memory, kills and faults.
The server runs in a process of its own on this machine, as does what is measured, so that peak memory is its own. Both
share the processors: the server takes about a third of what the client takes.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_assets.labels.labelling import label
from svta_assets.prompts import attributes, load_prompt
from svta_assets.schemas import TEXTS
from svta_assets.texts.expand import sourced
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.ask_many import ask_many
from svta_resources.chat_errors import InvalidAnswer
from svta_resources.chat_rows import bookkeeping
from svta_resources.llm import EMBEDDED_BASE_URL, Answer, ChatModel, Prompt, Request, open_chat_model
from svta_resources.llm_settings import Traffic
from tests.language.chat_server import Behaviour, chat_server

WIDTH = 64
PAPER_TEXTS = 41_315
SEED = 42
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
PROMPT = Prompt("say", "1", "Say one word for what the sentence shows, in English. " * 10, SCHEMA)
Facts = dict[str, Any]


def main(chosen: list[str]) -> None:
    """Run what is chosen, by default everything."""
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {WIDTH} questions at once\n")
    for name in chosen or list(PARTS):
        PARTS[name]()


def throughput(count: int = 9600) -> None:
    """Answers a second against a server that takes 200 ms."""
    with chat_server(Behaviour(latency_s=0.2)) as server:
        facts = measured("ask", server.url, count)
    ideal = count / WIDTH * 0.2
    print(
        f"throughput: {count} answers from a 200 ms server in {facts['seconds']:.1f} s, "
        f"{count / facts['seconds']:.0f} a second, {ideal / facts['seconds']:.1%} of the ideal {WIDTH / 0.2:.0f}; "
        f"client's processor time {facts['processor_s'] / count * 1e3:.2f} ms an answer"
    )


def labels() -> None:
    """As many texts as the paper has, labelled through `label` and its answer log."""
    with chat_server(Behaviour(latency_s=0.02)) as server:
        facts = measured("label", server.url, PAPER_TEXTS)
    print(
        f"labels: {PAPER_TEXTS} texts from a 20 ms server in {facts['seconds']:.0f} s, {facts['named']} named; peak "
        f"{facts['peak_mb']:.0f} MB, {facts['base_mb']:.0f} MB of it before the first text"
    )


def memory(few: int = 5_000, many: int = 100_000) -> None:
    """Peak memory of runner and answer log by the number of requests."""
    with chat_server(Behaviour()) as server:
        peaks = {count: measured("ask", server.url, count)["peak_mb"] for count in (few, many)}
    said = ", ".join(f"{peak:.0f} MB at {count}" for count, peak in peaks.items())
    print(f"memory: {said}; ratio {peaks[many] / peaks[few]:.2f}")


def kills(count: int = 10_000, times: int = 10) -> None:
    """SIGKILL at random moments, and the same run again each time."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder, chat_server(Behaviour(latency_s=0.02)) as server:
        kept: set[str] = set()
        again_at: list[int] = []
        for number in range(times):
            sent_before = server.seen()["requests"]
            process = subprocess.Popen(child_command("ask", server.url, count, folder), stdout=subprocess.DEVNULL)
            while server.seen()["requests"] == sent_before and process.poll() is None:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.1, 5))
            process.kill()
            process.wait()
            now = set(AnswerLog(open_store(folder), "answers", "reader").load())
            asked = server.seen()["asked"]
            again_at.append(sum(times_asked - 1 for times_asked in asked.values()) - sum(again_at))
            print(f"kill {number + 1}: {len(now)} kept, {len(kept - now)} lost, {again_at[-1]} had been asked before")
            kept = now
        facts = measured("ask", server.url, count, folder)
        again_at.append(sum(times_asked - 1 for times_asked in server.seen()["asked"].values()) - sum(again_at))
        again = measured("ask", server.url, count, folder)
    print(
        f"kills: after {times} kills a last run asked the remaining {facts['asked']} of {count}; after a kill at most "
        f"{max(again_at)} questions were sent again ({WIDTH} under way); an unchanged run sent {again['asked']}"
    )


def faults(count: int = 5000) -> None:
    """A fifth of all requests meets a fault; each 429 and 503 stops everybody for the 0.1 s it asks for."""
    with chat_server(Behaviour(latency_s=0.02, faults=0.2, retry_after_s=0.1)) as server:
        facts = measured("ask", server.url, count)
        seen = server.seen()
    print(
        f"faults: {count} questions, 20% of requests fail: {facts['outcomes']} with {seen['requests']} requests in "
        f"{facts['seconds']:.0f} s"
    )


PARTS = {"throughput": throughput, "labels": labels, "memory": memory, "kills": kills, "faults": faults}


def child_command(job: str, url: str, count: int, folder: str) -> list[str]:
    return [sys.executable, str(Path(__file__).resolve()), "--child", job, url, str(count), folder]


def measured(job: str, url: str, count: int, folder: str | None = None) -> Facts:
    """Run a job in a process of its own."""
    with tempfile.TemporaryDirectory() as fresh:
        done = subprocess.run(
            child_command(job, url, count, folder or fresh), stdout=subprocess.PIPE, check=True, text=True
        )
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def child(job: str, url: str, count: int, folder: str) -> Facts:
    """What runs in the process that is measured."""
    load_modules()
    chat = ChatModel("toy", url, "none", traffic=Traffic(concurrency=WIDTH))
    texts = captions(count) if job == "label" else TEXTS.empty()
    base, began, used = peak_mb(), time.perf_counter(), time.process_time()
    with AnswerLog(open_store(folder), "answers", "run") as log:
        facts = label_all(texts, chat, log) if job == "label" else ask_all(count, chat, log)
    seconds, processor_s = time.perf_counter() - began, time.process_time() - used
    return facts | {"seconds": seconds, "processor_s": processor_s, "base_mb": base, "peak_mb": peak_mb()}


def load_modules() -> None:
    """Load once what a first question loads (about a second), which is no part of the measurement."""
    slot = {"category": "falling", "name": "falling", "index": 0, "nonce": 0, "attributes": attributes("falling", 0)}
    open_chat_model(base_url=EMBEDDED_BASE_URL, environ={}).ask("describe", slot, load_prompt("describe"))


def ask_all(count: int, chat: ChatModel, log: AnswerLog) -> Facts:
    known = set(log.load(columns=()))
    outcomes: Counter[str] = Counter()

    def requests() -> Iterator[Request]:
        for n in range(count):
            request = Request(str(n), "say", {"n": n}, PROMPT)
            if request.sha(chat) not in known:
                yield request

    def keep(request: Request, answer: Answer | InvalidAnswer) -> None:
        log.add(bookkeeping(chat, request, answer))
        outcomes[answer.complaint.split("(")[0].strip() if isinstance(answer, InvalidAnswer) else "answered"] += 1

    ask_many(chat, requests(), keep)
    return {"asked": outcomes.total(), "outcomes": dict(outcomes)}


def label_all(texts: pl.DataFrame, chat: ChatModel, log: AnswerLog) -> Facts:
    labelled = label(sourced(texts), texts, chat, log)
    return {"named": int((labelled.rows["name"] != "unnamed").sum())}


def captions(count: int) -> pl.DataFrame:
    facts = {"category": "normal-03", "is_anomaly": False, "source": "uca", "source_category": "Normal"}
    said = "A man in a dark jacket walks past the counter, waits for a while and leaves by door number"
    return TEXTS.frame([{"text_id": f"t{n}", "caption": f"{said} {n}.", **facts} for n in range(count)])


def peak_mb() -> float:
    """Peak resident memory of this process in MB; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])))
    else:
        main(sys.argv[1:])
