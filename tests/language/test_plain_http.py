"""The lean connection: whatever shape a reply has, it is read as httpx2's own transport reads it."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from svta_resources.plain_http import PlainHttp, mounts

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@asynccontextmanager
async def serving(serve: Serve):
    """A server that speaks bytes; gives its base URL and the list of connections it took."""
    taken: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken
    finally:
        server.close()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return head + await reader.readexactly(int(lines.get(b"content-length", b"0")))


def replying(*replies: bytes, then_close: bool = False) -> Serve:
    """One reply a request, sent byte group by byte group so that nothing arrives whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await request_of(reader)
            for start in range(0, len(reply), 7):
                writer.write(reply[start : start + 7])
                await writer.drain()
                await asyncio.sleep(0)
        if not then_close:
            await reader.read()

    return serve


def run(serve: Serve, count: int = 1, **options) -> tuple[list[httpx2.Response], int]:
    """Send `count` requests through one connection -> (replies, connections opened)."""

    async def once() -> tuple[list[httpx2.Response], int]:
        async with serving(serve) as (url, taken), httpx2.AsyncClient(mounts={"http://": PlainHttp()}) as client:
            replies = [await client.post(f"{url}/v1/x?y=1", json={"n": n}, **options) for n in range(count)]
            return replies, len(taken)

    return asyncio.run(once())


@pytest.mark.parametrize(
    "raw",
    [
        OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s"
        % (len(gzip.compress(b"hi", mtime=0)), gzip.compress(b"hi", mtime=0)),
    ],
)
def test_replies_of_any_shape_are_read_and_the_connection_is_kept(raw: bytes):
    replies, connections = run(replying(raw, raw, OK), count=3)
    assert [(reply.status_code, reply.text) for reply in replies] == [(200, "hi")] * 3
    assert connections == 1


def test_status_and_headers_arrive():
    raw = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow"
    (reply,), _ = run(replying(raw))
    assert (reply.status_code, reply.headers["retry-after"], reply.text) == (429, "7", "slow")


def test_the_request_is_whole_http():
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK)
        await reader.read()

    run(serve, headers={"x-one": "two"})
    head, body = seen[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\n") and body == b'{"n":0}'
    assert b"\r\nHost: 127.0.0.1:" in head and b"\r\nx-one: two" in head and b"\r\nContent-Length: 7" in head


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\n\r\nhi"]
)
def test_a_server_that_closes_after_each_reply_is_connected_to_again(raw: bytes):
    replies, connections = run(replying(raw, then_close=True), count=3)
    assert [reply.text for reply in replies] == ["hi"] * 3 and connections == 3


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", b"SSH-2.0-OpenSSH"],
)
def test_half_a_reply_is_an_error_and_never_an_answer(raw: bytes):
    with pytest.raises(httpx2.RemoteProtocolError):
        run(replying(raw, then_close=True))


def test_after_a_cancelled_request_its_late_reply_is_nobodys():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late = b'"n":0' in await request_of(reader)
        await asyncio.sleep(0.2 if late else 0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate" if late else OK)
        await reader.read()

    async def once() -> tuple[str, int]:
        async with serving(serve) as (url, taken), httpx2.AsyncClient(mounts={"http://": PlainHttp()}) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.post(url, json={"n": 0})
            return (await client.post(url, json={"n": 1})).text, len(taken)

    assert asyncio.run(once()) == ("hi", 2)


def test_nobody_there_is_a_connect_error():
    async def once() -> None:
        async with httpx2.AsyncClient(mounts={"http://": PlainHttp()}) as client:
            await client.get("http://127.0.0.1:9/")

    with pytest.raises(httpx2.ConnectError):
        asyncio.run(once())


def test_tls_and_proxies_stay_with_the_clients_own_transport(monkeypatch: pytest.MonkeyPatch):
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    assert mounts("https://api.openai.com/v1") == {}
    assert list(mounts("http://gpu-host:8000/v1")) == ["http://"]
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert mounts("http://gpu-host:8000/v1") == {}
