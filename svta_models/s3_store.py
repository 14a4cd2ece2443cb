"""The store below `s3://bucket/prefix`, through obstore."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from svta_models.errors import SvtaError
from svta_models.media_store import (
    HASHED_AT_ONCE,
    MissingObject,
    StoredObject,
    StoreError,
    checked,
    checked_prefix,
    sha256_hex,
)
from svta_models.s3_client import LARGE, endpoint_of, is_refusal, make_client, persist, reason, tells_why

T = TypeVar("T")


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

        checked(key)
        try:
            create = partial(obstore.put, path=key, file=data, mode="create")
            write = partial(self._ask, "writing", key, create, len(data) > LARGE)
            persist(write) if self._answered else write()
        except AlreadyExistsError:
            return sha256_hex(self.get(key))
        return sha256_hex(data)

    def put(self, key: str, data: bytes) -> None:
        import obstore

        checked(key)
        self._ask("writing", key, lambda client: obstore.put(client, key, data))

    def get(self, key: str) -> bytes:
        import obstore

        checked(key)
        return self._ask("reading", key, lambda client: bytes(obstore.get(client, key).bytes()))

    def sha256(self, key: str) -> str:
        import obstore

        checked(key)
        size, whole = self._ask("reading", key, lambda client: _small(obstore.get(client, key)))
        if whole is not None:
            return sha256_hex(whole)
        digest = hashlib.sha256()
        for start in range(0, size, HASHED_AT_ONCE):  # each piece is asked for again when its connection breaks
            piece = partial(obstore.get_range, path=key, start=start, end=min(start + HASHED_AT_ONCE, size))
            digest.update(bytes(self._ask("reading", key, piece)))
        return digest.hexdigest()

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except MissingObject:
            return False
        return True

    def size(self, key: str) -> int:
        import obstore

        checked(key)
        return self._ask("reading", key, lambda client: int(obstore.head(client, key)["size"]))

    def list(self, prefix: str) -> list[StoredObject]:
        import obstore

        folder = checked_prefix(prefix) or None
        found = self._ask("listing", prefix or "everything", lambda client: [
            StoredObject(item["path"], int(item["size"]), item["last_modified"].timestamp())
            for page in obstore.list(client, folder)
            for item in page
        ])  # fmt: skip
        return sorted(found, key=lambda item: item.key)

    def delete(self, keys: Iterable[str]) -> None:
        import obstore

        for key in keys:
            checked(key)
            with suppress(MissingObject):
                self._ask("deleting", key, partial(obstore.delete, paths=key))

    def move(self, key: str, to: str) -> None:
        checked(to)
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


def _small(answer: Any) -> tuple[int, bytes | None]:
    """Size of an object, and its bytes unless they are more than should be held at once."""
    size = int(answer.meta["size"])
    return size, bytes(answer.bytes()) if size <= HASHED_AT_ONCE else None
