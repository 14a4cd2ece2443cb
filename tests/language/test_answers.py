"""The answer log: nothing that was flushed is ever lost, by whatever death or in whatever order."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_models.media_store import FolderStore, StoreError, open_store
from svta_resources.answers import LARGEST_SEGMENT, AnswerLog, AnswerLogError


def wait_for(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def test_answers_of_several_runs_are_merged(tmp_path: Path):
    store = open_store(tmp_path)
    for run, sha in (("run1", "a"), ("run2", "b")):
        with AnswerLog(store, "answers/label/fire", run) as log:
            log.add({"request_sha": sha, "name": run})
    merged = AnswerLog(store, "answers/label/fire", "run3").load()
    assert {sha: row["name"] for sha, row in merged.items()} == {"a": "run1", "b": "run2"}
    assert AnswerLog(store, "answers/label/fire2", "run3").load() == {}, "another partition is another log"


def test_first_answer_wins_and_any_answer_beats_an_error(tmp_path: Path):
    store = open_store(tmp_path)
    with AnswerLog(store, "a", "run1") as log:
        log.add({"request_sha": "x", "error": "refused"})
        log.add({"request_sha": "x", "name": "first"})
    with AnswerLog(store, "a", "run2") as log:
        log.add({"request_sha": "x", "name": "second"})
    assert AnswerLog(store, "a", "r").load()["x"]["name"] == "first"


def test_same_run_opened_twice_overwrites_nothing(tmp_path: Path):
    store = open_store(tmp_path)
    for sha in "ab":
        with AnswerLog(store, "a", "same-run") as log:
            log.add({"request_sha": sha})
    assert set(AnswerLog(store, "a", "r").load()) == {"a", "b"}


def test_rows_are_flushed_although_no_other_row_follows(tmp_path: Path):
    log = AnswerLog(open_store(tmp_path), "a", "run", flush_s=0.05)
    log.add({"request_sha": "x"})
    wait_for(lambda: bool(AnswerLog(open_store(tmp_path), "a", "r").load()), "the row never reached the store")


def test_an_error_inside_the_block_keeps_the_rows(tmp_path: Path):
    store = open_store(tmp_path)
    log = AnswerLog(store, "a", "run", flush_s=60)

    def die() -> None:
        with log:
            log.add({"request_sha": "x"})
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        die()
    assert set(log.load()) == {"x"}


def test_damaged_lines_are_skipped_and_said(tmp_path: Path, caplog):
    with AnswerLog(open_store(tmp_path), "a", "run") as log:
        log.add({"request_sha": "x"})
        log.add({"request_sha": "y"})
    segment = next((tmp_path / "a").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes()[:-5])
    assert set(log.load()) == {"x"} and segment.name in caplog.text


class FailingStore(FolderStore):
    """Refuses to write while `broken`."""

    broken = True

    def put(self, key: str, data: bytes) -> None:
        if self.broken:
            raise StoreError("disk full")
        super().put(key, data)


def test_failed_flush_is_raised_and_its_rows_are_tried_again(tmp_path: Path):
    store = FailingStore(tmp_path)
    log = AnswerLog(store, "a", "run", flush_s=0.01)
    log.add({"request_sha": "x"})

    def refused() -> bool:
        try:
            log.add({"request_sha": "y"})
        except StoreError:
            return True
        return False

    wait_for(refused, "what the timer met was never told")
    store.broken = False
    log.close()
    assert set(log.load()) == {"x", "y"}


def test_rows_without_a_request_or_not_json_are_refused(tmp_path: Path):
    log = AnswerLog(open_store(tmp_path), "a", "run")
    with pytest.raises(AnswerLogError, match="request_sha"):
        log.add({"name": "x"})
    with pytest.raises(AnswerLogError, match="JSON"):
        log.add({"request_sha": "x", "when": object()})
    with pytest.raises(AnswerLogError, match="run id"):
        AnswerLog(open_store(tmp_path), "a", "../run")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(st.characters(), max_size=30)), max_size=12))
def test_whatever_text_is_kept_comes_back(tmp_path_factory, rows):
    store = open_store(tmp_path_factory.mktemp("log"))
    with AnswerLog(store, "a", "run") as log:
        for sha, text in rows:
            log.add({"request_sha": sha, "raw": text})
    first = {}
    for sha, text in rows:
        first.setdefault(sha, text)
    assert {sha: row["raw"] for sha, row in log.load().items()} == first


KILLED = """
import sys
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
log = AnswerLog(open_store(sys.argv[1]), "a", "run", flush_s=float(sys.argv[2]))
for n in range(100000):
    log.add({"request_sha": str(n)})
    print(n, flush=True)
