"""`raw_texts` in plain functions: read what is there, clean, flag, identify, and give each text its category."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.categories import NORMAL_SHARDS, load_categories
from svta_assets.schemas import TEXTS
from svta_assets.texts.clean import cleaned
from svta_assets.texts.flags import with_flags
from svta_assets.texts.oops_categories import Embed, assign_oops
from svta_assets.texts.readers.mapped import read_mapped
from svta_assets.texts.readers.oops import SOURCE as OOPS
from svta_assets.texts.readers.oops import read_oops
from svta_assets.texts.readers.packaged import read_packaged
from svta_assets.texts.readers.settings import SETTINGS_FILE, read_settings
from svta_assets.texts.readers.uca import read_uca
from svta_assets.texts.readers.ucfcrime_ar import read_ucfcrime_ar
from svta_assets.texts.records import Reading, Reject, SourceError, record_frame, reject_frame, text_digest
from svta_assets.texts.report import source_report
from svta_models.identity import text_id

SETTING = "SVTA_SOURCES_DIR"


@dataclass(frozen=True, slots=True)
class Collected:
    """The `texts` table's rows, the rows that gave no text (`rejects`), and what the sources look like."""

    texts: pl.DataFrame
    rejects: pl.DataFrame
    report: dict[str, Any]


def collect_texts(
    sources_dir: Path | None, embed: Embed, known_categories: Mapping[str, str] | None = None
) -> Collected:
    """Collect every text below `sources_dir`, or the packaged sentences for None.

    `embed` (N sentences -> (N, D) floats) is called only for OOPS! texts. `known_categories` (text_id -> key) are the
    categories of an earlier collection: a text keeps its own, since its clips lie under that key.
    The result is the same for any order of files and rows. Raises SourceError naming the file and the next step.
    """
    readings = read_sources(Path(sources_dir)) if sources_dir is not None else [read_packaged()]
    records = pl.concat([reading.records for reading in readings])
    texts = with_ids(records).with_columns(caption=cleaned(pl.col("raw")))
    texts, blank = _without_blank(texts)
    texts = with_flags(_with_categories(texts, embed, known_categories or {}))
    texts = texts.sort("source", "source_video", "start_s", "end_s", "text_id", nulls_last=True)
    rejects = [reject for reading in readings for reject in reading.rejects] + blank
    report = source_report(texts, rejects, readings)
    return Collected(TEXTS.frame(texts.select(list(TEXTS.schema))), reject_frame(rejects), report)


def read_sources(folder: Path) -> list[Reading]:
    """Read whatever sources the folder holds."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; set {SETTING} to the one with uca/, ucfcrime_ar/ or sources.yaml.")
    settings = read_settings(folder)
    readings = []
    if (folder / "uca").is_dir():
        readings.append(read_uca(folder / "uca"))
    if (folder / "ucfcrime_ar").is_dir():
        readings.append(read_ucfcrime_ar(folder / "ucfcrime_ar"))
    if (folder / "oops").is_dir():
        readings.append(read_oops(folder / "oops", settings.oops_caption))
    readings += [read_mapped(file) for file in settings.files]
    if not readings:
        raise SourceError(
            f"{folder} holds no source: neither uca/, ucfcrime_ar/, oops/ nor a {SETTINGS_FILE} with files. "
            f"Put one there, or unset {SETTING} to use the packaged sentences."
        )
    return [*readings, _ignored(folder, settings.files)]


def _ignored(folder: Path, mapped: tuple[Any, ...]) -> Reading:
    """Tables at the top of the folder that nothing maps: forgotten more often than meant."""
    used = {file.path for file in mapped}
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in {".csv", ".jsonl", ".json", ".xlsx"}]
    ignored = [path.name for path in tables if path not in used]
    notes = [f"{name} is not read: {SETTINGS_FILE} does not name it" for name in ignored]
    return Reading(record_frame([]), ignored=ignored, notes=notes)


def with_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Add source_key, occurrence and text_id.

    A row without an id of its own is known by its video, times and exact text; UCA has 7 exact repeats, told apart by
    their occurrence. Rows that share a key are put in the order of their remaining columns, so that files may come in
    any order.
    """
    digests = [text_digest(raw) for raw in records["raw"]]
    span = pl.format("@{}-{}", "start_s", "end_s").fill_null("")
    own = pl.concat_str("scope", span, pl.lit("#"), pl.Series("digest", digests, dtype=pl.String))
    keyed = records.with_columns(source_key=pl.coalesce("record_id", own))
    keyed = keyed.sort(
        "source",
        "source_key",
        "source_split",
        "source_video",
        "raw",
        "caption_zh",
        "category",
        "is_anomaly",
        "position",
    ).with_columns(occurrence=pl.int_range(pl.len()).over("source", "source_key"))
    columns = keyed.select("source", "source_key", "occurrence").rows()
    return keyed.with_columns(text_id=pl.Series([text_id(*row) for row in columns], dtype=pl.String))


def normal_shard(identity: str) -> str:
    """The normal category of a text: its id is a hash, so the 16 shards are even."""
    return f"normal-{int(identity, 16) % NORMAL_SHARDS:02d}"


def _with_categories(texts: pl.DataFrame, embed: Embed, known: Mapping[str, str]) -> pl.DataFrame:
    kinds = {one.key: one.is_anomaly for one in load_categories()}
    keys: list[str | None] = []
    unplaced: list[int] = []
    rows = texts.select("text_id", "is_anomaly", "category", "source").rows()
    for index, (identity, is_anomaly, key, source) in enumerate(rows):
        earlier = known.get(identity)
        if earlier is not None and kinds.get(earlier) == is_anomaly:
            key = earlier
        elif key is None and not is_anomaly:
            key = normal_shard(identity)
        elif key is None:
            assert source == OOPS, f"the reader of {source} left an anomalous text without a category"
            unplaced.append(index)
        keys.append(key)
    captions = texts["caption"].gather(unplaced).to_list()
    for index, key in zip(unplaced, assign_oops(captions, embed), strict=True):
        keys[index] = key
    return texts.with_columns(category=pl.Series(keys, dtype=pl.String))


def _without_blank(texts: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
    """Texts of nothing but marks cannot be a caption; the real sources have none."""
    blank = ~texts["caption"].str.contains(r"[\pL\pN]")
    rejects = [Reject(place, "empty", "the text has no letters") for place in texts.filter(blank)["place"]]
    return texts.filter(~blank), rejects
