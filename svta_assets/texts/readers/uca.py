"""UCA (Yuan et al., CVPR 2024): sentences with times for 1,854 UCF-Crime videos, one JSON per split.

{"Abuse043_x264": {"duration": 129.08, "timestamps": [[3.4, 7.4], ...], "sentences": ["...", ...]}, ...}; seconds.
The split is UCA's own, not UCF-Crime's: 214 of UCF-Crime's 290 test videos are in UCA's train split.
"""

import re
from pathlib import Path
from typing import Any

from svta_assets.texts.readers.files import read_json
from svta_assets.texts.readers.ucf import require_ucf_class, ucf_facts, video_stem
from svta_assets.texts.records import Reading, SourceError, record_frame

SOURCE = "uca"
SPLITS = ("train", "val", "test")
# Only the original sentences: UCA's archive also holds gender-neutral rewrites (revised_*) of the same ones.
_FILE = re.compile(r"ucfcrime_(train|val|test)\.json", re.IGNORECASE)


def read_uca(folder: Path) -> Reading:
    """Read UCFCrime_{Train,Val,Test}.json; other files in the folder are left alone and reported."""
    found = {match[1].lower(): path for path in sorted(folder.iterdir()) if (match := _FILE.fullmatch(path.name))}
    if not found:
        raise SourceError(f"{folder} holds no UCFCrime_Train.json, _Val.json or _Test.json; put them there.")
    columns: dict[str, list[Any]] = {
        name: [] for name in ("source_video", "source_split", "raw", "start_s", "end_s", "position", "place")
    }
    classes: list[str] = []
    for split, path in found.items():
        for name, video in _videos(path).items():
            stem = video_stem(name)
            spans, sentences = _events(path, name, video)
            count = len(sentences)
            classes += [require_ucf_class(stem, str(path))] * count
            columns["source_video"] += [stem] * count
            columns["source_split"] += [split] * count
            columns["raw"] += sentences
            columns["start_s"] += [start for start, _ in spans]
            columns["end_s"] += [end for _, end in spans]
            columns["position"] += range(count)
            columns["place"] += [f"{SOURCE}/{path.name}, {name}"] * count
    frame = record_frame(
        {**columns, **ucf_facts(classes), "source": [SOURCE] * len(classes), "scope": columns["source_video"]}
    )
    ignored = [path.name for path in sorted(folder.iterdir()) if path not in found.values()]
    missing = [split for split in SPLITS if split not in found]
    notes = [f"UCA's {split} split is missing: {folder} holds no UCFCrime_{split.title()}.json" for split in missing]
    return Reading(frame, files=[path.name for path in found.values()], ignored=ignored, notes=notes)


def _videos(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise SourceError(
            f"{path} holds a JSON {type(value).__name__}, not an object from video name to its sentences; "
            "download UCA's file again."
        )
    return value


def _events(path: Path, name: str, video: Any) -> tuple[list[tuple[float, float]], list[str]]:
    """The video's (start, end) in seconds and its sentences, equally many."""
    spans = video.get("timestamps") if isinstance(video, dict) else None
    sentences = video.get("sentences") if isinstance(video, dict) else None
    if not isinstance(spans, list) or not isinstance(sentences, list) or len(spans) != len(sentences):
        raise SourceError(
            f"{path}, video {name}: 'timestamps' and 'sentences' must be lists of one length; download it again."
        )
    if not all(isinstance(sentence, str) for sentence in sentences):
        raise SourceError(f"{path}, video {name}: a sentence is not text; correct it.")
    try:
        return [(float(start), float(end)) for start, end in spans], sentences
    except (TypeError, ValueError):
        raise SourceError(f"{path}, video {name}: a timestamp is not [start, end] in seconds; correct it.") from None
