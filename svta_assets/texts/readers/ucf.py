"""UCF-Crime video names, as UCA and UCFCrime-AR write them.

UCA writes "Abuse043_x264", UCFCrime-AR "Abuse/Abuse043_x264.mp4\\n"; both meet on the stem. Normal videos come as
"Normal_Videos001_x264" (training) and "Normal_Videos_003_x264" (testing).
"""

import re
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from svta_assets.categories import category_of_ucf_class
from svta_assets.texts.records import SourceError

NORMAL = "Normal"
_CLASS = re.compile(r"([A-Za-z]+)\d{3}_x264")


def video_stem(name: str) -> str:
    """The video's name without folder, extension and outer white space."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    return path.stem if path.suffix.lower() in {".mp4", ".avi", ".mkv", ".webm", ".mov"} else path.name


@cache
def ucf_class(stem: str) -> str | None:
    """The video's UCF-Crime class, verbatim, or "Normal"; None for a name of another form or class."""
    if stem.startswith(NORMAL):
        return NORMAL
    match = _CLASS.fullmatch(stem)
    return match[1] if match and category_of_ucf_class(match[1]) else None


def require_ucf_class(stem: str, place: str) -> str:
    """`ucf_class`, or an error that names the place."""
    found = ucf_class(stem)
    if found is None:
        raise SourceError(
            f"{place}: '{stem}' is no UCF-Crime video name (like Abuse043_x264 or Normal_Videos_003_x264); "
            "bring texts of other videos as CSV or JSONL with a sources.yaml."
        )
    return found


def ucf_facts(classes: list[str]) -> dict[str, list[Any]]:
    """The record columns that follow from the source video's class: every sentence has its video's label.

    That gives exactly the SVTA paper's 16,145 normal texts (15,195 sentences of UCA, 950 captions of UCFCrime-AR).
    A normal text's category stays null: collection shards it by its id.
    """
    keys = {name: None if name == NORMAL else _key(name) for name in set(classes)}
    return {
        "source_category": list(classes),
        "is_anomaly": [name != NORMAL for name in classes],
        "category": [keys[name] for name in classes],
    }


def _key(name: str) -> str:
    found = category_of_ucf_class(name)
    assert found is not None, name  # only names that passed `ucf_class` come here
    return found.key
