"""Joining a Ray cluster that runs already. Nothing here starts one: a missing cluster is an error, within seconds."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from svta_resources.video.pool import PoolError

ADDRESS_VARIABLE = "SVTA_RAY_ADDRESS"
REACH_S = 5.0
LOOK_EVERY_S = 5.0
# Ray ends a process whose head is gone for 60 s, without a word that Dagster could keep; leaving takes up to 11 s
HEAD_LOST_S = 25.0
CLIENT = "ray://"
_HOW = (
    f"Set {ADDRESS_VARIABLE} to host:port of the head (`ray start --head --port=6379` says it), to ray://host:10001 "
    "on a machine that is no node of the cluster, or to auto inside of a job of the cluster."
)
# what a worker's generator and store read; credentials are never among them: Ray would keep and show them
SETTINGS = (
    "SVTA_WAN_DIR", "SVTA_WAN_ATTENTION", "SVTA_WAN_COMPILE", "SVTA_S3_PATIENCE_S", "SVTA_GPU_WAIT_S",
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION",
)  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """Where the workers of a Ray pool come from.

    Attributes:
        address: `host:port` of the head, `ray://host:port` of its client server, or `auto`.
        device: "cuda" (a GPU for each worker) or "cpu".
        settings: environment variables for workers whose node sets none.
    """

    address: str
    device: str = "cpu"
    settings: Mapping[str, str] = field(default_factory=dict)


def settings_to_share(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Settings of this process that workers on other machines need; no credentials."""
    environ = os.environ if environ is None else environ
    return {name: environ[name] for name in SETTINGS if environ.get(name)}


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """Join the cluster for the time of the block and yield the module `ray`; one that is joined already stays so.

    Raises:
        PoolError: no such cluster, it does not answer, or Ray is not installed.
    """
    if find_spec("ray") is None:
        raise PoolError("A pool over Ray needs the package ray: pip install '.[ray]', on every node.")
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # read at the import: a call without a cluster must not start one
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    chosen = checked_address(address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        with _kept_signals():
            ray.init(address=chosen, logging_level=logging.WARNING, log_to_driver=False)
    except Exception as error:  # Ray raises nearly every kind: its message is what helps
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = " ".join(dict.fromkeys((lines[0], lines[-1])))  # between them may be a traceback of Ray's server
        raise PoolError(f"The Ray cluster at {chosen} cannot be joined: {said} {_HOW}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


class Head:
    """The head of the cluster that this process has joined: its loss becomes an error that says what to do.

    `lost`: it is; whatever asks it then waits until Ray ends the process.
    """

    def __init__(self, ray: Any, address: str) -> None:
        """`address` is for people. Ray's client finds out by itself that its server is lost; nobody else does."""
        self._address = address
        self._asked = "" if ray.util.client.ray.is_connected() else str(ray.get_runtime_context().gcs_address)
        self._looked = time.monotonic()
        self._silent_since: float | None = None
        self.lost = False

    def check(self) -> None:
        """Ask from time to time whether it still answers. Raises PoolError once it has not for HEAD_LOST_S."""
        now = time.monotonic()
        if not self._asked or now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        try:
            _reach(self._asked)
        except OSError as error:
            # from the first look in vain, not from the last good one: looks may be far apart
            self._silent_since = now if self._silent_since is None else self._silent_since
            silent_s = now - self._silent_since
            if silent_s >= HEAD_LOST_S:
                raise self._loss(f"nothing has answered at {self._asked} for {silent_s:.0f} s") from error
        else:
            self._silent_since = None

    @contextmanager
    def needed(self) -> Iterator[None]:
        """For a block that uses the cluster: raises PoolError in place of what Ray's client says about its server."""
        try:
            yield
        except ConnectionError as error:
            if self._asked:
                raise
            raise self._loss(str(error)) from error

    def _loss(self, why: str) -> PoolError:
        self.lost = True
        return PoolError(
            f"The head of the Ray cluster at {self._address} is lost ({why.rstrip('.')}). What is finished is kept: "
            "start the cluster again, then the run."
        )


def checked_address(address: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the address to join, after asking whether anybody listens there: Ray itself would try for minutes."""
    environ = os.environ if environ is None else environ
    given = address.strip()
    if given == "auto":
        given = environ.get("RAY_ADDRESS") or "auto"  # as Ray reads it, but never its "local", which starts a cluster
    if given == "auto":
        return given
    place = given.removeprefix(CLIENT).partition("/")[0]
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit() or "//" in host:
        raise PoolError(f"{address!r} is no address of a Ray cluster. {_HOW}")
    try:
        _reach(place)
    except OSError as error:
        raise PoolError(f"Nothing answers at {given}, where the Ray cluster should be ({error}). {_HOW}") from error
    return given


def _reach(place: str) -> None:
    """Connect to `host:port` and leave. Raises OSError."""
    host, _, port = place.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()


@contextmanager
def _kept_signals() -> Iterator[None]:
    """Put back what Ray does to SIGTERM: Dagster ends a run by it and has a handler of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            with suppress(ValueError, TypeError):
                signal.signal(signal.SIGTERM, before)
