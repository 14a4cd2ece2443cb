"""What every reader hands over: one row per text, as the source wrote it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from svta_assets.schemas import REJECTS
from svta_models.errors import SvtaError

STAGE = "raw_texts"

RECORD_SCHEMA: Mapping[str, Any] = {
    "source": pl.String,  # uca | ucfcrime_ar | oops | packaged | a name from sources.yaml
    "source_video": pl.String,  # stem of the source's video, without folder and extension; null where it has none
    "source_split": pl.String,  # the source's own split; null where it has none
    "record_id": pl.String,  # the source's own row id; null: the row is known by its video, times and text
    "scope": pl.String,  # what the row belongs to when it has no id of its own: the video, or the packaged file's key
    "raw": pl.String,  # the text exactly as read
    "caption_zh": pl.String,
    "is_anomaly": pl.Boolean,  # of the SOURCE video, never of the sentence
    "source_category": pl.String,  # the source's own class, verbatim
    "category": pl.String,  # generation category; null where collection decides it
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "position": pl.Int64,  # row number within its video in the file, to report what is out of time order
    "place": pl.String,  # "folder/file, row": for messages
}


class SourceError(SvtaError):
    """A source file or folder that cannot be read as what it should be."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that gives no text: its key ("file, row"), a short reason, and the value or what to do."""

    key: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader found: its records, the rows it could not use, and the files it left alone."""

    records: pl.DataFrame
    rejects: Sequence[Reject] = ()
    files: Sequence[str] = ()
    ignored: Sequence[str] = ()
    notes: Sequence[str] = ()


def record_frame(rows: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Bring columns or rows to the record schema; absent columns become null."""
    data = dict(rows) if isinstance(rows, Mapping) else list(rows)
    names = data if isinstance(data, dict) else {name for row in data for name in row}
    known = {name: dtype for name, dtype in RECORD_SCHEMA.items() if name in names}
    frame = pl.DataFrame(data, schema=known, orient=None if isinstance(data, dict) else "row")
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in RECORD_SCHEMA.items() if name not in known]
    return frame.with_columns(missing).select(list(RECORD_SCHEMA))


def reject_frame(rejects: Sequence[Reject]) -> pl.DataFrame:
    """The rejects as rows of the `rejects` table, sorted by reason and key."""
    ordered = sorted(rejects, key=lambda one: (one.reason, one.key))
    return REJECTS.frame([{"stage": STAGE, **asdict(one)} for one in ordered])


def text_digest(text: str) -> str:
    """12 hex digits that stand for the exact text in a record key."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
