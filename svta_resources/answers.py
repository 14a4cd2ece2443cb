"""Every answer of a language model, kept as it comes in, so that a killed run pays for nothing twice.

A run appends rows to segments of its own, `<prefix>/<run>-<writer>-<n>.jsonl`. A segment is written whole, once, and
never changed: any number of runs write below one prefix without locks, and a reader merges them all.

In a local folder each row stands at once in `<run>-<writer>-<n>.journal`, which the segment replaces. A killed run
leaves its last journal, and readers take it for the segment that it would have become.
"""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from svta_models.media_store import MediaStore, MissingObject
from svta_resources.errors import SvtaError

_LOG = logging.getLogger(__name__)
LARGEST_SEGMENT = 4 * 2**20  # characters; a segment is written earlier than `flush_s` when it would grow beyond
SEGMENT, JOURNAL = ".jsonl", ".journal"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")

Row = dict[str, Any]


class AnswerLogError(SvtaError):
    """The log was given something it cannot keep."""


class AnswerLog:
    """Answers below `prefix`, for example `answers/label/fighting`.

    A row needs `request_sha`; a row with an `error` records a request that got no valid answer. Rows reach the store at
    most `flush_s` seconds after `add`, whether or not another row follows, and when the block is left, with or
    without an error. A killed process loses at most the rows of the last `flush_s` seconds. `add` never waits for a
    segment that is being written in the background.
    """

    def __init__(self, store: MediaStore, prefix: str, run_id: str, flush_s: float = 2.0) -> None:
        if not _PLAIN_NAME.fullmatch(run_id):
            raise AnswerLogError(f"run id {run_id!r} cannot name a file: use letters, digits, dot, dash, underscore")
        self.store = store
        self.prefix = prefix.rstrip("/")
        self.run_id = run_id
        self.flush_s = flush_s
        self._writer = secrets.token_hex(4)  # a retried step opens the log again under the same run id
        self._segments = 0  # begun so far: the number of the next one
        self._journals: list[Path] = []  # of rows that no segment holds yet
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._timer: threading.Timer | None = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()  # of the rows that wait; held for moments
        self._writing = threading.Lock()  # held while a segment is written

    def load(self, wanted: Container[str] | None = None, columns: Container[str] | None = None) -> dict[str, Row]:
        """Merge all segments of all runs: request_sha -> row.

        The first answer to a request wins, so that a request answered by two runs at once means one thing for ever;
        an answer wins over an error. Segments are read one at a time, so memory holds one of them and what is
        returned. Of a log that is still written, rows that wait for their segment are there in a local folder, and not
        in a bucket.

        Args:
            wanted: the requests to return, default all. columns: of a row besides `error`, default all.
        """
        ranks: dict[str, tuple[bool, int, str, int]] = {}
        merged: dict[str, Row] = {}
        for segment in self._segment_names():
            for number, row in enumerate(self._read(segment)):
                sha = row["request_sha"]
                if wanted is not None and sha not in wanted:
                    continue
                rank = ("error" in row, row["at_ns"], segment, number)
                if sha not in ranks or rank < ranks[sha]:
                    ranks[sha], merged[sha] = rank, _columns(row, columns)
        return merged

    def rows(self) -> Iterator[Row]:
        """Every row of every run as it was written, for what was paid: repeated and failed requests too."""
        for segment in self._segment_names():
            yield from self._read(segment)

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row (JSON values only). Raises what an earlier flush in the background failed with."""
        if not isinstance(row.get("request_sha"), str):
            raise AnswerLogError(f"an answer row needs a text 'request_sha'; got the columns {sorted(row)}")
        try:
            # ASCII only: a model may send half a surrogate pair, or characters that end a line for some readers
            line = json.dumps({"at_ns": time.time_ns(), "run_id": self.run_id, **row}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AnswerLogError(f"answer {row['request_sha']} is not plain JSON: {error}") from error
        with self._lock:
            self._waiting.append(line)
            self._waiting_size += len(line)
            self._write_journal(line)
            self._raise_failure()  # after the row is in: it is paid for, and `close` tries again to write it
            full = self._waiting_size > LARGEST_SEGMENT
            if self._timer is None and not full:
                self._timer = threading.Timer(self.flush_s, self._flush_in_background)
                self._timer.daemon = True
                self._timer.start()
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one segment. On an error the rows stay and the next flush tries them again."""
        with self._writing:
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                lines, self._waiting, self._waiting_size = self._waiting, [], 0
                journals, self._journals = self._journals, []
                name = self._name(SEGMENT)
                self._segments += 1
            if not lines:
                return
            try:
                self.store.put(name, ("\n".join(lines) + "\n").encode())
            except BaseException:
                with self._lock:
                    self._waiting[:0] = lines
                    self._waiting_size += sum(map(len, lines))
                    self._journals[:0] = journals
                raise
            for journal in journals:
                journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Write the last segment. Raises when it, or what an earlier flush left, cannot be written."""
        with self._lock:
            self._failure = None  # whatever failed before is tried again right here
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise
            _LOG.exception(
                "the last answers below %s could not be written", self.prefix
            )  # the first error matters more

    def _name(self, suffix: str) -> str:
        return f"{self.prefix}/{self.run_id}-{self._writer}-{self._segments:05d}{suffix}"

    def _write_journal(self, line: str) -> None:
        path = self.store.local_path(self._name(JOURNAL))
        if path is None:
            return
        with suppress(OSError):  # a full disk is said by the segment, which needs the same room
            if path not in self._journals:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._journals.append(path)
            with path.open("ab", buffering=0) as file:
                file.write(f"{line}\n".encode())

    def _flush_in_background(self) -> None:
        try:
            self.flush()
        except Exception as error:  # raised again in the caller's thread by the next add
            with self._lock:
                self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _segment_names(self) -> list[str]:
        found = {PurePosixPath(item.key) for item in self.store.list(self.prefix)}
        segments = {key for key in found if key.suffix == SEGMENT}
        # a journal beside its segment is about to be removed, or was when its run was killed
        journals = {key for key in found if key.suffix == JOURNAL and key.with_suffix(SEGMENT) not in segments}
        return sorted(map(str, segments | journals))

    def _read(self, key: str) -> list[Row]:
        try:
            lines = [line for line in self.store.get(key).decode("ascii", errors="replace").split("\n") if line]
        except MissingObject:  # between the listing and now its segment took its place
            return self._read(key.removesuffix(JOURNAL) + SEGMENT) if key.endswith(JOURNAL) else []
        rows = [row for line in lines if (row := _parse(line)) is not None]
        if len(rows) < len(lines):
            _LOG.warning(
                "%s: %d damaged lines are ignored; their requests are asked again", key, len(lines) - len(rows)
            )
        return rows


def _columns(row: Row, columns: Container[str] | None) -> Row:
    return row if columns is None else {name: row[name] for name in row if name in columns or name == "error"}


def _parse(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if isinstance(row, dict) and isinstance(row.get("request_sha"), str) and isinstance(row.get("at_ns"), int):
        return row
    return None
