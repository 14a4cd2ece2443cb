"""A folder of files that is complete or plainly unfinished, and that a rerun carries on.

    .svta-export.jsonl   while it is written: what the export is, then one line a finished file
    checksums.sha256     once all files are there: `sha256sum -c checksums.sha256` checks them
    manifest.json        the last file: an export without it is not finished

A file is written under a name of its own, flushed, and then renamed: what has its right name is whole.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from svta_models.clip_files import file_sha256
from svta_models.errors import SvtaError

JOURNAL, CHECKSUMS, MANIFEST = ".svta-export.jsonl", "checksums.sha256", "manifest.json"
PART_SUFFIX = ".svta-part"
CARD_FILES = frozenset({"DATASET_CARD.md", "table1.md", "croissant.json", "pairs.parquet"})  # `svta card` may add them
Say = Callable[[str], None]


class ExportError(SvtaError):
    """The folder cannot take this export: another one's, not empty, not writable."""


@dataclass(frozen=True)
class PlannedFile:
    """A file of the export: its path below the folder, with forward slashes, and how to write its bytes."""

    path: str
    write: Callable[[BinaryIO], None]

    @classmethod
    def of_text(cls, path: str, text: str) -> "PlannedFile":
        """A small file of known text."""

        def write(file: BinaryIO) -> None:
            file.write(text.encode())

        return cls(path, write)


@dataclass(frozen=True)
class Written:
    """What an export did: files it wrote now, files that were there and whole, and bytes of all of them."""

    folder: Path
    made: int
    kept: int
    total_bytes: int


def write_files(
    folder: Path,
    identity: Mapping[str, Any],
    files: Sequence[PlannedFile],
    manifest: Mapping[str, Any],
    say: Say | None = None,
) -> Written:
    """Bring the folder to exactly these files; what an earlier run finished is checked by its hash and kept.

    Args:
        identity: what the export is; a folder that holds another one is refused. manifest: written last, with it.

    Raises ExportError for a folder that is somebody else's, and whatever `write` of a file raises; then the files
    finished so far stay, and no manifest says that the export is whole.
    """
    _check_folder(folder, identity, {file.path for file in files})
    made, kept, hashes = 0, 0, {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _journal(folder, identity) as (journal, finished):
            (folder / MANIFEST).unlink(missing_ok=True)  # not whole while something is written
            for number, file in enumerate(files, start=1):
                known = finished.get(file.path)
                if known and _is_whole(folder / file.path, known):
                    hashes[file.path], kept = known, kept + 1
                else:
                    hashes[file.path], made = _write(folder / file.path, file), made + 1
                journal.write(json.dumps({"path": file.path, "sha256": hashes[file.path]}) + "\n")
                journal.flush()
                if say:
                    say(f"{number}/{len(files)} files")
            total = sum((folder / path).stat().st_size for path in hashes)
            _finish(folder, hashes, {**identity, **manifest, "files": len(hashes), "bytes": total})
    except OSError as error:
        raise ExportError(
            f"writing {error.filename or folder} failed ({error.strerror or error}): free some space or choose another "
            "folder. What was finished is kept; run the same command again after."
        ) from error
    return Written(folder, made, kept, total)


def recorded_identity(folder: Path) -> dict[str, Any] | None:
    """What the export in a folder says it is, finished or not; None for a folder that holds none."""
    for name in (MANIFEST, JOURNAL):
        try:
            lines = (folder / name).read_text()
            found: dict[str, Any] = json.loads(lines if name == MANIFEST else lines.split("\n", 1)[0])
        except (OSError, ValueError):
            continue
        return found
    return None


def _check_folder(folder: Path, identity: Mapping[str, Any], planned: set[str]) -> None:
    """Refuse a folder with anything in it that is not of this export."""
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file: name a folder with --to")
    there = _present(folder)
    if not there:
        return
    found = recorded_identity(folder)
    if found is None:
        raise ExportError(f"{folder} is not empty and holds no export ({there[0]}): choose an empty folder with --to")
    if differs := [name for name, value in identity.items() if found.get(name) != value]:
        said = ", ".join(f"{name} {found.get(name)!r} instead of {identity[name]!r}" for name in differs)
        raise ExportError(f"{folder} holds another export ({said}): choose another folder with --to, or remove it")
    foreign = [name for name in there if name not in planned and not name.endswith(PART_SUFFIX)]
    if foreign:
        raise ExportError(f"{folder} holds {foreign[0]}, which is not part of this export: move it away and run again")


def _present(folder: Path) -> list[str]:
    """Files below a folder but for the export's own notes, sorted."""
    own = {JOURNAL, CHECKSUMS, MANIFEST, *CARD_FILES}
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if name not in own)


@contextmanager
def _journal(folder: Path, identity: Mapping[str, Any]) -> Iterator[tuple[IO[str], dict[str, str]]]:
    """The open journal, and what earlier runs finished: path -> sha256. One process at a time has it."""
    with open(folder / JOURNAL, "a+") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExportError(f"another process is writing {folder}: wait for it, or stop it first") from error
        for part in folder.rglob(f"*{PART_SUFFIX}"):
            part.unlink(missing_ok=True)
        journal.seek(0)
        finished = _read_checksums(folder) | _read_journal(journal.read())
        journal.seek(0)
        journal.truncate()
        journal.write(json.dumps(dict(identity)) + "\n")
        journal.writelines(json.dumps({"path": path, "sha256": sha}) + "\n" for path, sha in finished.items())
        journal.flush()
        yield journal, finished


def _read_journal(text: str) -> dict[str, str]:
    """Finished files; a last line that was cut off is none."""
    finished = {}
    for line in text.splitlines()[1:]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        finished[row["path"]] = row["sha256"]
    return finished


def _read_checksums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / CHECKSUMS).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {path: sha for sha, _, path in (line.partition("  ") for line in lines)}


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


class _Hashing:
    """A file that is only written to from front to back, hashed on the way (what tar and Parquet writers need)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.closed = file, hashlib.sha256(), False

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Left open: the export flushes it to the disk itself."""


def _write(path: Path, planned: PlannedFile) -> str:
    """Write one file whole and return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with open(part, "wb") as file:
            hashing = _Hashing(file)
            planned.write(hashing)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return hashing.digest.hexdigest()


def _finish(folder: Path, hashes: Mapping[str, str], manifest: Mapping[str, Any]) -> None:
    lines = "".join(f"{sha}  {path}\n" for path, sha in sorted(hashes.items()))
    _write(folder / CHECKSUMS, PlannedFile.of_text(CHECKSUMS, lines))
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    _write(folder / MANIFEST, PlannedFile.of_text(MANIFEST, text))
    (folder / JOURNAL).unlink()
