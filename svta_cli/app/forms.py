"""Posts: read the body, call a plain function in a thread, answer a script with JSON and a form with a redirect."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

MAX_BYTES = 64 * 1024  # no form here comes near it

Values = Mapping[str, Any]
"""What was posted: of a form each field's first value (text), of a script any JSON object."""


def posted(handler: Callable[[Request, Values], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of a function that takes what was posted. It runs in a thread and may block."""

    async def endpoint(request: Request) -> Response:
        values = _values(request, await _body(request))
        return await run_in_threadpool(handler, request, values)

    endpoint.__name__ = handler.__name__
    return endpoint


def wants_json(request: Request) -> bool:
    """Whether a script asks."""
    return "application/json" in request.headers.get("accept", "")


def done(request: Request, to: str, **said: Any) -> Response:
    """Answer a post that was carried out: `said` as JSON for a script, else the page `to`."""
    return JSONResponse(said) if wants_json(request) else RedirectResponse(to, status_code=303)


def text_of(values: Values, name: str, limit: int = 2000, required: bool = True) -> str:
    """A posted text, stripped. Raises 400 when it is missing, no text or too long."""
    value = values.get(name, "")
    if not isinstance(value, str) or (required and not value.strip()):
        raise HTTPException(400, f"{name} is missing")
    if len(value) > limit:
        raise HTTPException(400, f"{name} has {len(value)} characters, at most {limit} are taken")
    return value.strip()


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"more than {MAX_BYTES} bytes were posted")
    return bytes(body)


def _values(request: Request, body: bytes) -> Values:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        if kind == "application/json":
            values = json.loads(body)
            if not isinstance(values, dict):
                raise HTTPException(400, "a JSON object is wanted")
            return values
        if kind == "application/x-www-form-urlencoded":
            fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=200)
            return {name: found[0] for name, found in fields.items()}
    except ValueError as error:
        raise HTTPException(400, f"what was posted cannot be read: {error}") from error
    raise HTTPException(415, f"content type {kind or 'of nothing'} is not taken here")
