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
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from svta_models.errors import SvtaError
from svta_models.s3_client import LARGE, endpoint_of, is_refusal, make_client, persist, reason, tells_why

T = TypeVar("T")

PART_SUFFIX = ".part"
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
        return S3Store(text, client_options)
    if "://" in text:
        raise SvtaError(f"unknown media location {text!r}: use a folder or s3://bucket/prefix (SVTA_MEDIA_URL)")
    return FolderStore(text)


def sha256_hex(data: bytes) -> str:
    """Hash bytes with sha256 (64 hex digits)."""
    return hashlib.sha256(data).hexdigest()


def _checked(key: str) -> str:
    parts = key.split("/")
    if key.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise SvtaError(f"{key!r} is not a valid object key: keys are relative and never climb out of the store")
    return key


def _checked_prefix(prefix: str) -> str:
    """A folder to list; the empty one is the whole store."""
    return _checked(prefix.rstrip("/")) if prefix else ""


class FolderStore:
    """A store in a local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def __repr__(self) -> str:
        return f"FolderStore({self.url!r})"

    def put_new(self, key: str, data: bytes) -> str:
        target = self.root / _checked(key)
        part = self._write_part(target, data)
        try:
            os.link(part, target)
        except FileExistsError:
            return sha256_hex(target.read_bytes())
        except OSError as error:
            raise self._explain(error, key) from error
        finally:
            part.unlink(missing_ok=True)
        return sha256_hex(data)

    def put(self, key: str, data: bytes) -> None:
        target = self.root / _checked(key)
        part = self._write_part(target, data)
        try:
            os.replace(part, target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._explain(error, key) from error

    def get(self, key: str) -> bytes:
        try:
            return (self.root / _checked(key)).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise MissingObject(key, self.url) from error
        except OSError as error:
            raise self._explain(error, key, doing="reading") from error

    def exists(self, key: str) -> bool:
        return (self.root / _checked(key)).is_file()

    def size(self, key: str) -> int:
        try:
            return (self.root / _checked(key)).stat().st_size
        except FileNotFoundError as error:
            raise MissingObject(key, self.url) from error

    def list(self, prefix: str) -> list[StoredObject]:
        found: list[StoredObject] = []
        folders = [self.root / _checked_prefix(prefix)]
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
                (self.root / _checked(key)).unlink(missing_ok=True)
            except OSError as error:
                raise self._explain(error, key, doing="deleting") from error

    def move(self, key: str, to: str) -> None:
        source, target = self.root / _checked(key), self.root / _checked(to)
        if not source.is_file():
            raise MissingObject(key, self.url)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except FileNotFoundError as error:
            raise MissingObject(key, self.url) from error
        except OSError as error:
            raise self._explain(error, key, doing="moving") from error

    def local_path(self, key: str) -> Path | None:
        return self.root / _checked(key)

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
            raise self._explain(error, target.relative_to(self.root).as_posix()) from error
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


class S3Store:
    """A store below `s3://bucket/prefix`; credentials and endpoint come from the standard AWS_* variables.

    `client_options` go to obstore's S3Store (endpoint, access_key_id, ...). A client is made at the first call
    and never pickled, so a store can be sent to a spawned worker. Until a server has answered once it is given up
    after seconds, later only after SVTA_S3_PATIENCE_S: a wrong address is told at once, a restart is waited for.

    An object is there whole or not at all: `put` of a large one is a multipart upload, which shows nothing before its
    end; `put_new` is a single conditional request (S3 allows 5 GB).
    """

    def __init__(self, url: str, client_options: dict[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.bucket = self.url.removeprefix("s3://").partition("/")[0]
        self._options = dict(client_options or {})
        self._clients: dict[tuple[bool, bool], Any] = {}
        self._answered = False

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clients": {}}

    @property
    def client(self) -> Any:
        """The obstore client, made once per process."""
        return self._client()

    def put_new(self, key: str, data: bytes) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        _checked(key)
        try:
            create = partial(obstore.put, path=key, file=data, mode="create")
            write = partial(self._ask, "writing", key, create, len(data) > LARGE)
            persist(write) if self._answered else write()
        except AlreadyExistsError:
            return sha256_hex(self.get(key))
        return sha256_hex(data)

    def put(self, key: str, data: bytes) -> None:
        import obstore

        _checked(key)
        self._ask("writing", key, lambda client: obstore.put(client, key, data))

    def get(self, key: str) -> bytes:
        import obstore

        _checked(key)
        return self._ask("reading", key, lambda client: bytes(obstore.get(client, key).bytes()))

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except MissingObject:
            return False
        return True

    def size(self, key: str) -> int:
        import obstore

        _checked(key)
        return self._ask("reading", key, lambda client: int(obstore.head(client, key)["size"]))

    def list(self, prefix: str) -> list[StoredObject]:
        import obstore

        folder = _checked_prefix(prefix) or None
        found = self._ask("listing", prefix or "everything", lambda client: [
            StoredObject(item["path"], int(item["size"]), item["last_modified"].timestamp())
            for page in obstore.list(client, folder)
            for item in page
        ])  # fmt: skip
        return sorted(found, key=lambda item: item.key)

    def delete(self, keys: Iterable[str]) -> None:
        import obstore

        for key in keys:
            _checked(key)
            with suppress(MissingObject):
                self._ask("deleting", key, partial(obstore.delete, paths=key))

    def move(self, key: str, to: str) -> None:
        _checked(to)
        self.put(to, self.get(key))
        self.delete([key])

    def local_path(self, key: str) -> Path | None:
        return None

    def sweep_partials(self, prefix: str) -> int:
        return 0  # S3 shows an object only when it is whole

    def _client(self, large: bool = False) -> Any:
        wanted = (self._answered, large)
        if wanted not in self._clients:
            self._clients[wanted] = make_client(self.url, self._options, patient=self._answered, large=large)
        return self._clients[wanted]

    def _ask(self, doing: str, key: str, call: Callable[[Any], T], large: bool = False) -> T:
        """Make a call; a refusal becomes a StoreError, an absent object MissingObject."""
        from obstore.exceptions import AlreadyExistsError

        try:
            answer = call(self._client(large))
        except AlreadyExistsError:
            raise
        except FileNotFoundError as error:
            self._check_bucket(doing, key)
            raise MissingObject(key, self.url) from error
        except SvtaError:
            raise
        except Exception as error:
            if is_refusal(error):
                self._check_bucket(doing, key)
            raise self._explain(error, key, doing) from error
        self._answered = True
        return answer

    def _check_bucket(self, doing: str, key: str) -> None:
        """Raise StoreError where the bucket is gone or the user unknown: a bare 404 or 403 does not tell."""
        import obstore

        try:
            next(iter(obstore.list(self.client, f"{key}/none")), None)
        except Exception as error:
            if tells_why(error):
                raise self._explain(error, key, doing) from error

    def _explain(self, error: Exception, key: str, doing: str) -> StoreError:
        why = reason(error, self.bucket, endpoint_of(self.client))
        return StoreError(f"{doing} {key} in {self.url} failed: {why}. What was finished is kept; run again after.")
