"""Reading back what `svta export` writes: a dataset made by SVTA, in any of its three layouts.

The files of the dataset that the SVTA paper's authors offer are described nowhere that its paper or repository could be
read; a copy of it is read as a folder with a table, or in the layout of MSR-VTT, for which the paper's models ask.
"""

import json
import tarfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from svta_assets.exports import huggingface, msrvtt
from svta_assets.exports.files import recorded_identity
from svta_assets.exports.records import Record, UnreadableDataset


def read_svta(folder: Path) -> list[Record]:
    """Records of a folder in one of our layouts, told apart by its files. Raises UnreadableDataset."""
    said = recorded_identity(folder) if folder.is_dir() else None
    if said is not None and "files" not in said:
        raise UnreadableDataset(f"{folder} holds an unfinished export: run its `svta export` again first")
    if (folder / msrvtt.DATA).is_file():
        return _msrvtt(folder)
    if shards := sorted((folder / "data").glob("*.parquet")):
        return [record for shard in shards for record in _parquet(shard)]
    if shards := sorted(folder.glob("*.tar")):
        return [record for shard in shards for record in _tar(shard)]
    raise UnreadableDataset(
        f"{folder} holds none of {msrvtt.DATA}, data/*.parquet and *.tar: use `svta import folder` with a table of "
        "file, caption, category and split"
    )


def _msrvtt(folder: Path) -> list[Record]:
    """MSRVTT_data.json with MSRVTT_Videos/: each sentence is a pair. Test pairs may stand in the test CSV alone."""
    data = _json(folder / msrvtt.DATA)
    names = _category_names(folder / "category.txt")
    videos = {video["video_id"]: video for video in data.get("videos", [])}
    records = []
    seen: dict[str, int] = {}
    for number, sentence in enumerate(data.get("sentences", []), start=1):
        name = str(sentence["video_id"])
        video = videos.get(name, {})
        path = folder / msrvtt.VIDEOS / f"{Path(name).name}.mp4"
        repeat = seen[name] = seen.get(name, -1) + 1
        category = str(video.get("category", ""))
        records.append(
            Record(
                place=f"{msrvtt.DATA}, sentence {number}",
                key=f"{name}#{repeat}" if repeat else name,
                caption=str(sentence.get("caption", "")),
                category=names.get(category, category),
                split=str(video.get("split", "")),
                load=path.read_bytes,
            )
        )
    return records


def _category_names(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {number.strip(): name.strip() for name, tab, number in (line.rpartition("\t") for line in lines) if tab}


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableDataset(f"{path} cannot be read ({error}): export it again") from error
    if not isinstance(loaded, dict):
        raise UnreadableDataset(f"{path} is not an object with videos and sentences: export it again")
    return loaded


def _parquet(shard: Path) -> list[Record]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    split = shard.name.split("-")[0]
    records: list[Record] = []
    try:
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=list(huggingface.COLUMNS)).to_pylist()
                for number, row in enumerate(rows):
                    place = f"{shard.name}, row {len(records) + 1}"
                    records.append(_of_facts(place, row, split, partial(_video, shard, group, number)))
    except (OSError, pa.ArrowException) as error:
        raise UnreadableDataset(f"{shard} cannot be read ({error}): export it again") from error
    return records


def _video(shard: Path, group: int, row: int) -> bytes:
    return _videos(shard, group)[row]


@lru_cache(maxsize=4)
def _videos(shard: Path, group: int) -> list[bytes]:
    """Clips of a row group: read in order, each group is read once or twice."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(shard) as file:
            return [row["video"]["bytes"] for row in file.read_row_group(group, columns=["video"]).to_pylist()]
    except pa.ArrowException as error:
        raise OSError(f"{shard.name} is damaged: {error}") from error


def _tar(shard: Path) -> list[Record]:
    """A WebDataset shard: the clips stay in it and are read from their place."""
    split = shard.name.split("-")[0]
    facts: dict[str, dict[str, Any]] = {}
    places: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                name, _, suffix = member.name.partition(".")
                if suffix == "mp4":
                    places[name] = (member.offset_data, member.size)
                elif suffix == "json" and (file := tar.extractfile(member)):
                    facts[name] = json.load(file)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise UnreadableDataset(f"{shard} cannot be read ({error}): export it again") from error
    return [
        _of_facts(f"{shard.name}, {name}", {**row, "pair_id": name}, split, partial(_member, shard, places.get(name)))
        for name, row in facts.items()
    ]


def _member(shard: Path, place: tuple[int, int] | None) -> bytes:
    if place is None:
        raise FileNotFoundError(f"{shard.name} has the facts of this pair but no mp4")
    with open(shard, "rb") as file:
        file.seek(place[0])
        return file.read(place[1])


def _of_facts(place: str, row: dict[str, Any], split: str, load: Callable[[], bytes]) -> Record:
    final = row.get("final_category") or ""
    return Record(
        place=place,
        key=str(row["pair_id"]),
        caption=row.get("caption") or "",
        category=final or row.get("category") or "",
        split=row.get("split") or split,
        load=load,
        kind=row.get("kind") or "",
        group=row.get("group") or "",
        generation=row.get("category") or "" if final else "",
    )
