"""`sources.yaml` in the sources folder: how to read files of your own.

oops:
  caption: [wentwrong]            # which fields of OOPS!'s annotations make the caption
files:
  mine/warehouse.csv:             # relative to the folder; .csv or .jsonl
    source: warehouse             # the name in the column `source`
    columns:                      # our name: the file's column
      caption: description        # the only one that must be there
      video: clip
      id: row_id                  # your own row id, if rows have one
      category: label             # a key of categories.yaml, its name, a UCF-Crime class, or "normal"
      is_anomaly: abnormal        # true/false, yes/no, 1/0, anomaly/normal
      start: from_s               # seconds
      end: to_s
      split: part
      caption_zh: chinese
    every: {category: fighting}   # the same for all rows, instead of a column: category, is_anomaly, split
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from svta_assets.texts.readers.files import read_text
from svta_assets.texts.readers.oops import DEFAULT_CAPTION
from svta_assets.texts.records import SourceError

SETTINGS_FILE = "sources.yaml"
RESERVED = {"uca", "ucfcrime_ar", "oops", "packaged", "llm"}
COLUMNS = {"caption", "video", "id", "category", "is_anomaly", "start", "end", "split", "caption_zh"}
EVERY = {"category", "is_anomaly", "split"}


@dataclass(frozen=True, slots=True)
class MappedFile:
    """One file of your own: where it is and which of its columns are ours."""

    path: Path
    name: str
    source: str
    columns: Mapping[str, str]
    every: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What sources.yaml says; the defaults where there is none."""

    files: tuple[MappedFile, ...] = ()
    oops_caption: tuple[str, ...] = DEFAULT_CAPTION


def read_settings(folder: Path) -> SourceSettings:
    """Read the folder's sources.yaml, if it has one."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        return SourceSettings()
    try:
        value = yaml.safe_load(read_text(path)) or {}
    except yaml.YAMLError as error:
        raise SourceError(f"{path} is not YAML: {' '.join(str(error).split())}; correct it.") from None
    top = _object(value, {"files", "oops"}, str(path))
    oops = _object(top.get("oops") or {}, {"caption"}, f"{path}, oops")
    files = top.get("files") or {}
    if not isinstance(files, dict):
        raise SourceError(f"{path}, files: expected an object from file name to settings, got {type(files).__name__}.")
    mapped = tuple(_mapped(folder, str(name), one, f"{path}, files, {name}") for name, one in files.items())
    return SourceSettings(mapped, _fields(oops.get("caption", list(DEFAULT_CAPTION)), f"{path}, oops, caption"))


def _mapped(folder: Path, name: str, value: Any, where: str) -> MappedFile:
    one = _object(value, {"source", "columns", "every"}, where)
    source = one.get("source")
    if not isinstance(source, str) or not source.strip() or source in RESERVED:
        raise SourceError(f"{where}, source: give a name of your own ({', '.join(sorted(RESERVED))} are taken).")
    columns = _object(one.get("columns") or {}, COLUMNS, f"{where}, columns")
    every = _object(one.get("every") or {}, EVERY, f"{where}, every")
    if "caption" not in columns:
        raise SourceError(f"{where}, columns: 'caption' is missing; say which column holds the text.")
    if not ({"category", "is_anomaly"} & (columns.keys() | every.keys())):
        raise SourceError(f"{where}: neither category nor is_anomaly is given; add a column or use `every`.")
    path = folder / name
    if not path.is_file():
        raise SourceError(f"{where}: {path} does not exist; correct the name (it is relative to {folder}).")
    if path.suffix.lower() not in {".csv", ".jsonl"}:
        raise SourceError(f"{where}: {path} is neither .csv nor .jsonl; convert it.")
    return MappedFile(path, name, source, {ours: str(theirs) for ours, theirs in columns.items()}, every)


def _object(value: Any, known: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SourceError(f"{where}: expected settings ({', '.join(sorted(known))}), got {type(value).__name__}.")
    unknown = sorted(set(value) - known)
    if unknown:
        raise SourceError(f"{where}: unknown setting {', '.join(map(str, unknown))}; use {', '.join(sorted(known))}.")
    return value


def _fields(value: Any, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise SourceError(f"{where}: expected one or more field names, like [goal, wentwrong].")
    return tuple(names)
