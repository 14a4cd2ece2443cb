"""One kept HTTP/1.1 connection to a plain `http://` server, for the openai client: a third less time a request.

httpx2's own transport is built for pools, HTTP/2 and streaming; a batch needs one request after another over one
connection, read whole. TLS, proxies and machines without httptools (it comes with Dagster's web server) stay with
httpx2's transport: see `mounts`.
"""

import asyncio
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast
from urllib.request import getproxies

import httpx2

if TYPE_CHECKING:
    import httptools


def mounts(base_url: str) -> dict[str, httpx2.AsyncBaseTransport | None]:
    """What the client of one connection should send through instead of its own transport; empty for nothing."""
    if not base_url.startswith("http://") or getproxies().keys() & {"http", "all"} or find_spec("httptools") is None:
        return {}
    return {"http://": PlainHttp()}


class PlainHttp(httpx2.AsyncBaseTransport):
    """Sends one request at a time; belongs to one event loop.

    The connect timeout is kept here; the time of a whole reply is the caller's to limit: one that is cancelled closes
    the connection, as its reply may still come.
    """

    def __init__(self) -> None:
        self._wire: _Wire | None = None
        self._origin: tuple[str, int] | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send and read the reply whole. Raises httpx2's own errors."""
        body = await request.aread()
        wire = await self._connected(request)
        try:
            reply = await wire.ask(_head(request) + body)
        except BaseException as error:
            await self.aclose()
            if isinstance(error, _Broken):
                raise httpx2.RemoteProtocolError(str(error), request=request) from error
            raise
        if not reply.keep:
            await self.aclose()
        return httpx2.Response(reply.status, headers=reply.headers, content=bytes(reply.body), request=request)

    async def aclose(self) -> None:
        """Close the connection; another request opens one again."""
        if self._wire is not None and self._wire.transport is not None:
            self._wire.transport.abort()
        self._wire = None

    async def _connected(self, request: httpx2.Request) -> "_Wire":
        origin = request.url.host, request.url.port or 80
        if self._wire is not None and not self._wire.closed and self._origin == origin:
            return self._wire
        await self.aclose()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                _, self._wire = await loop.create_connection(partial(_Wire, loop), *origin)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("no connection in time", request=request) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        self._origin = origin
        return self._wire


class _Broken(Exception):
    """The reply ended early or was no HTTP."""


class _Reply:
    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.keep = True
        self.begun = False  # its headers are whole

    def ends_with_the_connection(self) -> bool:
        """A reply that says neither how long it is nor that it comes in chunks (RFC 9112 6.3)."""
        names = {name.lower() for name, _ in self.headers}
        return self.begun and not names & {b"content-length", b"transfer-encoding"}


class _Wire(asyncio.Protocol):
    """The connection. httptools calls the `on_` methods as it reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._waiting: asyncio.Future[_Reply] | None = None
        self._reply = _Reply()
        self._parser: httptools.HttpResponseParser | None = None

    async def ask(self, raw: bytes) -> _Reply:
        """Send a request and wait for its whole reply. Raises _Broken."""
        import httptools

        if self.transport is None or self.closed:
            raise _Broken("the server closed the connection")
        self._reply, self._parser = _Reply(), httptools.HttpResponseParser(self)
        self._waiting = self._loop.create_future()
        self.transport.write(raw)
        return await self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._reply.ends_with_the_connection() and error is None:
            self._finish()
        else:
            self._fail(_Broken(str(error) if error else "the server closed the connection before its reply was whole"))

    def data_received(self, data: bytes) -> None:
        import httptools

        if self._parser is None or self._waiting is None or self._waiting.done():
            self.closed = True  # nobody asked for this
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(_Broken(f"no HTTP reply ({error})"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._reply.status = self._parser.get_status_code()
        self._reply.keep = self._parser.should_keep_alive()
        self._reply.begun = True

    def on_body(self, body: bytes) -> None:
        self._reply.body += body

    def on_message_complete(self) -> None:
        if self._reply.status < 200:  # 100 Continue and its like: the reply is still to come
            self._reply = _Reply()
        else:
            self._finish()

    def _finish(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._reply)

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"
