"""WebDataset shards: tar files that a training loop reads from front to back, a clip and its facts side by side.

    train-000000.tar    <pair_id>.mp4, <pair_id>.json, <pair_id>.mp4, ...

Format as webdataset documents it: files of one sample share the name up to the first dot and follow one another.
"""

import io
import json
import tarfile
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO

from svta_assets.exports.files import PlannedFile
from svta_assets.exports.job import TEXTS, ExportJob, Row, chunks


def plan(job: ExportJob, shard_clips: int) -> list[PlannedFile]:
    """Shards of `shard_clips` clips, each split's own. Pair ids are hashes, so a shard is no run of one category."""
    return [
        PlannedFile(f"{split}-{number:06d}.tar", partial(_write_shard, job, rows))
        for split, part in job.splits.items()
        for number, rows in enumerate(chunks(part, shard_clips))
    ]


def manifest(job: ExportJob, shard_clips: int) -> dict[str, Any]:
    """The shards of each split, as `webdataset.WebDataset` takes them."""
    last = {split: len(chunks(part, shard_clips)) - 1 for split, part in job.splits.items()}
    return {"shards": {split: f"{split}-{{000000..{number:06d}}}.tar" for split, number in last.items()}}


def _write_shard(job: ExportJob, rows: Sequence[Row], file: BinaryIO) -> None:
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for row, mp4 in job.clips(rows):
            facts = {name: row[name] for name in ("pair_id", "clip_id", "split", *TEXTS)}
            text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
            for suffix, data in (("mp4", mp4), ("json", text.encode())):
                member = tarfile.TarInfo(f"{row['pair_id']}.{suffix}")  # time, user and group stay 0: equal bytes
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
