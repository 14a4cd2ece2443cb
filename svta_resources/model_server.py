"""Requests to one model server over one kept connection: within its limits, and again where a failure passes."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from svta_resources.chat_limits import RateLimits
from svta_resources.chat_retry import LONGEST_ASKED_S, SLOW_DOWN, Backoff, asked_pause, passes
from svta_resources.llm_settings import Traffic

if TYPE_CHECKING:
    import ssl

    import httpx2
    import openai

CONNECT_S = 10.0  # a server that is there takes a connection faster than this, however busy it is
KEPT_S = 60.0  # an idle connection is closed after this

T = TypeVar("T")


class Stopped(Exception):
    """The batch ends early: this question was not sent again."""


class Server(Protocol):
    """Where and how to ask; a ChatModel is one."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def traffic(self) -> Traffic: ...
    @property
    def backoff(self) -> Backoff: ...
    @property
    def limits(self) -> RateLimits: ...
    def open_transport(self) -> "httpx2.AsyncBaseTransport | None":
        """What one connection sends through instead of the network; None for the network."""

    def explain(self, error: "openai.OpenAIError") -> Exception:
        """Say what a user can do about an error of the client."""

    def too_long_a_pause(self, seconds: float) -> Exception:
        """Say that the server asked for a pause that nobody should wait out."""


class Shared:
    """What the connections of one batch share; belongs to one event loop."""

    def __init__(self, server: Server) -> None:
        import httpx2

        self.server = server
        self.stopping = asyncio.Event()
        self.tls: ssl.SSLContext = httpx2.create_ssl_context()  # takes tens of milliseconds to make

    def stop(self) -> None:
        """Send nothing more; what is on its way may still arrive, what waits raises Stopped."""
        self.stopping.set()


@dataclass(frozen=True)
class Reply:
    """`estimate` is the tokens it was admitted with."""

    text: str
    seconds: float
    estimate: float


class Connection:
    """Sends one request after another. Use it as `async with`.

    A connection each, because a pool that many share looks through all its connections at every request.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared, self._server = shared, shared.server
        self._client = _open_client(shared)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.close()

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        tokens: float,
        final: "Callable[[openai.OpenAIError], Exception | None]" = lambda error: None,
    ) -> Reply:
        """Send until a reply comes.

        Args:
            path: below the base URL. tokens: about how many it will cost, answer included.
            final: the exception to raise for an error at once, None where the ordinary rules decide.
        Raises:
            what the server's `explain` makes of an error that does not pass, Stopped.
        """
        import openai

        attempt = 0
        while True:
            try:
                return await self._send(path, body, tokens)
            except openai.OpenAIError as error:
                # `from None`: the client's error holds the request, and some servers repeat the key in a message
                if (at_once := final(error)) is not None:
                    raise at_once from None
                if not passes(error) or attempt == self._server.traffic.retries:
                    raise self._server.explain(error) from None
                await self._wait_after(error, attempt)
                attempt += 1

    async def _send(self, path: str, body: Mapping[str, Any], tokens: float) -> Reply:
        """Send once.

        The client's own `post` keeps its keys, headers and errors but builds no object of the reply: that takes four
        fifths of the time of a call, and malformed replies must be read anyway.
        """
        import httpx2
        import openai

        await self._server.limits.admit(tokens, self._pause)
        if self._shared.stopping.is_set():
            raise Stopped
        began = perf_counter()
        try:
            # the client's timeout restarts with every byte that drips in, this one does not
            async with asyncio.timeout(self._server.traffic.timeout_s):
                response = await self._client.post(path, body=body, cast_to=httpx2.Response)
        except TimeoutError:
            raise openai.APITimeoutError(httpx2.Request("POST", self._server.base_url)) from None
        text = response.content.decode("utf-8", errors="replace")  # JSON is UTF-8, whatever the headers say
        return Reply(text, perf_counter() - began, tokens)

    async def _wait_after(self, error: "openai.OpenAIError", attempt: int) -> None:
        import openai

        pause, asked = self._server.backoff.pause(attempt), asked_pause(error)
        if asked is not None and asked > LONGEST_ASKED_S:
            raise self._server.too_long_a_pause(asked)
        if asked is None:
            await self._pause(pause)
        elif isinstance(error, openai.APIStatusError) and error.status_code in SLOW_DOWN:
            self._server.limits.hold(asked)  # for everybody; `admit` waits it out
            await self._pause(asked + min(pause, 1.0) * 0.1)  # a little apart, so that not all come back at once
        else:
            await self._pause(asked)

    async def _pause(self, seconds: float) -> None:
        """Sleep; raises Stopped as soon as the batch ends early."""
        try:
            async with asyncio.timeout(seconds):
                await self._shared.stopping.wait()
        except TimeoutError:
            return
        raise Stopped


def run_to_end(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine from ordinary code, in this thread unless an event loop already runs in it (a notebook).

    The runner gets its own loop factory so that it leaves the thread's current loop, if any, as it is.
    """

    def run() -> T:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(make())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1, thread_name_prefix="svta-ask") as pool:
        return pool.submit(run).result()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop comes with Dagster's web server where it runs at all (not on Windows): a tenth less time a request."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _open_client(shared: Shared) -> "openai.AsyncOpenAI":
    import httpx2
    import openai

    from svta_resources.plain_http import mounts

    server, transport = shared.server, shared.server.open_transport()
    timeout = httpx2.Timeout(server.traffic.timeout_s, connect=min(CONNECT_S, server.traffic.timeout_s))
    if transport is None:
        one = httpx2.Limits(max_connections=1, keepalive_expiry=KEPT_S)
        fast = mounts(server.base_url)
        network = openai.DefaultAsyncHttpx2Client(limits=one, timeout=timeout, verify=shared.tls, mounts=fast)
    else:
        network = httpx2.AsyncClient(transport=transport, timeout=timeout)
    return openai.AsyncOpenAI(
        base_url=server.base_url, api_key=server.api_key, http_client=network, timeout=timeout, max_retries=0
    )
