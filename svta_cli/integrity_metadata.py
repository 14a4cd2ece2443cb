"""What `svta verify` asks of tables and answers: every file readable, every row naming something that is there."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from svta_cli.integrity import READERS, Findings, Problem, set_aside
from svta_models.errors import SvtaError

# Tables that a run writes whole again from cards, answers and other tables, with the asset that does.
REBUILT = {
    "clips": "videos", "descriptions": "llm_descriptions", "diversity": "llm_descriptions", "labels": "labels",
    "assignments": "clusters", "leakage": "splits",
}  # fmt: skip
SEGMENT = ".jsonl"


def check_metadata(work: Any, found: Findings) -> None:
    """Read every metadata file that counts.

    A damaged one of a table that a run can rebuild is set aside; any other stays, because reading it is an error that
    stops whatever would decide without its rows.
    """
    files = [item for table in work.catalog.tables for item in work.catalog.files(table)]

    def fault(item: Any) -> str | None:
        from svta_models.media_store import MissingObject

        try:
            work.catalog.read_file(item)
        except MissingObject:  # superseded and deleted since the listing
            return None
        except SvtaError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(READERS) as readers:
        damaged = [(item, why) for item, why in zip(files, readers.map(fault, files), strict=True) if why]
    for item, why in damaged:
        if item.table in REBUILT:
            set_aside(work.store, item.key)
            again = f"materialize {REBUILT[item.table]} of partition {item.partition}"
            found.problems.append(Problem("metadata, set aside in damaged/", f"{item.key} is unreadable; {again}"))
        else:
            copy = f"put {item.key} back from a copy; its rows are nowhere else"
            found.problems.append(Problem("metadata", f"{why}, or {copy}"))


def check_answers(store: Any, found: Findings) -> None:
    """Read every answer of a language model; of a damaged segment the whole rows are kept under another name."""
    keys = [item.key for item in store.list("answers") if item.key.endswith(SEGMENT)]
    with ThreadPoolExecutor(READERS) as readers:
        for key, split in zip(keys, readers.map(lambda key: _rows_of(store, key), keys), strict=True):
            if split is None:
                continue
            whole, lost = split
            found.answers += len(whole)
            if not lost:
                continue
            if whole:
                store.put_new(f"{key.removesuffix(SEGMENT)}.whole{SEGMENT}", b"\n".join(whole) + b"\n")
            set_aside(store, key)
            task, category = key.split("/")[1:3]
            what = f"{key}: {lost} of {lost + len(whole)} rows are unreadable; the next run of {category} asks again"
            found.problems.append(Problem(f"answers of {task}, set aside in damaged/", what))


def _rows_of(store: Any, key: str) -> tuple[list[bytes], int] | None:
    """Whole rows of a segment, and how many are not; None where it is gone since the listing."""
    from svta_models.media_store import MissingObject

    try:
        lines = [line for line in store.get(key).split(b"\n") if line]
    except MissingObject:
        return None
    whole = [line for line in lines if _is_answer(line)]
    return whole, len(lines) - len(whole)


def _is_answer(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and isinstance(row.get("request_sha"), str) and isinstance(row.get("at_ns"), int)


def check_references(work: Any, found: Findings) -> None:
    """Compare the tables with each other.

    A row that names a row of an earlier stage which is gone is a problem only where that stage's partition is lost;
    otherwise the later stage lags behind, which its next run mends.
    """
    try:
        described, clips = _keys(work, "descriptions", "pair_id"), _keys(work, "clips", "clip_id")
        found.problems += _undescribed(work)
        found.remarks += _strangers(work, "clips", "pair_id", described, "description")
        found.remarks += _strangers(work, "labels", "pair_id", described, "description")
        found.remarks += _strangers(work, "labels", "clip_id", clips, "clip")
        found.remarks += _strangers(work, "assignments", "pair_id", _keys(work, "labels", "pair_id"), "label")
        trained = _keys(work, "checkpoints", "checkpoint_id")
        found.remarks += _strangers(work, "query_ranks", "checkpoint_id", trained, "checkpoint")
    except SvtaError as error:  # the unreadable file is named already
        found.remarks.append(f"tables were not compared with each other: {error}")


def _keys(work: Any, table: str, column: str) -> set[str]:
    return {
        value
        for item in work.catalog.files(table)
        for value in work.catalog.read_file(item)[column]
        if value is not None
    }


def _undescribed(work: Any) -> Iterator[Problem]:
    """Categories whose clips have no table of descriptions at all: a lost file, not a text that was withdrawn."""
    for category in sorted(set(work.catalog.partitions("clips")) - set(work.catalog.partitions("descriptions"))):
        if work.catalog.read("clips", category).height:
            what = f"descriptions of {category} are gone, its clips are there; materialize llm_descriptions"
            yield Problem("metadata", what)


def _strangers(work: Any, table: str, column: str, known: set[str], what: str) -> Iterator[str]:
    """Partitions with rows that name something which is not there."""
    for item in work.catalog.files(table):
        named = work.catalog.read_file(item)[column].drop_nulls().unique()
        gone = [value for value in named if value not in known]
        if gone:
            yield f"table {table}, {item.partition}: {len(gone)} rows name a {what} that is not there, as {min(gone)}"
