"""People look at descriptions before a clip is made of them, and drop what is unreasonable, as the paper's authors did.

Verdicts are rows that are only ever added (`description_reviews`). The newest one of a pair that stands counts, and
only for the caption it was said of: a description that was written anew is a new one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.reviewing import UNDO, newest_words
from svta_assets.texts.novelty import Said
from svta_assets.workspace import Workspace, utc_now
from svta_resources.catalog import Catalog
from svta_resources.errors import SvtaError

KEEP, DROP = "keep", "drop"
VERDICTS = (KEEP, DROP, UNDO)
COLUMNS = ("pair_id", "category", "caption", "origin", "age", "gender", "culture", "environment", "camera", "model")
_NEEDED = ("pair_id", "verdict", "reason")  # columns of a file with verdicts
NAMED = 10  # bad rows of a file that an error names

Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a person says of a description.

    Attributes:
        caption: that it was said of; None for the one that stands now. where: names it in errors (row 7 of a file).
    """

    pair_id: str
    verdict: str
    reason: str | None = None
    caption: str | None = None
    where: str = ""


def newest_verdicts(catalog: Catalog, category: str | None = None) -> dict[Said, Row]:
    """The verdict that stands for each description, by pair_id and caption; one that was taken back is not there."""
    newest = newest_words(catalog.read("description_reviews", category), ("pair_id", "caption"))
    return {(said[0], said[1]): row for said, row in newest.items()}


def dropped(catalog: Catalog, category: str | None = None) -> dict[Said, Row]:
    """The descriptions that reviewers dropped, with what they said."""
    return {said: row for said, row in newest_verdicts(catalog, category).items() if row["verdict"] == DROP}


def standing(catalog: Catalog, category: str, columns: Sequence[str] = ("pair_id", "caption")) -> pl.DataFrame:
    """The category's descriptions but for those dropped since they were published."""
    rows = catalog.read("descriptions", category)
    gone = [pair for pair, _ in _present(rows, dropped(catalog, category))]
    return rows.filter(~pl.col("pair_id").is_in(gone)).select(columns)


def review_queue(work: Workspace, keys: Collection[str] = (), collected: bool = False) -> pl.DataFrame:
    """Descriptions without a verdict, by category and slot: the columns COLUMNS.

    Args:
        keys: of categories, default all. collected: collected texts too, not only written descriptions.
    """
    rows = work.catalog.read("descriptions")
    if keys:
        rows = rows.filter(pl.col("category").is_in(list(keys)))
    if not collected:
        rows = rows.filter(pl.col("origin") == "llm")
    done = [pair for pair, _ in _present(rows, newest_verdicts(work.catalog))]
    return rows.filter(~pl.col("pair_id").is_in(done)).sort("category", "slot", "pair_id").select(COLUMNS)


def review_counts(work: Workspace, keys: Collection[str] = ()) -> pl.DataFrame:
    """By category: written descriptions, and how many of all are kept, dropped and (written ones) still open."""
    rows = work.catalog.read("descriptions")
    verdicts = newest_verdicts(work.catalog)
    said = pl.DataFrame(
        [(row["category"], row["verdict"]) for row in verdicts.values()],
        schema={"category": pl.String, "verdict": pl.String},
        orient="row",
    )
    written = rows.filter(pl.col("origin") == "llm").group_by("category").len("written")
    opened = review_queue(work).group_by("category").len("open")
    table = rows.select("category").unique()
    for part in (written, _count(said, KEEP, "kept"), _count(said, DROP, "dropped"), opened):
        table = table.join(part, on="category", how="left")
    counts = table.fill_null(0).filter(pl.sum_horizontal("written", "kept", "dropped") > 0).sort("category")
    return counts.filter(pl.col("category").is_in(list(keys))) if keys else counts


def _count(said: pl.DataFrame, verdict: str, name: str) -> pl.DataFrame:
    return said.filter(pl.col("verdict") == verdict).group_by("category").len(name)


