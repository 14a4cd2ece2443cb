"""Whether each row of an existing dataset can be imported, found out before anything is written."""

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from svta_assets.categories import find_category
from svta_assets.exports.records import Record
from svta_models.frames import DecodeError, VideoInfo, probe_video
from svta_models.identity import text_id
from svta_models.media_store import sha256_hex

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing", "tst"),
}
_KIND_WORDS = {
    "anomaly": ("anomaly", "anomalous", "abnormal", "true", "yes", "1"),
    "normal": ("normal", "false", "no", "0"),
}
OUR_SLUG = re.compile(r"(normal|anomaly)-\d+-.+")  # a final category as SVTA names them says its kind

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """A row that can be imported. `category` is the dataset's own name of it, `info` what the clip's header says."""

    pair_id: str
    key: str
    caption: str
    category: str
    kind: str
    group: str
    generation: str
    split: str
    sha256: str
    info: VideoInfo
    load: Callable[[], bytes]


@dataclass(frozen=True)
class Reject:
    """A row that cannot: where it stands, its key, a short reason, and what to do."""

    place: str
    key: str
    reason: str
    detail: str


class _Unusable(Exception):
    """Why a row cannot be imported: (reason, detail)."""


def check(
    records: Sequence[Record], source: str, normal_names: Collection[str] = (), say: Say | None = None
) -> tuple[list[Pair], list[Reject]]:
    """Judge every row and decode every clip once; pairs by pair_id, rejects in the order of the rows.

    Args:
        source: of the texts (`imported:NAME`), part of every pair_id. normal_names: categories that are normal.
    """
    counts = Counter(record.key for record in records)
    normal = {name.strip().lower() for name in normal_names}

    def judge(record: Record) -> Pair | Reject:
        try:
            if counts[record.key] > 1:
                detail = f"{counts[record.key]} rows have it; give each row a key of its own (column `key`)"
                raise _Unusable("repeated key", detail)
            return _pair(record, source, normal)
        except _Unusable as why:
            return Reject(record.place, record.key, *why.args)

    pairs, rejects = [], []
    with ThreadPoolExecutor(os.cpu_count() or 1) as workers:  # the decoder lets other threads run
        for number, found in enumerate(workers.map(judge, records), start=1):
            pairs.append(found) if isinstance(found, Pair) else rejects.append(found)
            if say:
                say(f"{number}/{len(records)} rows checked")
    return sorted(pairs, key=lambda pair: pair.pair_id), rejects


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write the rejects as CSV; without any, a file with the header alone says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["place", "key", "reason", "detail"])
        writer.writerows([one.place, one.key, one.reason, one.detail] for one in rejects)


def _pair(record: Record, source: str, normal: Collection[str]) -> Pair:
    """Raises _Unusable. The cheap questions come before the clip is read."""
    if not record.key:
        raise _Unusable("no key", "the row names no file and has no key")
    if not any(letter.isalnum() for letter in record.caption):
        raise _Unusable("empty caption", "the row has no text")
    if not record.category:
        raise _Unusable("no category", "the row names no category")
    split = _split(record.split)
    kind = _kind(record, normal)
    data = _bytes(record)
    return Pair(
        pair_id=text_id(source, record.key),
        key=record.key,
        caption=record.caption.strip(),
        category=record.category,
        kind=kind,
        group=record.group,
        generation=record.generation,
        split=split,
        sha256=sha256_hex(data),
        info=_decoded(data),
        load=record.load,
    )


def _split(word: str) -> str:
    for split, words in SPLIT_WORDS.items():
        if word.lower() in words:
            return split
    raise _Unusable("unknown split", f"{word!r} is none of {', '.join(w for ws in SPLIT_WORDS.values() for w in ws)}")


def _kind(record: Record, normal: Collection[str]) -> str:
    """normal or anomaly: as the row says, as the category's slug says, as --normal says, or as our own category is."""
    if record.kind:
        for kind, words in _KIND_WORDS.items():
            if record.kind.lower() in words:
                return kind
        raise _Unusable("unknown kind", f"{record.kind!r} says neither normal nor anomaly")
    if match := OUR_SLUG.fullmatch(record.category):
        return match[1]
    if record.category.lower() in {"normal", *normal}:
        return "normal"
    if found := find_category(record.category):
        return found.kind
    raise _Unusable(
        "no kind", f"nothing says whether {record.category!r} is normal: add a column `kind`, or name it with --normal"
    )


def _bytes(record: Record) -> bytes:
    try:
        data = record.load()
    except OSError as error:
        raise _Unusable("missing file", str(error)) from error
    if data[4:8] != b"ftyp":
        raise _Unusable("no mp4", "the file does not begin as an mp4 does: convert it")
    return data


def _decoded(data: bytes) -> VideoInfo:
    from svta_resources.video.scores import decode_check

    if defect := decode_check(data, {}):
        raise _Unusable("unreadable mp4", defect)
    try:
        return probe_video(data)
    except DecodeError as error:
        raise _Unusable("unreadable mp4", str(error)) from error
