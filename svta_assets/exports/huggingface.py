"""A folder that `datasets.load_dataset(folder)` loads, with a `video` column that it knows to be one.

    README.md                             YAML front matter (splits, features, terms) and how to load it
    data/train-00000-of-00003.parquet     the mp4s themselves beside their captions

Parquet with the clips inside, not 41,315 loose files: a hub takes 10,000 files a folder, and a rerun repeats one shard
at most. The split `val` is called `validation`, as that library expects.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO

from svta_assets.exports.files import PlannedFile
from svta_assets.exports.job import TEXTS, ExportJob, Row, chunks

SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}
COLUMNS = ("pair_id", "clip_id", *TEXTS)
GROUP_CLIPS = 50  # clips of a row group: what a reader holds at once
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def plan(job: ExportJob, shard_clips: int, terms: Sequence[str]) -> list[PlannedFile]:
    """Parquet shards of `shard_clips` clips and the README; `terms`: lines on licences."""
    files = [PlannedFile.of_text("README.md", _readme(job, terms))]
    for split, part in job.splits.items():
        runs = chunks(part, shard_clips)
        for number, rows in enumerate(runs):
            name = f"data/{SPLIT_NAMES[split]}-{number:05d}-of-{len(runs):05d}.parquet"
            files.append(PlannedFile(name, partial(_write_shard, job, rows)))
    return files


def manifest(job: ExportJob) -> dict[str, Any]:
    """What the splits are called there."""
    return {"splits": {split: SPLIT_NAMES[split] for split in job.splits}}


def _write_shard(job: ExportJob, rows: Sequence[Row], file: BinaryIO) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    texts = [pa.field(name, pa.string()) for name in COLUMNS]
    video = pa.field("video", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    features = {name: {"dtype": "string", "_type": "Value"} for name in COLUMNS} | {"video": {"_type": "Video"}}
    schema = pa.schema([*texts, video], {"huggingface": json.dumps({"info": {"features": features}})})
    with pq.ParquetWriter(file, schema, compression="none", write_statistics=False) as writer:  # an mp4 is compressed
        group: list[Row] = []
        for row, mp4 in job.clips(rows):
            facts = {name: row[name] for name in COLUMNS}
            group.append(facts | {"video": {"bytes": mp4, "path": f"{row['pair_id']}.mp4"}})
            if len(group) == GROUP_CLIPS:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group = []
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema))


def _readme(job: ExportJob, terms: Sequence[str]) -> str:
    import yaml

    pairs = job.rows.height
    front = {
        "pretty_name": "Synthetic video-text anomaly dataset",
        "license": "other",
        "language": ["en"],
        "task_categories": ["text-to-video", "video-classification"],
        "tags": ["synthetic", "video", "video-text-retrieval", "anomaly"],
        "size_categories": [next((name for limit, name in _SIZES if pairs < limit), "1M<n<10M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": SPLIT_NAMES[split], "path": f"data/{SPLIT_NAMES[split]}-*.parquet"}
                    for split in job.splits
                ],
            }
        ],
    }
    name = job.names[0] if job.names else job.release.hash
    counts = "\n".join(f"| {SPLIT_NAMES[split]} | {len(part):,} |" for split, part in job.splits.items())
    return (
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# Release {name}\n\n"
        f"{pairs:,} captions, each with its clip. Release hash `{job.release.hash}`.\n\n"
        f"| split | pairs |\n|---|---|\n{counts}\n\n"
        "```python\nfrom datasets import Video, load_dataset\n\n"
        'data = load_dataset("path/to/this/folder", split="train")\n'
        'data[0]["video"]                                     # frames, with torchcodec installed\n'
        'data.cast_column("video", Video(decode=False))[0]    # the mp4\'s bytes, without\n```\n\n'
        "`category` is what the clip was generated under, `final_category` the category it belongs to, `kind` normal "
        "or anomaly, `generator` what made the clip.\n\n## Terms\n\n" + "\n".join(f"- {line}" for line in terms) + "\n"
    )
