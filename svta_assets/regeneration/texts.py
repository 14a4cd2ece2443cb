"""Requests in words, for terminals, metadata and digests."""

from collections.abc import Iterable, Mapping
from typing import Any

from svta_assets.regeneration.filters import parse_filters
from svta_assets.regeneration.requests import parse_filters as parse_json
from svta_resources.errors import SvtaError

NAMES_SHOWN = 6


def asked_for(row: Mapping[str, Any]) -> str:
    """What a request asks for: `new_take of fighting, fire; similarity below 0.2; test pairs spared`."""
    names = row["categories"] or []
    shown = ", ".join(names[:NAMES_SHOWN]) + (
        f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    )
    said = [f"{row['mode']} of {shown or 'the pairs named'}"]
    try:
        filters = parse_filters(parse_json(row["filters"]))
        said += [str(filters)] if filters.as_dict() else []
    except SvtaError:
        said.append(f"filters {row['filters']}")
    if row["pilot"]:
        said.append(f"pilot of {row['pilot']}")
    if not row["include_test"]:
        said.append("test pairs spared")
    return "; ".join(said)


def standing_of(row: Mapping[str, Any]) -> str:
    """How a request stands: `done: 40 clips made, 38 accepted, 12 s of one device`."""
    state = "running: labels and release follow" if row["settling"] else row["state"]
    if not row["made"]:
        return str(state)
    return f"{state}: {row['made']} clips made, {row['accepted']} accepted, {row['device_seconds']:.0f} s of one device"


def requests_markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Requests as a Markdown table, in the order given."""
    lines = ["| request | state | asked for | by | made | accepted | reason |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        state = "running (settling)" if row["settling"] else row["state"]
        reason = " ".join((row["reason"] or "").split()).replace("|", "/")
        lines.append(
            f"| {row['request_id']} | {state} | {asked_for(row).replace('|', '/')} | {row['by']} | {row['made']} | "
            f"{row['accepted']} | {reason} |"
        )
    return "\n".join(lines)
