"""Reads the MSR-VTT layout as the loaders of CLIP4Clip, X-CLIP and GRAM describe it, and nothing else of it.

CLIP4Clip and X-CLIP: training videos are the column video_id of the training CSV, their sentences those of the JSON with
that video_id; test pairs are the columns video_id and sentence of the test CSV; a video is <features>/<video_id>.mp4.
GRAM: a list of {video_id, desc}, of which it keeps those that have <video_id>.mp3 in its audio folder.
"""

import json
from pathlib import Path

import pandas as pd


def training_pairs(folder: Path) -> list[tuple[str, str]]:
    """(video_id, caption) with every sentence of a video, as `--expand_msrvtt_sentences` reads them."""
    chosen = set(pd.read_csv(folder / "MSRVTT_train.9k.csv")["video_id"].values)
    data = json.loads((folder / "MSRVTT_data.json").read_text())
    return [(one["video_id"], one["caption"]) for one in data["sentences"] if one["video_id"] in chosen]


def parents(folder: Path) -> dict[str, str]:
    """video_id -> the video it was cut from, by its url."""
    videos = json.loads((folder / "MSRVTT_data.json").read_text())["videos"]
    return {one["video_id"]: one["url"].split("?v=")[-1] for one in videos}


def evaluation_pairs(folder: Path, name: str = "MSRVTT_JSFUSION_test.csv") -> list[tuple[str, str]]:
    """(video_id, sentence) of an evaluation CSV."""
    table = pd.read_csv(folder / name)
    return list(zip(table["video_id"].values, table["sentence"].values, strict=True))


def video(folder: Path, video_id: str) -> Path:
    """Where the loaders look for a video."""
    return folder / "MSRVTT_Videos" / f"{video_id}.mp4"


def gram_pairs(folder: Path, split: str, audio: Path) -> list[tuple[str, str]]:
    """(video_id, desc) of the videos that GRAM keeps."""
    listed = json.loads((folder / "annotations" / f"descs_ret_{split}.json").read_text())
    return [(one["video_id"], one["desc"]) for one in listed if (audio / f"{one['video_id']}.mp3").exists()]
