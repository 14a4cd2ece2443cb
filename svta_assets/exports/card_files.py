"""The files of `svta card`, each there whole or not at all."""

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from svta_assets.exports.card import Card
from svta_assets.exports.croissant import COLUMNS, PAIRS, PAPER_URL, croissant
from svta_assets.exports.files import CARD_FILES, ExportError
from svta_models.media_store import sha256_hex
from svta_models.release import release_log

CARD, TABLE, CROISSANT = "DATASET_CARD.md", "table1.md", "croissant.json"
assert {CARD, TABLE, CROISSANT, PAIRS} == CARD_FILES


def write_card(card: Card, folder: Path, url: str = PAPER_URL) -> list[Path]:
    """Write card, Table 1, the release's pairs and Croissant metadata; earlier ones of these names are replaced."""
    job = card.job
    buffer = io.BytesIO()
    job.rows.select(COLUMNS).write_parquet(buffer)
    pairs = buffer.getvalue()
    entries = [entry.time_ns for entry in release_log(job.release.store) if entry.hash == job.release.hash]
    published = datetime.fromtimestamp(min(entries) / 1e9, UTC).date().isoformat()
    metadata = croissant(card, sha256_hex(pairs), len(pairs), published, url)
    contents = {
        CARD: card.text.encode(),
        TABLE: (card.table + "\n").encode(),
        PAIRS: pairs,
        CROISSANT: (json.dumps(metadata, indent=1, ensure_ascii=False) + "\n").encode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / name, data) for name, data in contents.items()]
    except OSError as error:
        raise ExportError(
            f"{folder} cannot be written ({error.strerror or error}): free some space, or name another with --to"
        ) from error


def _write(path: Path, data: bytes) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
