"""Any CSV or JSONL, by the column mapping of `sources.yaml` (see `settings`).

A row that cannot be used becomes a reject that names the file, the row and the reason; only a file that cannot be read
at all stops the run.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from svta_assets.categories import Category, find_category, unknown_category_message
from svta_assets.texts.readers.files import read_csv, read_json_lines
from svta_assets.texts.readers.settings import MappedFile
from svta_assets.texts.readers.ucf import video_stem
from svta_assets.texts.records import Reading, Reject, SourceError, record_frame

_TRUE = {"true", "yes", "1", "anomaly", "anomalous", "abnormal"}
_FALSE = {"false", "no", "0", "normal"}


class _Unusable(Exception):
    """Why one row gives no text: (reason, detail)."""


def read_mapped(file: MappedFile) -> Reading:
    """Read one file of the user's own."""
    if file.path.suffix.lower() == ".csv":
        numbered = [(f"{file.name}, row {number}", row) for number, row in read_csv(file.path)]
    else:
        numbered = [(f"{file.name}, line {number}", row) for number, row in read_json_lines(file.path)]
    _check_columns(file, [row for _, row in numbered])
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for place, row in numbered:
        try:
            rows.append(_record(file, row) | {"place": place})
        except _Unusable as why:
            rejects.append(Reject(place, *why.args))
    kept, repeated = _unique_ids(rows)
    return Reading(record_frame(kept), [*rejects, *repeated], files=[file.name])


def _check_columns(file: MappedFile, rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        raise SourceError(f"{file.path} has no rows; add some or remove it from sources.yaml.")
    present = {name for row in rows for name in row}
    absent = sorted(set(file.columns.values()) - present)
    if absent:
        raise SourceError(
            f"{file.path} has no column {', '.join(absent)} (it has {', '.join(sorted(present))}); "
            f"correct `columns` of {file.name} in sources.yaml."
        )


def _record(file: MappedFile, row: Mapping[str, Any]) -> dict[str, Any]:
    raw = _cell(file, row, "caption")
    if not raw.strip():
        raise _Unusable("empty", "the row has no text")
    category, is_anomaly = _label(_cell(file, row, "category").strip(), _cell(file, row, "is_anomaly").strip())
    start, end = _seconds(file, row, "start"), _seconds(file, row, "end")
    if start is not None and end is not None and end < start:
        raise _Unusable("bad_time", f"the end {end:g} s lies before the start {start:g} s")
    video = video_stem(_cell(file, row, "video")) or None
    return {
        "source": file.source,
        "source_video": video,
        "source_split": _cell(file, row, "split").strip() or None,
        "record_id": _cell(file, row, "id").strip() or None,
        "scope": video or "",
        "raw": raw,
        "caption_zh": _cell(file, row, "caption_zh").strip() or None,
        "is_anomaly": is_anomaly,
        "source_category": _cell(file, row, "category").strip() or None,
        "category": category.key if category else None,
        "start_s": start,
        "end_s": end,
    }


def _cell(file: MappedFile, row: Mapping[str, Any], name: str) -> str:
    value = row.get(file.columns[name]) if name in file.columns else file.every.get(name)
    return "" if value is None else str(value)


def _label(words: str, truth: str) -> tuple[Category | None, bool]:
    """(category or None for a sharded normal text, is_anomaly) from the row's cells, which must agree."""
    stated = _truth(truth)
    if words.lower() == "normal" or (not words and stated is False):
        found, is_anomaly = None, False
    elif not words:
        raise _Unusable("no_category", "an anomalous text needs a category; fill the cell or use `every`")
    else:
        found = find_category(words)
        if found is None:
            raise _Unusable("unknown_category", unknown_category_message(words))
        if found.retired:
            raise _Unusable("retired_category", f"'{found.key}' takes no new texts; choose another category")
        is_anomaly = found.is_anomaly
    if stated is not None and stated != is_anomaly:
        kind = "an anomaly" if is_anomaly else "normal"
        raise _Unusable("contradiction", f"category '{words}' is {kind}, is_anomaly says '{truth}'; correct one")
    return found, is_anomaly


def _truth(cell: str) -> bool | None:
    if not cell:
        return None
    if cell.lower() in _TRUE | _FALSE:
        return cell.lower() in _TRUE
    raise _Unusable("bad_is_anomaly", f"'{cell}' is neither true nor false")


def _seconds(file: MappedFile, row: Mapping[str, Any], name: str) -> float | None:
    cell = _cell(file, row, name).strip()
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise _Unusable("bad_time", f"'{cell}' is no time in seconds")
    return value


def _unique_ids(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Reject]]:
    """Reject every row of an id that several rows claim: keeping the first would depend on the file's order."""
    count = Counter(row["record_id"] for row in rows if row["record_id"])
    repeated = [row for row in rows if count[row["record_id"]] > 1]
    rejects = [
        Reject(
            row["place"],
            "repeated_id",
            f"{count[row['record_id']]} rows have the id '{row['record_id']}'; make it unique",
        )
        for row in repeated
    ]
    return [row for row in rows if count[row["record_id"]] <= 1], rejects