"""


@pytest.mark.parametrize("flush_s", [0.02, 3600])
def test_a_killed_run_loses_no_row_and_none_counts_twice(tmp_path: Path, flush_s: float):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(flush_s)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(1000)]
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    reader = AnswerLog(open_store(tmp_path), "a", "again")
    kept = reader.load()
    assert {line.strip() for line in said if line.endswith("\n")} <= set(kept)
    assert set(kept) == {str(n) for n in range(len(kept))}, "no hole"
    assert len(list(reader.rows())) == len(kept)


def test_a_journal_gives_way_to_its_segment(tmp_path: Path):
    log = AnswerLog(open_store(tmp_path), "a", "run", flush_s=3600)
    log.add({"request_sha": "x", "tokens": 7})
    (journal,) = tmp_path.rglob("*.journal")
    left = journal.read_bytes()
    assert set(log.load()) == {"x"}
    log.close()
    assert not list(tmp_path.rglob("*.journal")) and set(log.load()) == {"x"}
    journal.write_bytes(left)  # killed after the segment was written and before the journal was removed
    assert [row["tokens"] for row in log.rows()] == [7]


def test_a_reader_that_listed_a_journal_finds_the_segment_that_took_its_place(tmp_path: Path):
    class Late(FolderStore):
        """Between a listing and what is read of it, the writer goes on."""

        def list(self, prefix: str):
            found = super().list(prefix)
            log.close()
            return found

    log = AnswerLog(open_store(tmp_path), "a", "run", flush_s=3600)
    log.add({"request_sha": "x"})
    assert set(AnswerLog(Late(tmp_path), "a", "reader").load()) == {"x"}


def test_a_bucket_gets_whole_segments_only(tmp_path: Path):
    class Bucket(FolderStore):
        def local_path(self, key: str) -> None:
            return None

    log = AnswerLog(Bucket(tmp_path), "a", "run", flush_s=3600)
    log.add({"request_sha": "x"})
    assert not list(tmp_path.rglob("*"))
    log.close()
    assert [path.suffix for path in tmp_path.rglob("a/*")] == [".jsonl"]


def test_half_a_surrogate_pair_and_unicode_line_ends_survive(tmp_path: Path):
    raw = "\ud800 \u2028 \x85 \x0c end"
    with AnswerLog(open_store(tmp_path), "a", "run") as log:
        log.add({"request_sha": "x", "raw": raw})
        log.add({"request_sha": "y", "raw": "plain"})
    assert {sha: row["raw"] for sha, row in log.load().items()} == {"x": raw, "y": "plain"}


def test_only_what_is_wanted_is_loaded_and_every_row_is_kept_for_the_bill(tmp_path: Path):
    store = open_store(tmp_path)
    for run in ("run1", "run2"):
        with AnswerLog(store, "a", run) as log:
            for sha in "xyz":
                log.add({"request_sha": sha, "name": f"{sha} {run}", "tokens": 7})
            log.add({"request_sha": "bad", "error": "refused", "raw": "no", "tokens": 7})
    assert log.load({"x", "bad"}, {"name"}) == {"x": {"name": "x run1"}, "bad": {"error": "refused"}}
    assert sum(row["tokens"] for row in log.rows()) == 8 * 7


class SlowStore(FolderStore):
    """Writes only when it is let go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writing, self.go = threading.Event(), threading.Event()

    def put(self, key: str, data: bytes) -> None:
        self.writing.set()
        assert self.go.wait(60)
        super().put(key, data)


def test_adding_goes_on_while_a_segment_is_written(tmp_path: Path):
    store = SlowStore(tmp_path)
    log = AnswerLog(store, "a", "run", flush_s=0.01)
    log.add({"request_sha": "x"})
    assert store.writing.wait(60)
    log.add({"request_sha": "y"})  # would wait for ever if it needed the writer
    store.go.set()
    log.close()
    assert set(log.load()) == {"x", "y"}


def test_a_large_segment_is_written_before_its_time(tmp_path: Path):
    log = AnswerLog(open_store(tmp_path), "a", "run", flush_s=3600)
    for number in range(9):
        log.add({"request_sha": str(number), "raw": "x" * (LARGEST_SEGMENT // 8)})
    assert len(list(tmp_path.rglob("*.jsonl"))) == 1, "memory holds no more than one segment"
    log.close()
    assert len(log.load()) == 9
