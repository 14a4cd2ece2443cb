"""What people said of labels: an append-only log, which of it stands, and the corrections that follow from it.

A verdict is said of a label: a caption with its name and its side, normal or anomalous. It counts while they are as
they were; it does not matter who gave the label, or whether it was asked for again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError

RIGHT, WRONG, UNSURE, UNDO = "right", "wrong", "unsure", "undo"
VERDICTS = (RIGHT, WRONG, UNSURE)
REVIEWER = "reviewer"  # origin of a corrected fact
PARTITION = "all"  # one file a verdict file: what people hand in together is recorded together or not at all

Row = dict[str, Any]


class Label(NamedTuple):
    """What a verdict is said of."""

    caption: str | None
    name: str | None
    is_anomaly: bool | None


def said_of(row: Row) -> Label:
    """The label that a row of `label_reviews` speaks of."""
    return Label(row["caption"], row["name"], row["is_anomaly"])


def outcome(row: Row) -> Label:
    """The label that a row says is right; for a wrong one without a correction the label itself."""
    name, side = row["correct_name"], row["correct_is_anomaly"]
    return Label(row["caption"], name or row["name"], row["is_anomaly"] if side is None else side)


def is_correction(row: Row) -> bool:
    """Whether a row says what the label should be instead."""
    return bool(row["verdict"] == WRONG and outcome(row) != said_of(row))


def standing(log: pl.DataFrame) -> dict[str, list[Row]]:
    """pair_id -> the rows that stand, oldest first.

    An undo takes back its reviewer's last word on the pair. Of what one reviewer said of one label the newest stands.
    """
    said: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in log.sort("at").iter_rows(named=True):
        words = said[row["pair_id"], row["by"]]
        if row["verdict"] != UNDO:
            words.append(row)
        elif words:
            words.pop()
    newest: dict[tuple[str, str, Label], Row] = {}
    for words in said.values():
        newest.update({(row["pair_id"], row["by"], said_of(row)): row for row in words})
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(newest.values(), key=lambda row: row["at"]):
        found[row["pair_id"]].append(row)
    return dict(found)


def history(made: Label, rows: Sequence[Row]) -> list[Label]:
    """The labels that a pair has had by corrections, from the one that was made to the one that stands now.

    Of two corrections of one label the later wins; one of a label that the pair never had does nothing.
    """
    found = [made]
    for row in rows:
        if is_correction(row) and said_of(row) in found:
            found = [*(one for one in found if one != outcome(row)), outcome(row)]
    return found


def with_corrections(rows: pl.DataFrame, captions: Mapping[str, str], log: pl.DataFrame) -> pl.DataFrame:
    """Rows of `labels` as sources and models made them -> with what people corrected, under the origin `reviewer`."""
    corrected = log.filter(pl.col("pair_id").is_in(rows["pair_id"].to_list()))
    if corrected.is_empty():
        return rows
    said = standing(corrected)
    changes = []
    for row in rows.filter(pl.col("pair_id").is_in(list(said))).iter_rows(named=True):
        made = Label(captions.get(row["pair_id"]), row["name"], row["is_anomaly"])
        now = history(made, said[row["pair_id"]])[-1]
        if now != made:
            changes.append({"pair_id": row["pair_id"], "_name": now.name, "_side": now.is_anomaly})
    if not changes:
        return rows
    joined = rows.join(pl.DataFrame(changes), on="pair_id", how="left", maintain_order="left")
    renamed = pl.col("_name").is_not_null() & (pl.col("_name") != pl.col("name"))
    moved = pl.col("_side").is_not_null() & (pl.col("_side") != pl.col("is_anomaly"))
    return joined.with_columns(
        name=pl.coalesce("_name", "name"),
        name_origin=pl.when(renamed).then(pl.lit(REVIEWER)).otherwise("name_origin"),
        is_anomaly=pl.coalesce("_side", "is_anomaly"),
        is_anomaly_origin=pl.when(moved).then(pl.lit(REVIEWER)).otherwise("is_anomaly_origin"),
    ).drop("_name", "_side")


def reviewable(work: Workspace, key: str | None = None) -> pl.DataFrame:
    """Every label that has a name: pair_id, category, caption, name, is_anomaly, both origins, recipe_sha."""
    from svta_assets.labels.labelling import UNNAMED

    captions = work.catalog.read("descriptions", key).select("pair_id", "caption")
    columns = ["name", "is_anomaly", "name_origin", "is_anomaly_origin", "recipe_sha"]
    labels = work.catalog.read("labels", key).select("pair_id", "category", *columns)
    found = labels.filter(pl.col("name").is_not_null() & (pl.col("name") != UNNAMED))
    return found.join(captions, on="pair_id").select("pair_id", "category", "caption", *columns).sort("pair_id")


def record(work: Workspace, rows: Iterable[Row], by: str) -> int:
    """Append checked rows of `label_reviews` under a reviewer's name, all at once; returns how many."""
    if not by.strip():
        raise SvtaError("a verdict needs its reviewer: name one with --by")
    at = utc_now()
    return work.catalog.append("label_reviews", PARTITION, [{**row, "by": by.strip(), "at": at} for row in rows]).height


def undo(work: Workspace, pairs: Iterable[str], by: str) -> int:
    """Take back a reviewer's last word on pairs. Raises SvtaError where there is none, and records nothing then."""
    said = standing(work.catalog.read("label_reviews").filter(pl.col("by") == by.strip()))
    wanted = list(dict.fromkeys(pairs))
    if unknown := [pair for pair in wanted if pair not in said]:
        raise SvtaError(f"{by} said nothing that stands of {', '.join(unknown[:3])}: nothing is taken back")
    keep = ("pair_id", "category", "caption", "name", "is_anomaly", "recipe_sha", "seed")
    last = [max(said[pair], key=lambda row: row["at"]) for pair in wanted]
    return record(work, [{**{name: row[name] for name in keep}, "verdict": UNDO} for row in last], by)