def record(work: Workspace, verdicts: Sequence[Verdict], by: str) -> dict[str, int]:
    """Record verdicts, one row each; category -> rows recorded.

    Raises SvtaError where one of them is wrong: no such description, another caption, a drop without a reason, a
    description named twice, nothing to take back. It names the first of them, and nothing is recorded.
    """
    known = _known(work, {one.pair_id for one in verdicts})
    stands = newest_verdicts(work.catalog)
    complaints, rows, seen = [], list[Row](), set[str]()
    for one in verdicts:
        complaint = "is named twice" if one.pair_id in seen else _complaint(one, known, stands)
        seen.add(one.pair_id)
        if complaint:
            complaints.append(f"{one.where or one.pair_id}: {complaint}")
            continue
        said = known[one.pair_id]
        reason = (one.reason or "").strip() or None
        rows.append({**said, "verdict": one.verdict, "reason": reason, "by": by})
    if complaints:
        more = f" (and {len(complaints) - NAMED} more)" if len(complaints) > NAMED else ""
        raise SvtaError(f"nothing is recorded. {'; '.join(complaints[:NAMED])}{more}")
    at = utc_now()
    counts: dict[str, int] = {}
    for category in sorted({row["category"] for row in rows}):
        of_category = [{**row, "at": at} for row in rows if row["category"] == category]
        work.catalog.append("description_reviews", category, of_category)
        counts[category] = len(of_category)
    return counts


def _known(work: Workspace, pairs: Collection[str]) -> dict[str, Row]:
    """Those of `pairs` a verdict can speak of: described now, or dropped earlier and so to be taken back."""
    columns = ["pair_id", "category", "caption"]
    earlier = work.catalog.read("description_reviews").sort("at", maintain_order=True).select(columns)
    now = work.catalog.read("descriptions").select(columns)
    named = (frame.filter(pl.col("pair_id").is_in(list(pairs))) for frame in (earlier, now))
    return {row["pair_id"]: row for frame in named for row in frame.iter_rows(named=True)}


def _complaint(one: Verdict, known: dict[str, Row], stands: dict[Said, Row]) -> str | None:
    if one.verdict not in VERDICTS:
        return f"the verdict is {one.verdict!r}, not {', '.join(VERDICTS[:-1])} or {UNDO}"
    if one.pair_id not in known:
        return f"there is no description {one.pair_id!r}; `svta review descriptions --list` has the ids"
    caption = known[one.pair_id]["caption"]
    if one.caption is not None and one.caption != caption:
        return f"its caption is another one by now: {caption!r}"
    if one.verdict == DROP and not (one.reason or "").strip():
        return "a dropped description needs a reason, so that others understand it"
    if one.verdict == UNDO and (one.pair_id, caption) not in stands:
        return "nobody has said anything of it that could be taken back"
    return None


def read_verdicts(path: Path) -> list[Verdict]:
    """Read verdicts from a CSV or Parquet file with the columns pair_id, verdict and reason; more are allowed.

    A column `caption` holds the verdicts to the captions that were looked at. Rows without a verdict are passed over.
    Raises SvtaError for a file that cannot be read or lacks a column.
    """
    try:
        rows = pl.read_parquet(path) if path.suffix.lower() == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SvtaError(f"{path} cannot be read as {path.suffix.lstrip('.') or 'CSV'}: {error}") from error
    if missing := [name for name in _NEEDED if name not in rows.columns]:
        step = "`svta review descriptions --export FILE` writes such a file"
        raise SvtaError(f"{path} has no column {', '.join(missing)}; {step}")
    texts = rows.select(pl.col(name).cast(pl.String) for name in (*_NEEDED, "caption") if name in rows.columns)
    return [
        Verdict(
            (row["pair_id"] or "").strip(),
            row["verdict"].strip().lower(),
            row["reason"],
            row.get("caption"),
            f"row {number} ({row['pair_id']})",
        )
        for number, row in enumerate(texts.iter_rows(named=True), start=1)
        if (row["verdict"] or "").strip()
    ]


def write_queue(queue: pl.DataFrame, path: Path) -> None:
    """Write a queue as CSV with empty columns for verdict and reason, to be filled in and read back.

    Raises SvtaError when the file is there already, maybe with somebody's verdicts, or cannot be written.
    """
    blank = queue.with_columns(verdict=pl.lit(""), reason=pl.lit(""))
    try:
        with path.open("xb") as file:
            blank.write_csv(file)
    except FileExistsError:
        raise SvtaError(f"{path} is there already, maybe with verdicts: name another file or remove it") from None
    except OSError as error:
        raise SvtaError(f"cannot write {path}: {error.strerror}") from error


def _present(rows: pl.DataFrame, said: Collection[Said]) -> list[Said]:
    """Those of `rows` that something was said of, in the very caption."""
    return [one for one in rows.select("pair_id", "caption").iter_rows() if one in said]
