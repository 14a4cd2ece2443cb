"""Every answer of a language model, kept as it comes in, so that a killed run pays for nothing twice.

A run appends rows to segments of its own, `<prefix>/<run>-<writer>-<n>.jsonl`. A segment is written whole, once, and
never changed: any number of runs write below one prefix without locks, and a reader merges them all.
"""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from svta_models.identity import canonical_json
from svta_models.media_store import MediaStore, MissingObject
from svta_resources.errors import SvtaError

_LOG = logging.getLogger(__name__)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")

Row = dict[str, Any]


class AnswerLogError(SvtaError):
    """The log was given something it cannot keep."""


class AnswerLog:
    """Answers below `prefix`, for example `answers/label/fighting`.

    A row needs `request_sha`; a row with an `error` records a request that got no valid answer. Rows reach the store at
    most `flush_s` seconds after `add`, whether or not another row follows, and when the block is left, with or
    without an error. A killed process loses at most the rows of the last `flush_s` seconds.
    """

    def __init__(self, store: MediaStore, prefix: str, run_id: str, flush_s: float = 2.0) -> None:
        if not _PLAIN_NAME.fullmatch(run_id):
            raise AnswerLogError(f"run id {run_id!r} cannot name a file: use letters, digits, dot, dash, underscore")
        self.store = store
        self.prefix = prefix.rstrip("/")
        self.run_id = run_id
        self.flush_s = flush_s
        self._writer = secrets.token_hex(4)  # a retried step opens the log again under the same run id
        self._segments = 0
        self._waiting: list[str] = []
        self._timer: threading.Timer | None = None
        self._failure: Exception | None = None
        self._lock = threading.RLock()

    def load(self) -> dict[str, Row]:
        """Merge all segments of all runs: request_sha -> row.

        The first answer to a request wins, so that a request answered by two runs at once means one thing for ever;
        an answer wins over an error. Rows still waiting in memory are not included.
        """
        rows: list[Row] = []
        for item in self.store.list(self.prefix):
            if item.key.endswith(".jsonl"):
                rows.extend(self._read(item.key))
        rows.sort(key=lambda row: ("error" in row, row["at_ns"], canonical_json(row)))
        merged: dict[str, Row] = {}
        for row in rows:
            merged.setdefault(row["request_sha"], row)
        return merged

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
            self._raise_failure()  # after the row is in: it is paid for, and `close` tries again to write it
            if self._timer is None:
                self._timer = threading.Timer(self.flush_s, self._flush_in_background)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what waits as one segment. On an error the rows stay and the next flush tries them again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._waiting:
                name = f"{self.prefix}/{self.run_id}-{self._writer}-{self._segments:05d}.jsonl"
                self.store.put(name, ("\n".join(self._waiting) + "\n").encode())
                self._segments += 1
                self._waiting.clear()

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

    def _flush_in_background(self) -> None:
        with self._lock:
            try:
                self.flush()
            except Exception as error:  # raised again in the caller's thread by the next add
                self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _read(self, key: str) -> list[Row]:
        try:
            lines = [line for line in self.store.get(key).decode("ascii", errors="replace").split("\n") if line]
        except MissingObject:  # removed between the listing and now
            return []
        rows = [row for line in lines if (row := _parse(line)) is not None]
        if len(rows) < len(lines):
            _LOG.warning(
                "%s: %d damaged lines are ignored; their requests are asked again", key, len(lines) - len(rows)
            )
        return rows


def _parse(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if isinstance(row, dict) and isinstance(row.get("request_sha"), str) and isinstance(row.get("at_ns"), int):
        return row
    return None
