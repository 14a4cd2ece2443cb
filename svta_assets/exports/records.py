"""Rows of an existing dataset, as its files say them: nothing is judged here (`checking.py` does)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svta_resources.errors import SvtaError

COLUMNS: dict[str, tuple[str, ...]] = {  # what a row may say -> column names that say it, in order of preference
    "file": ("file", "file_name", "filename", "video", "path", "video_path", "clip", "video_id"),
    "caption": ("caption", "text", "sentence", "description", "desc"),
    "category": ("category", "label", "class", "action"),
    "split": ("split", "subset", "set"),
    "key": ("key", "id", "pair_id"),
    "kind": ("kind", "is_anomaly", "anomaly"),
    "final_category": ("final_category",),
    "group": ("group",),
}
NEEDED = ("file", "caption", "category", "split")


class UnreadableDataset(SvtaError):
    """The folder or table cannot be read as a dataset."""


@dataclass(frozen=True)
class Record:
    """One row: a caption with its clip.

    Attributes:
        place: names the row in messages. key: the dataset's own, by which the pair is known for ever.
        load: reads the clip's bytes; raises OSError. Other fields are as written, empty where the row is silent.
        generation: generation category, where the dataset was made by SVTA and says so.
    """

    place: str
    key: str
    caption: str
    category: str
    split: str
    load: Callable[[], bytes]
    kind: str = ""
    group: str = ""
    generation: str = ""


def read_folder(folder: Path, table: Path | None, columns: dict[str, str]) -> list[Record]:
    """A folder of mp4 with a table of file, caption, category and split (CSV, JSON or JSON lines).

    Args:
        table: default the one table at the top of the folder. columns: what a row says -> column that says it, where
            the usual names do not fit.

    Files are looked for below the folder, then beside the table; without a suffix `.mp4` is added.
    """
    if not folder.is_dir():
        raise UnreadableDataset(f"{folder} is no folder: give the one that holds the clips")
    source = table or _only_table(folder)
    rows = _read_table(source)
    names = _columns(source, rows, columns)
    return [_record(folder, source, names, number, row) for number, row in enumerate(rows, start=1)]


def _only_table(folder: Path) -> Path:
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".json", ".jsonl")]
    if len(found) != 1:
        said = f"holds {', '.join(path.name for path in found)}" if found else "holds no .csv, .json or .jsonl"
        raise UnreadableDataset(f"{folder} {said}: name the table of file, caption, category and split with --table")
    return found[0]


def _read_table(path: Path) -> list[dict[str, Any]]:
    import csv
    import json

    try:
        if path.suffix.lower() == ".csv":
            with open(path, newline="", encoding="utf-8-sig") as file:
                return list(csv.DictReader(file))
        text = path.read_text(encoding="utf-8-sig")
        lines = path.suffix.lower() == ".jsonl"
        loaded = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableDataset(f"{path} cannot be read ({error}): repair it, or name another with --table") from error
    if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in loaded):
        raise UnreadableDataset(f"{path} is not a list of objects, one a clip: write it so, or as CSV")
    return loaded


def _columns(path: Path, rows: list[dict[str, Any]], given: dict[str, str]) -> dict[str, str]:
    """What a row says -> the table's column. Raises UnreadableDataset for one that is needed and missing."""
    if not rows:
        raise UnreadableDataset(f"{path} has no rows")
    present = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    if unknown := [what for what in given if what not in COLUMNS]:
        raise UnreadableDataset(f"--column {unknown[0]}=...: a row can say {', '.join(COLUMNS)}")
    if absent := [name for name in given.values() if name not in present]:
        raise UnreadableDataset(f"{path} has no column {absent[0]}; it has {', '.join(present)}")
    found = {what: next((name for name in names if name in present), "") for what, names in COLUMNS.items()} | given
    if missing := [what for what in NEEDED if not found[what]]:
        raise UnreadableDataset(
            f"{path} has no column for {', '.join(missing)} (it has {', '.join(present)}): "
            f"say which one with --column {missing[0]}=NAME"
        )
    return found


def _record(folder: Path, table: Path, names: dict[str, str], number: int, row: dict[str, Any]) -> Record:
    def cell(what: str) -> str:
        value = row.get(names[what]) if names[what] else None
        return "" if value is None else str(value)

    file = cell("file").strip()
    return Record(
        place=f"{table.name}, row {number}",
        key=cell("key").strip() or file,
        caption=cell("caption"),
        category=cell("final_category").strip() or cell("category").strip(),
        split=cell("split").strip(),
        load=lambda: _read_clip(folder, table.parent, file),
        kind=cell("kind").strip(),
        group=cell("group").strip(),
        generation=cell("category").strip() if cell("final_category").strip() else "",
    )


def _read_clip(folder: Path, beside: Path, file: str) -> bytes:
    """Bytes of the clip a row names. Raises FileNotFoundError, also for a path that leads out of the dataset."""
    name = file if Path(file).suffix.lower() == ".mp4" else f"{file}.mp4"
    if not file:
        raise FileNotFoundError("the row names no file")
    for root in (folder, beside):
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            return path.read_bytes()
    raise FileNotFoundError(f"{name} is not below {folder}")
