"""Workers on other machines read and publish themselves, so each of them must see the store that the run sees.

A folder of this machine, or a bucket whose credentials a node lacks, would lose every clip made there: workers look for
an object that the run has just written, before they make anything.

The run writes it again every hour, so one that has not changed for a day is a killed run's: `svta gc` removes it.
"""

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from svta_models.media_store import MediaStore, open_store
from svta_resources.errors import SvtaError

FOLDER = "work/shared"
RENEWED_EVERY_S = 3600.0
_CONTENT = b"workers look for this object\n"


class NotShared(SvtaError):
    """A worker's machine does not see the store of the run."""


@dataclass(frozen=True)
class SharedFactory:
    """Makes a worker where the run's store can be seen; picklable when `factory` is."""

    factory: Callable[[], Any]
    store_url: str
    key: str

    def __call__(self) -> Any:
        try:
            if open_store(self.store_url).exists(self.key):
                return self.factory()
        except SvtaError as error:
            raise NotShared(f"{socket.gethostname()} cannot read the store {self.store_url}: {error}") from error
        raise NotShared(
            f"the store {self.store_url} is not the same one on {socket.gethostname()}: workers of a cluster read "
            "and publish themselves. Set SVTA_MEDIA_URL to s3://bucket/prefix, or to a folder that every node mounts"
        )


@contextmanager
def shared(factory: Callable[[], Any], store_url: str) -> Iterator[SharedFactory]:
    """For the time of the block, a factory whose workers refuse to work where the store is another one."""
    store, key = open_store(store_url), f"{FOLDER}/{secrets.token_hex(8)}"
    store.put(key, _CONTENT)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(store, key, ended), name="shared-store", daemon=True)
    renewing.start()
    try:
        yield SharedFactory(factory, store_url, key)
    finally:
        ended.set()
        renewing.join()  # or it might write the object after it was removed
        with suppress(SvtaError):
            store.delete([key])


def _renew(store: MediaStore, key: str, ended: threading.Event) -> None:
    """Keep the object young: a worker that replaces a lost one looks for it days after the run began."""
    while not ended.wait(RENEWED_EVERY_S):
        with suppress(SvtaError):
            store.put(key, _CONTENT)
