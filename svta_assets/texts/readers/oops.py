"""OOPS! (Epstein et al., CVPR 2020): what went wrong in videos of failed actions.

The data set's own language annotations (train.json, val.json; two workers per video) are

    {"<video>": [{"goal": "...", "wentwrong": "...", "kgoalsvos": [...], "kwentwrongsvos": [...]}, {...}], ...}

`wentwrong` is the caption: the failure is what makes the video an anomaly; sources.yaml can name other fields
(`oops: {caption: [goal, wentwrong]}` joins them). Also read: {"<video>": "text"} or a list of texts, and
JSON lists, JSONL and CSV with a column for the video and one for the description.
The SVTA paper drops descriptions that contain "don't know" (section on collection); here they become rejects.
Every text is anomalous, and OOPS! has no classes: collection finds the category.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from svta_assets.texts.readers.files import read_csv, read_json, read_json_lines
from svta_assets.texts.readers.ucf import video_stem
from svta_assets.texts.records import Reading, Reject, SourceError, record_frame

SOURCE = "oops"
DEFAULT_CAPTION = ("wentwrong",)
VIDEO_COLUMNS = ("video", "video_id", "filename", "file", "clip")
TEXT_COLUMNS = ("description", "caption", "text", "sentence", "wentwrong")
_NOT_ANNOTATIONS = {"vocab.json", "corrections.json"}  # in the same archive, no texts
_DONT_KNOW = re.compile(r"\bdon\W?t\s+know\b", re.IGNORECASE)  # any apostrophe, or none
_SPLIT = re.compile(r"(?:^|[_\W])(train|val|test)(?:$|[_\W])", re.IGNORECASE)

Item = tuple[str, str, str]  # video, text, place


def read_oops(folder: Path, caption: Sequence[str] = DEFAULT_CAPTION) -> Reading:
    """Read every .json, .jsonl and .csv of the folder but the archive's word lists."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in {".json", ".jsonl", ".csv"}]
    paths = [path for path in paths if path.name not in _NOT_ANNOTATIONS]
    if not paths:
        raise SourceError(f"{folder} holds no .json, .jsonl or .csv; put OOPS!'s train.json and val.json there.")
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for path in paths:
        split = _SPLIT.search(path.stem)
        for video, text, place in _items(path, tuple(caption)):
            if reject := _reject(text, place):
                rejects.append(reject)
                continue
            stem = video_stem(video)
            rows.append(
                {
                    "source": SOURCE,
                    "source_video": stem,
                    "source_split": split[1].lower() if split else None,
                    "scope": stem,
                    "raw": text,
                    "is_anomaly": True,
                    "place": place,
                }
            )
    ignored = [path.name for path in sorted(folder.iterdir()) if path not in paths]
    return Reading(record_frame(rows), rejects, files=[path.name for path in paths], ignored=ignored)


def _reject(text: str, place: str) -> Reject | None:
    if not text.strip(" \t\r\n.,;"):
        return Reject(place, "empty", "the annotation has no text")
    if _DONT_KNOW.search(text):
        return Reject(place, "dont_know", text.strip())
    return None


def _items(path: Path, caption: tuple[str, ...]) -> Iterator[Item]:
    suffix, name = path.suffix.lower(), f"{SOURCE}/{path.name}"
    if suffix == ".csv":
        yield from _rows(path, [(f"{name}, row {number}", row) for number, row in read_csv(path)])
        return
    if suffix == ".jsonl":
        yield from _rows(path, [(f"{name}, line {number}", row) for number, row in read_json_lines(path)])
        return
    value = read_json(path)
    if isinstance(value, list):
        yield from _rows(path, [(f"{name}, item {number}", row) for number, row in enumerate(value, start=1)])
    elif isinstance(value, dict):
        for video, annotations in value.items():
            yield from _annotations(path, video, annotations, caption)
    else:
        raise SourceError(f"{path} holds a JSON {type(value).__name__}; expected an object from video to annotations.")


def _annotations(path: Path, video: str, value: Any, caption: tuple[str, ...]) -> Iterator[Item]:
    """One video's annotations: objects with `caption`'s fields, or plain texts; one or a list."""
    for number, one in enumerate(value if isinstance(value, list) else [value], start=1):
        place = f"{SOURCE}/{path.name}, {video}, annotation {number}"
        if isinstance(one, str):
            yield video, one, place
        elif isinstance(one, dict) and all(isinstance(one.get(name), str) for name in caption):
            yield (
                video,
                ". ".join(one[name].strip().rstrip(".") for name in caption) if caption[1:] else one[caption[0]],
                place,
            )
        else:
            raise SourceError(
                f"{path}, video {video}, annotation {number}: expected text or an object with "
                f"{' and '.join(caption)}; correct it, or name its fields in sources.yaml under oops: caption."
            )


def _rows(path: Path, rows: list[tuple[str, Any]]) -> Iterator[Item]:
    """Rows with a video column and a text column, found by their names in the first row."""
    if not rows:
        raise SourceError(f"{path} has no rows; download it again or remove it from the folder.")
    first = rows[0][1]
    names = list(first) if isinstance(first, dict) else []
    video = next((name for name in VIDEO_COLUMNS if name in names), None)
    text = next((name for name in TEXT_COLUMNS if name in names), None)
    if video is None or text is None:
        raise SourceError(
            f"{path}: found {names or 'no columns'}; name one column of {', '.join(VIDEO_COLUMNS)} "
            f"and one of {', '.join(TEXT_COLUMNS)}."
        )
    for place, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(video), str) or not isinstance(row.get(text), str):
            raise SourceError(f"{path.parent.parent / place}: '{video}' and '{text}' must be text; correct them.")
        yield row[video], row[text], place
