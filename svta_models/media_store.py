"""One small class for every object SVTA keeps: clips, recipe cards, segments, projections, releases.

The same calls work on a folder and on S3. Two rules make concurrent runs safe without locks:

* an immutable object is written with `put_new`: the first writer wins, a later one learns the winner's sha256;
* everything else is written under a name nobody else uses.

A folder is written with plain system calls (`os.link` is the conditional put), S3 through obstore.
"""

import errno
import hashlib
import os
import secrets
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from svta_models.errors import SvtaError

PART_SUFFIX = ".part"
HASHED_AT_ONCE = 16 * 2**20  # bytes held while an object is hashed; a checkpoint has gigabytes
FOREIGN_PART_MAX_AGE_S = 24 * 3600.0  # a partial file of another host: nobody can ask whether its writer lives


class MissingObject(KeyError):
    """No object has this key."""

    def __init__(self, key: str, url: str) -> None:
        super().__init__(key)
        self.key, self.url = key, url

    def __str__(self) -> str:
        return f"no object {self.key} in {self.url}"


class StoreError(SvtaError):
    """The folder or bucket refused a call: full, read-only, gone, or wrong credentials."""


@dataclass(frozen=True)
class StoredObject:
    """One listed object; `modified` is seconds since the epoch."""

    key: str
    size: int
    modified: float


class MediaStore(Protocol):
    """What a folder and a bucket both offer. Keys are relative, with forward slashes."""

    url: str

    def put_new(self, key: str, data: bytes) -> str:
        """Write an immutable object unless it exists; return the sha256 (hex) of the one that is there now."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object whose name the caller knows to be unique (or means to replace whole)."""

    def get(self, key: str) -> bytes:
        """Read a whole object. Raises MissingObject."""

    def sha256(self, key: str) -> str:
        """Hash an object (hex) without holding more than a piece of it. Raises MissingObject."""

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int:
        """Size in bytes. Raises MissingObject."""

    def list(self, prefix: str) -> list[StoredObject]:
        """Objects whose key starts with the folder `prefix`, sorted by key; unfinished ones are not listed."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is gone already is fine."""

    def move(self, key: str, to: str) -> None:
        """Rename an object (used to set a damaged one aside)."""

    def local_path(self, key: str) -> Path | None:
        """The real file behind a key, where there is one."""

    def sweep_partials(self, prefix: str) -> int:
        """Remove unfinished files that a dead writer left below `prefix`; return how many."""


def open_store(url: str | Path, **client_options: Any) -> MediaStore:
    """Open `s3://bucket/prefix` or a folder. Nothing is created or contacted before the first call."""
    text = str(url)
    if text.startswith("s3://"):
        from svta_models.s3_store import S3Store

        return S3Store(text, client_options)
    if "://" in text:
        raise SvtaError(f"unknown media location {text!r}: use a folder or s3://bucket/prefix (SVTA_MEDIA_URL)")
    return FolderStore(text)


def sha256_hex(data: bytes) -> str:
    """Hash bytes with sha256 (64 hex digits)."""
    return hashlib.sha256(data).hexdigest()


def checked(key: str) -> str:
    """Refuse a key that leads out of the store."""
    parts = key.split("/")
    if key.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise SvtaError(f"{key!r} is not a valid object key: keys are relative and never climb out of the store")
    return key


def checked_prefix(prefix: str) -> str:
    """A folder to list; the empty one is the whole store."""
    return checked(prefix.rstrip("/")) if prefix else ""


class FolderStore:
    """A store in a local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def __repr__(self) -> str:
        return f"FolderStore({self.url!r})"

    def put_new(self, key: str, data: bytes) -> str:
        target = self.root / checked(key)
        part = self._write_part(target, data)
        try:
            os.link(part, target)
        except FileExistsError:
            return sha256_hex(target.read_bytes())
        except OSError as error:
            raise self._explain(error, key) from None
        finally:
            part.unlink(missing_ok=True)
        return sha256_hex(data)

    def put(self, key: str, data: bytes) -> None:
        target = self.root / checked(key)
        part = self._write_part(target, data)
        try:
            os.replace(part, target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._explain(error, key) from None

    def get(self, key: str) -> bytes:
        try:
            return (self.root / checked(key)).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise MissingObject(key, self.url) from error
        except OSError as error:
            raise self._explain(error, key, doing="reading") from None

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        try:
            with open(self.root / checked(key), "rb") as file:
                while piece := file.read(HASHED_AT_ONCE):
                    digest.update(piece)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise MissingObject(key, self.url) from error
        except OSError as error:
            raise self._explain(error, key, doing="reading") from None
        return digest.hexdigest()

    def exists(self, key: str) -> bool:
        return (self.root / checked(key)).is_file()

    def size(self, key: str) -> int:
        try:
            return (self.root / checked(key)).stat().st_size
        except FileNotFoundError as error:
            raise MissingObject(key, self.url) from error

    def list(self, prefix: str) -> list[StoredObject]:
        found: list[StoredObject] = []
        folders = [self.root / checked_prefix(prefix)]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(folder))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif not entry.name.endswith(PART_SUFFIX):
                    try:
                        stat = entry.stat()
                    except FileNotFoundError:  # deleted between the listing and now
                        continue
                    key = Path(entry.path).relative_to(self.root).as_posix()
                    found.append(StoredObject(key, stat.st_size, stat.st_mtime))
        return sorted(found, key=lambda item: item.key)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                (self.root / checked(key)).unlink(missing_ok=True)
            except OSError as error:
                raise self._explain(error, key, doing="deleting") from None

    def move(self, key: str, to: str) -> None:
        source, target = self.root / checked(key), self.root / checked(to)
        if not source.is_file():
            raise MissingObject(key, self.url)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except FileNotFoundError as error:
            raise MissingObject(key, self.url) from error
        except OSError as error:
            raise self._explain(error, key, doing="moving") from None

    def local_path(self, key: str) -> Path | None:
        return self.root / checked(key)

    def sweep_partials(self, prefix: str) -> int:
        removed = 0
        for part in (self.root / prefix).rglob(f"*{PART_SUFFIX}"):
            if _writer_is_gone(part):
                part.unlink(missing_ok=True)
                removed += 1
        return removed

    def _write_part(self, target: Path, data: bytes) -> Path:
        """Write beside the target under a name that tells who writes it, flushed to the disk."""
        writer = f"{socket.gethostname()}~{os.getpid()}~{secrets.token_hex(4)}"
        part = target.with_name(f".{target.name}~{writer}{PART_SUFFIX}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):  # where the folder could not be made there is no part either
                part.unlink()
            raise self._explain(error, target.relative_to(self.root).as_posix()) from None
        return part

    def _explain(self, error: OSError, key: str, doing: str = "writing") -> StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full: free some space or set SVTA_HOME to another disk"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = "the folder is not writable: give this user write access or set SVTA_HOME to another folder"
        else:
            reason = f"{error.strerror or error}"
        return StoreError(f"{doing} {key} in {self.url} failed: {reason}. What was finished is kept; run again after.")


def _writer_is_gone(part: Path) -> bool:
    try:
        host, pid, _ = part.name.removesuffix(PART_SUFFIX).split("~")[-3:]
        if host == socket.gethostname():
            os.kill(int(pid), 0)
            return False
        return time.time() - part.stat().st_mtime > FOREIGN_PART_MAX_AGE_S
    except ProcessLookupError:
        return True
    except (ValueError, FileNotFoundError, PermissionError):
        return False
