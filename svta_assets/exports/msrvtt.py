"""The layout of MSR-VTT, as the official loaders of CLIP4Clip, X-CLIP and GRAM read it.

    MSRVTT_train.9k.csv          column video_id: the training videos          (--train_csv)
    MSRVTT_JSFUSION_test.csv     key, vid_key, video_id, sentence: test        (--val_csv)
    MSRVTT_JSFUSION_val.csv      the same for validation, which MSR-VTT's 9k/1k-A division has not
    MSRVTT_data.json             info, videos, sentences of all splits         (--data_path)
    MSRVTT_Videos/<video_id>.mp4                                               (--features_path)
    category.txt                 number of each final category
    annotations/descs_ret_<split>.json    GRAM: video_id and desc of each pair

A video is called `video<pair_id>`: a name of digits alone would be read as a number by CSV readers. GRAM's loader keeps
only videos with `<video_id>.mp3` in its audio folder; generated clips are silent, so `silent_audio` writes such files.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Any, BinaryIO

from svta_assets.exports.files import PlannedFile
from svta_assets.exports.job import ExportJob, Row

VIDEOS, AUDIO, DATA = "MSRVTT_Videos", "MSRVTT_Audio", "MSRVTT_data.json"
TRAIN = "MSRVTT_train.9k.csv"
TESTS = {"test": "MSRVTT_JSFUSION_test.csv", "val": "MSRVTT_JSFUSION_val.csv"}
SPLIT_NAMES = {"train": "train", "val": "validate", "test": "test"}  # as MSRVTT_data.json spells them
SILENCE_S, SAMPLE_RATE = 3.0, 16_000  # GRAM's loader takes one slice; 16 kHz is its encoder's rate


def plan(job: ExportJob, silent_audio: bool) -> list[PlannedFile]:
    """Tables first, then one mp4 a pair (and one mp3, all alike, with `silent_audio`)."""
    rows = [row for part in job.splits.values() for row in part]
    categories = {name: number for number, name in enumerate(sorted(set(job.rows["final_category"])))}
    train = job.splits.get("train", [])
    files = [
        PlannedFile.of_text(TRAIN, _csv(["video_id"], ([video_id(row)] for row in train))),
        PlannedFile.of_text(DATA, _json(_data(job, rows, categories))),
        PlannedFile.of_text("category.txt", "".join(f"{name}\t{number}\n" for name, number in categories.items())),
    ]
    for split, part in job.splits.items():
        if split in TESTS:
            files.append(PlannedFile.of_text(TESTS[split], _test_csv(part)))
        described = [{"video_id": video_id(row), "desc": row["caption"]} for row in part]
        files.append(PlannedFile.of_text(f"annotations/descs_ret_{split}.json", _json(described)))
    files += [PlannedFile(f"{VIDEOS}/{video_id(row)}.mp4", partial(_write_clip, job, row)) for row in rows]
    if silent_audio:
        files += [PlannedFile(f"{AUDIO}/{video_id(row)}.mp3", _write_silence) for row in rows]
    return files


def manifest(job: ExportJob) -> dict[str, Any]:
    """What the splits are called in MSRVTT_data.json."""
    return {"splits": {split: SPLIT_NAMES[split] for split in job.splits}}


def video_id(row: Row) -> str:
    """A pair's name in this layout."""
    return f"video{row['pair_id']}"


def _data(job: ExportJob, rows: Sequence[Row], categories: dict[str, int]) -> dict[str, Any]:
    videos = [
        {
            "id": number,
            "video_id": video_id(row),
            "category": categories[row["final_category"]],
            "url": row["uri"],  # CLIP4Clip takes what follows "?v=", else all, as the video that clips were cut from
            "start time": 0.0,
            "end time": round(row["frames"] / row["fps"], 3) if row["frames"] and row["fps"] else 0.0,
            "split": SPLIT_NAMES[row["split"]],
        }
        for number, row in enumerate(rows)
    ]
    sentences = [
        {"sen_id": number, "video_id": video_id(row), "caption": row["caption"]} for number, row in enumerate(rows)
    ]
    names = ", ".join(job.names) or job.release.hash
    facts = {"description": f"release {names} in the layout of MSR-VTT", "version": job.release.hash}
    return {"info": facts, "videos": videos, "sentences": sentences}


def _test_csv(rows: Sequence[Row]) -> str:
    lines = ([f"ret{n}", f"msr{row['pair_id']}", video_id(row), row["caption"]] for n, row in enumerate(rows))
    return _csv(["key", "vid_key", "video_id", "sentence"], lines)


def _csv(header: list[str], lines: Iterable[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _write_clip(job: ExportJob, row: Row, file: BinaryIO) -> None:
    file.write(job.clip(row))


def _write_silence(file: BinaryIO) -> None:
    file.write(_silence())


@cache
def _silence() -> bytes:
    """A silent mono mp3."""
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3", options={"fflags": "+bitexact", "write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        samples = np.zeros((1, int(SILENCE_S * SAMPLE_RATE)), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return buffer.getvalue()
