"""Open a source file, or say which file it is and what to do."""

import json
from pathlib import Path
from typing import Any

from svta_assets.texts.records import SourceError


def read_text(path: Path) -> str:
    """The file's UTF-8 text, a byte order mark removed."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text ({error.reason}, byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check that it exists and is readable.") from None


def read_json(path: Path) -> Any:
    """The file's JSON value; an empty or broken file raises SourceError with the line."""
    text = read_text(path)
    if not text.strip():
        raise SourceError(f"{path} is empty; download it again or remove it from the folder.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}; download it again."
        ) from None


def read_json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line that is not blank."""
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise SourceError(f"{path}, line {number} is not JSON: {error.msg}; correct the line.") from None
        if not isinstance(row, dict):
            raise SourceError(f"{path}, line {number} is a JSON {type(row).__name__}; write one object per line.")
        rows.append((number, row))
    return rows


def read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(row number as a spreadsheet counts, cells by column name); all cells are text, a missing one is ''."""
    import csv

    lines = read_text(path).splitlines(keepends=True)
    reader = csv.DictReader(lines, strict=True)
    try:
        rows = [(number, row) for number, row in enumerate(reader, start=2)]
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num} is not CSV: {error}; correct the line.") from None
    if not reader.fieldnames:
        raise SourceError(f"{path} is empty; its first row must name the columns.")
    for number, row in rows:
        if None in row:
            raise SourceError(
                f"{path}, row {number} has more cells than the header's {len(reader.fieldnames)}; "
                "put cells that contain a comma in double quotes."
            )
    return [(number, {name: cell or "" for name, cell in row.items()}) for number, row in rows]
