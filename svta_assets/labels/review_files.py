"""Review samples as files for people, and verdicts read back from them: CSV or Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.labels.labelling import name_complaint, normal_form
from svta_assets.labels.reviews import (
    REVIEWER,
    VERDICTS,
    WRONG,
    Label,
    is_correction,
    outcome,
    reviewable,
    said_of,
    standing,
)
from svta_assets.reviewing import draw_sample
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

LOOKED_AT = ("pair_id", "category", "caption", "name", "is_anomaly")
FILLED_IN = ("verdict", "correct_name", "correct_is_anomaly", "reason")
COLUMNS = (*LOOKED_AT, *FILLED_IN, "seed")
SHOWN = 20  # problems named at once
_YES_NO = {"true": True, "yes": True, "false": False, "no": False}

Row = dict[str, Any]


class ReviewFileError(SvtaError):
    """A verdict file has rows that cannot be recorded; none of it was."""


def write_sample(work: Workspace, path: Path, share: float, seed: int) -> int:
    """Write the sample with empty verdicts, so that reviewers do not see each other's; returns the rows.

    Raises SvtaError where there are no labels, or the file's ending is neither .csv nor .parquet.
    """
    labels = reviewable(work)
    if labels.is_empty():
        raise SvtaError("there are no labels to review yet: materialize labels, or run `make demo`")
    sample = draw_sample(labels, share, seed).select(*LOOKED_AT)
    empty = [pl.lit(None, pl.String).alias(name) for name in FILLED_IN]
    table = sample.with_columns(*empty, pl.lit(seed).alias("seed"))
    _ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_csv(path) if _ending(path) == ".csv" else table.write_parquet(path)
    return table.height


def read_verdicts(work: Workspace, path: Path) -> list[Row]:
    """Rows of `label_reviews` (without reviewer and time) from a file; rows with an empty verdict are left out.

    `pair_id` and `verdict` are needed, the other columns of a sample may be left out; what is said is then said of the
    label as it is now.

    Raises ReviewFileError that names every row that is wrong.
    """
    table, first = _read(path)
    labels = {row["pair_id"]: row for row in reviewable(work).iter_rows(named=True)}
    said = standing(work.catalog.read("label_reviews"))
    problems, found, places = list[str](), list[Row](), dict[str, int]()
    for number, given in enumerate(table.iter_rows(named=True), first):
        cells = {name: _cell(given.get(name)) for name in COLUMNS}
        pair = cells["pair_id"]
        try:
            if pair in places:
                raise _Wrong(f"pair {pair} stands in row {places[pair]} already")
            places[pair] = number
            if pair not in labels:
                raise _Wrong(f"there is no label of pair {pair!r}: a sample lists pairs that have one")
            if (row := _verdict(cells, labels[pair], said.get(pair, []))) is not None:
                found.append(row)
        except _Wrong as problem:
            problems.append(f"row {number}: {problem}")
    if problems:
        more = f"\n... and {len(problems) - SHOWN} more rows" if len(problems) > SHOWN else ""
        raise ReviewFileError(f"{path}: nothing is recorded, since\n" + "\n".join(problems[:SHOWN]) + more)
    return found


def one_verdict(work: Workspace, given: Mapping[str, Any]) -> Row:
    """The same of one pair, from cells by COLUMNS: what a reviewer says in the app, one label at a time.

    Raises ReviewFileError that says what is wrong.
    """
    cells = {name: _cell(given.get(name)) for name in COLUMNS}
    pair = cells["pair_id"]
    keys = work.catalog.read("labels").filter(pl.col("pair_id") == pair)["category"]
    found = reviewable(work, keys[0]).filter(pl.col("pair_id") == pair) if keys.len() else pl.DataFrame()
    if found.is_empty():
        raise ReviewFileError(f"there is no label of pair {pair!r}")
    log = work.catalog.read("label_reviews").filter(pl.col("pair_id") == pair)
    try:
        row = _verdict(cells, found.row(0, named=True), standing(log).get(pair, []))
    except _Wrong as problem:
        raise ReviewFileError(f"nothing is recorded: {problem}") from None
    if row is None:
        raise ReviewFileError(f"nothing is recorded: say {', '.join(VERDICTS)}")
    return row


class _Wrong(Exception):
    """What is wrong with a row."""


def _verdict(cells: Mapping[str, str], label: Row, said: list[Row]) -> Row | None:
    """A row of `label_reviews`, None where the reviewer said nothing. Raises _Wrong."""
    verdict = cells["verdict"].lower()
    corrections = [name for name in ("correct_name", "correct_is_anomaly") if cells[name]]
    if not verdict:
        if corrections or cells["reason"]:
            raise _Wrong("something is filled in but no verdict: say right, wrong or unsure")
        return None
    if verdict not in VERDICTS:
        raise _Wrong(f"the verdict {cells['verdict']!r} is none of {', '.join(VERDICTS)}")
    if corrections and verdict != WRONG:
        raise _Wrong(f"{' and '.join(corrections)} with the verdict {verdict}: only a wrong label is corrected")
    name = normal_form(cells["correct_name"]) or None
    if name and (complaint := name_complaint(name, "correct_name")):
        raise _Wrong(complaint)
    about = _looked_at(cells, label, said)
    row = {
        "pair_id": label["pair_id"],
        "category": label["category"],
        **about._asdict(),
        "recipe_sha": label["recipe_sha"],
        "seed": _seed(cells["seed"]),
        "verdict": verdict,
        "correct_name": name,
        "correct_is_anomaly": _side(cells["correct_is_anomaly"], "correct_is_anomaly"),
        "reason": cells["reason"] or None,
    }
    if corrections and outcome(row) == about:
        raise _Wrong("the correction is what the label says already")
    return row


def _looked_at(cells: Mapping[str, str], label: Row, said: list[Row]) -> Label:
    """The label that the file shows: the current one, or one that has been corrected since. Raises _Wrong."""
    now = Label(label["caption"], label["name"], label["is_anomaly"])
    side = _side(cells["is_anomaly"], "is_anomaly")
    shown = Label(cells["caption"] or now.caption, cells["name"] or now.name, now.is_anomaly if side is None else side)
    corrected = REVIEWER in (label["name_origin"], label["is_anomaly_origin"])
    if shown == now or (corrected and any(said_of(row) == shown and is_correction(row) for row in said)):
        return shown
    raise _Wrong(
        f"the file shows {_words(shown)}, the label is now {_words(now)}: `svta review labels --sample` writes it anew"
    )


def _words(label: Label) -> str:
    return f"{label.name!r} ({'anomalous' if label.is_anomaly else 'normal'}) of {str(label.caption)[:60]!r}"


def _side(cell: str, column: str) -> bool | None:
    if cell and cell.lower() not in _YES_NO:
        raise _Wrong(f"{column} {cell!r} is neither true nor false")
    return _YES_NO.get(cell.lower())


def _seed(cell: str) -> int | None:
    if cell and not cell.isdecimal():
        raise _Wrong(f"the seed {cell!r} is no whole number: leave the column as the sample has it, or empty")
    return int(cell) if cell else None


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _read(path: Path) -> tuple[pl.DataFrame, int]:
    """The table and the number of its first row: a CSV counts its head, as a spreadsheet does."""
    ending = _ending(path)
    try:
        table = pl.read_csv(path, infer_schema=False) if ending == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReviewFileError(f"{path} cannot be read as {ending[1:]}: {error}") from error
    missing = [name for name in ("pair_id", "verdict") if name not in table.columns]
    if missing:
        lacks = " and no column ".join(missing)
        raise ReviewFileError(f"{path} has no column {lacks}; a sample has {', '.join(COLUMNS)}")
    if unknown := sorted(set(table.columns) - set(COLUMNS)):
        raise ReviewFileError(
            f"{path} has the columns {', '.join(unknown)}, which nothing reads: rename or remove them; known are "
            f"{', '.join(COLUMNS)}"
        )
    return table, 2 if ending == ".csv" else 1


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise ReviewFileError(f"{path}: review files end in .csv or .parquet")
    return ending
