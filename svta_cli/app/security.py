"""What is refused before a page sees it, and the headers every answer carries (docs/app-security.md).

The application listens on loopback and has no login, so the other party to guard against is a web page of another
origin in the same browser: it may neither read an answer nor cause a write.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from svta_models.errors import SvtaError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
LOOPBACK_CLIENTS = frozenset({"127.0.0.1", "::1"})
READ = frozenset({"GET", "HEAD"})
# Nothing inline: a script or style in a caption is dead even if a template forgot to escape it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # not no-referrer: browsers would then post forms with `Origin: null`
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses by host, origin and method.

    Args:
        reviewer: without one nothing may be posted.
        public: origin of a proxy, `https://svta.example.org`, whose requests count as the application's own.
    """

    def __init__(self, app: ASGIApp, reviewer: str | None, public: str | None = None) -> None:
        self._app, self._reviewer, self._public = app, reviewer, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no page uses websockets

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            status, why = refusal
            await PlainTextResponse(f"{why}\n", status)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason where a request is refused."""
        headers, method = Headers(scope=scope), scope["method"]
        client = scope.get("client")
        if client and client[0] not in LOOPBACK_CLIENTS:
            return 403, "only this machine may ask; for others put a proxy with a login before it (docs/app.md)"
        own = self._own_origin(headers.getlist("host"))
        if own is None:
            return 421, "this is not the address of the application"  # a name of elsewhere that leads here
        if not _comes_from(own, headers, method):
            return 403, "requests of other origins are refused"
        return None if method in READ else self._refused_write(own, headers, method)

    def _refused_write(self, own: str, headers: Headers, method: str) -> tuple[int, str] | None:
        if method != "POST":
            return 405, f"{method} is not used here"
        if headers.get("origin") != own:
            return 403, "a post must come from a page of the application"
        if self._reviewer is None:
            return 403, "read only: start `svta app --reviewer NAME` to record verdicts and requests"
        return None

    def _own_origin(self, hosts: Collection[str]) -> str | None:
        """The origin that pages of this host have; None for a host that is not ours."""
        if len(hosts) != 1:
            return None
        host = next(iter(hosts)).lower()
        if self._public and host == urlsplit(self._public).netloc:
            return self._public
        name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
        return f"http://{host}" if name in LOOPBACK_NAMES and (port.isdigit() or not port) else None


def _comes_from(own: str, headers: Headers, method: str) -> bool:
    """Whether a page of the application asks, or a person who follows a link or types the address."""
    if headers.get("origin", own) != own:
        return False
    site = headers.get("sec-fetch-site", "none")  # older browsers and programs do not say
    if site in ("none", "same-origin"):
        return True
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return followed and method in READ


def proxy_origin(url: str) -> str:
    """The origin of a proxy's address. Raises SvtaError for what is none."""
    parts = urlsplit(url.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query or "@" in parts.netloc:
        raise SvtaError(
            f"{url!r} is not the origin of a proxy: give a scheme and a host, like https://svta.example.org"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"
