"""A server that computes its answers in this process, behind the asynchronous client."""

import httpx2


class InProcess(httpx2.AsyncBaseTransport):
    """Serves requests by a synchronous transport, one after another: nothing else runs until it has answered."""

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Read the request whole and answer it."""
        await request.aread()
        return self._transport.handle_request(request)
