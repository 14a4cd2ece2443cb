"""Regeneration requests: rows that anybody may add, and what became of each.

Both tables are logs: a writer adds a file and replaces none, so writers at the same time lose nothing. A request is
recorded as it was asked; whether it can be served is found out by the sensor, which sets a bad one aside with its
reason (`svta_assets/automation/requests.py`). `svta_assets.regeneration.selection.check` says so beforehand.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError

WAITING, LAUNCHED, RUNNING, DONE, FAILED, REFUSED = STATES = (
    "waiting",  # nobody has looked at it yet
    "launched",  # it has a run, which has not begun
    "running",
    "done",
    "failed",
    "refused",  # it cannot be served; the reason says why
)
MADE = "made"  # reported when all clips are there; `requests` calls it running until labels and release have followed
OPEN = (WAITING, LAUNCHED, RUNNING)  # something is still to happen
_REPORTED = (*STATES[1:], MADE)
REQUESTS, EVENTS = "regeneration_requests", "regeneration_events"

_read: dict[tuple[str, str], pl.DataFrame] = {}  # (store, file) -> rows; files never change


def ask(
    work: Workspace,
    *,
    categories: Sequence[str],
    filters: Mapping[str, Any] | None = None,
    mode: str = "new_take",
    pilot: int = 0,
    include_test: bool = False,
    confirm: bool = False,
    by: str,
    why: str = "",
    request_id: str | None = None,
) -> str:
    """Ask for a regeneration; returns the request's id. Nothing is checked here but that it can be written down.

    Args:
        categories: generation categories or final ones, by key or name.
        filters: which of their pairs: see `svta_assets.regeneration.selection.Filters`. None means all.
        mode: as for the asset `videos`: missing, stale, retry_rejected or new_take.
        pilot: at most this many clips of each category; 0 makes all.
        include_test: whether pairs of the test split may get new clips, too.
        confirm: whether it may take longer than the profile's confirm_above_gpu_hours.
        request_id: a name of its own, for what is asked on a fixed occasion; asked again it is the same request.

    Raises SvtaError where nobody is named, or a value cannot be written down.
    """
    if not by.strip():
        raise SvtaError("a request needs somebody who asks: name one (--by)")
    if isinstance(categories, str):
        raise SvtaError(f"categories is a list of names, not the text {categories!r}")
    at = utc_now()
    row = {
        "request_id": request_id or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        "categories": [str(name) for name in categories],
        "filters": _as_json(filters or {}),
        "mode": mode,
        "pilot": pilot,
        "include_test": include_test,
        "confirm": confirm,
        "by": by.strip(),
        "why": why.strip() or None,
        "at": at,
    }
    work.catalog.append(REQUESTS, _month(at), [row])
    return str(row["request_id"])


def report(
    work: Workspace,
    request_id: str,
    state: str,
    *,
    run_id: str | None = None,
    category: str | None = None,
    made: int | None = None,
    accepted: int | None = None,
    device_seconds: float | None = None,
    reason: str | None = None,
) -> None:
    """Record what became of a request; with a category, what was made there."""
    if state not in _REPORTED:
        raise SvtaError(f"a request is reported as one of {', '.join(_REPORTED)}, not {state!r}")
    at = utc_now()
    row = {
        "request_id": request_id,
        "state": state,
        "run_id": run_id,
        "category": category,
        "made": made,
        "accepted": accepted,
        "device_seconds": device_seconds,
        "reason": reason,
        "at": at,
    }
    work.catalog.append(EVENTS, _month(at), [row])


def requests(work: Workspace) -> pl.DataFrame:
    """Every request, oldest first, with its state.

    Beside the columns of `regeneration_requests`: state (waiting, launched, running, done, failed or refused), settling
    (true where its clips are there and labels and release follow: state running), run_id (of the newest run), made,
    accepted, device_seconds (over all its categories), reason, updated_at.
    """
    asked = _log(work, REQUESTS).sort("at").unique("request_id", keep="first", maintain_order=True)
    states = states_of(events(work))
    joined = asked.join(states, on="request_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("state").replace(MADE, RUNNING).fill_null(WAITING),
        (pl.col("state") == MADE).fill_null(False).alias("settling"),
        pl.col("made", "accepted").fill_null(0),
        pl.col("device_seconds").fill_null(0.0),
        pl.coalesce("updated_at", "at").alias("updated_at"),
    )


def events(work: Workspace) -> pl.DataFrame:
    """Rows of `regeneration_events`, oldest first."""
    return _log(work, EVENTS).sort("at")


def categories_of(work: Workspace, request_id: str) -> list[str]:
    """Generation categories in which a request has made clips, in the order they were finished."""
    rows = events(work).filter(pl.col("request_id") == request_id, pl.col("category").is_not_null())
    return list(dict.fromkeys(rows["category"]))


def states_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Newest state of each request in rows of `regeneration_events`, with what was made over all its runs."""
    return (
        rows.sort("at", maintain_order=True)
        .group_by("request_id", maintain_order=True)
        .agg(
            pl.col("state").last(),
            pl.col("run_id").drop_nulls().last(),
            pl.col("made", "accepted", "device_seconds").sum(),
            pl.col("reason").last(),  # that of the state; an earlier failure was overcome
            pl.col("at").last().alias("updated_at"),
        )
    )


def parse_filters(text: str | None) -> dict[str, Any]:
    """The filters of a row. Raises SvtaError where they are not a JSON object."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise SvtaError(f"its filters are not JSON ({error}): {text!r}") from error
    if not isinstance(found, dict):
        raise SvtaError(f"its filters are not an object with names: {text!r}")
    return found


def _as_json(filters: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(filters), ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise SvtaError(f"filters hold a value that cannot be written down: {error}") from error


def _month(at: str) -> str:
    return at[:7]


def _log(work: Workspace, table: str) -> pl.DataFrame:
    """All rows of a log. A sensor asks every few seconds, and the files never change: each is read once a process."""
    files, url = work.catalog.files(table), work.store.url
    new = [item for item in files if (url, item.key) not in _read]
    for item, rows in zip(new, work.catalog.read_files(new), strict=True):
        _read[url, item.key] = rows
    return pl.concat([work.catalog.tables[table].empty(), *(_read[url, item.key] for item in files)])
