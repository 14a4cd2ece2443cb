"""`benchmarks.yaml`: where the real videos of each benchmark lie.

ucfcrime_ar:
  videos: /data/ucf_crime/videos    # folder, searched with its subfolders; relative to this file
  captions: ucfcrime_ar             # folder of the caption files; default: the one in SVTA_SOURCES_DIR
  names: "{video}.mp4"              # what a video's file is called; default: its name with any video suffix
  pairs: 290                        # how many there must be; default: 290 for ucfcrime_ar, any number for oops
  allow_missing: false              # true evaluates on the videos there are, and the tables say so
oops:
  videos: /data/oops/val
  complete: [goal, wentwrong]       # annotation fields that make a description complete (OOPS! only)

Its place is SVTA_BENCHMARKS, or `benchmarks.yaml` in SVTA_SOURCES_DIR.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from svta_assets.texts.collect import SETTING as SOURCES_SETTING
from svta_resources.errors import SvtaError

SETTING = "SVTA_BENCHMARKS"
FILE = "benchmarks.yaml"
NAMES = ("ucfcrime_ar", "oops")
PAIRS = {"ucfcrime_ar": 290}  # SVTA paper, Table 3
COMPLETE = ("goal", "wentwrong")
_KNOWN = {"videos", "captions", "names", "pairs", "allow_missing", "complete"}


class BenchmarkError(SvtaError):
    """A benchmark's settings, captions or videos are not as they must be."""


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """One benchmark as `benchmarks.yaml` describes it; paths are absolute."""

    name: str
    videos: Path
    captions: Path
    names: str | None = None
    pairs: int | None = None
    allow_missing: bool = False
    complete: tuple[str, ...] = COMPLETE


def read_benchmarks(environ: Mapping[str, str] | None = None) -> dict[str, BenchmarkSettings]:
    """The configured benchmarks by name; none where there is no file. Raises BenchmarkError naming the setting."""
    environ = os.environ if environ is None else environ
    given, sources = environ.get(SETTING), environ.get(SOURCES_SETTING)
    path = Path(given).expanduser() if given else (Path(sources).expanduser() / FILE if sources else None)
    if path is None or not path.is_file():
        if given:
            raise BenchmarkError(f"{SETTING} is {given}, which is no file: correct it, or unset it")
        return {}
    try:
        value = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BenchmarkError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}; correct it") from error
    if not isinstance(value, dict) or set(value) - set(NAMES):
        found = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise BenchmarkError(f"{path} holds {found}; known benchmarks are {', '.join(NAMES)}")
    base = path.absolute().parent
    return {name: _one(name, value[name], base, sources, f"{path}, {name}") for name in NAMES if name in value}


def _one(name: str, value: Any, base: Path, sources: str | None, where: str) -> BenchmarkSettings:
    if not isinstance(value, dict) or "videos" not in value:
        raise BenchmarkError(f"{where}: give the folder of its videos (`videos:`)")
    unknown = sorted(set(map(str, value)) - _KNOWN)
    if unknown:
        raise BenchmarkError(f"{where}: unknown setting {', '.join(unknown)}; use {', '.join(sorted(_KNOWN))}")
    names, pairs, missing = value.get("names"), value.get("pairs", PAIRS.get(name)), value.get("allow_missing", False)
    if names is not None and (not isinstance(names, str) or "{video}" not in names or "/" in names):
        raise BenchmarkError(f"{where}, names: {names!r} must be a file name with {{video}} in it, like {{video}}.mp4")
    if pairs is not None and (isinstance(pairs, bool) or not isinstance(pairs, int) or pairs < 1):
        raise BenchmarkError(f"{where}, pairs: {pairs!r} is no number of pairs")
    if not isinstance(missing, bool):
        raise BenchmarkError(f"{where}, allow_missing: {missing!r} is neither true nor false")
    complete = value.get("complete", list(COMPLETE))
    if not isinstance(complete, list) or not complete or not all(isinstance(field, str) for field in complete):
        raise BenchmarkError(f"{where}, complete: {complete!r} is no list of field names")
    videos = base / Path(str(value["videos"])).expanduser()
    if not videos.is_dir():
        raise BenchmarkError(f"{where}, videos: {videos} is no folder; correct it, or remove {name} from the file")
    return BenchmarkSettings(
        name, videos, _captions(name, value.get("captions"), base, sources, where), names, pairs, missing,
        tuple(complete),
    )  # fmt: skip


def _captions(name: str, given: Any, base: Path, sources: str | None, where: str) -> Path:
    if given is None and sources is None:
        raise BenchmarkError(f"{where}: set `captions:` to the folder of its caption files, or {SOURCES_SETTING}")
    folder = base / Path(str(given)).expanduser() if given is not None else Path(str(sources)).expanduser() / name
    if not folder.is_dir():
        raise BenchmarkError(f"{where}, captions: {folder} is no folder; put the caption files there")
    return folder
