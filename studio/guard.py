"""What every request to the studio must satisfy, whatever route it asks for.

The studio listens on the loopback interface, but any page in the same browser can send requests there. So a
request must name this very host and port, and a browser must say that it comes from the studio's own page.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 2**20

_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    # Gradio compiles its templates in the page, hence eval; nothing may come from or go to another host.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class Guard:
    """ASGI middleware: 421 for a foreign Host, 403 for a foreign page, 411 or 413 for an unbounded body."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        """hosts: the allowed values of the Host header, with their port."""
        self.app = app
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"http://{host}" for host in self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        target = PlainTextResponse(refusal[1], status_code=refusal[0]) if refusal else self.app
        await target(scope, receive, _with_security_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and sentence for a request that is refused, None for one that may pass."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self.hosts:
            return 421, "This studio only answers under its own address."
        if "origin" in headers and headers["origin"] not in self.origins:
            return 403, "This studio only answers its own page."
        is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if is_foreign and not _opens_the_page(scope, headers):
            return 403, "This studio only answers its own page."
        if "transfer-encoding" in headers and "content-length" not in headers:
            return 411, "A request must say how long it is."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return 413, f"A request may be at most {MAX_BODY_BYTES // 2**20} MB."
        return None


def _opens_the_page(scope: Scope, headers: Headers) -> bool:
    """Return whether the request is a link followed to the studio's front page."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and scope["path"] == "/"
        and headers.get("sec-fetch-mode") == "navigate"
    )


def _with_security_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers[name] = value
        await send(message)

    return send_with_headers
