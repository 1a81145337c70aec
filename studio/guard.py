"""What every request to the studio must satisfy, whatever route it asks for.

The studio listens on the loopback interface, but any page in the same browser can send requests there. So a
request must name this very host and port, a browser must say that it comes from the studio's own page, and
both must know the token of this launch.
"""

import re
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.bodies import asks_for_remote_file
from studio.entrance import Entrance

MAX_BODY_BYTES = 64 * 2**20
MAX_FILE_BYTES = 4 * 2**30
IMPORT_PATH = "/studio/projects/import"
PUT_BACK_PATH = "/studio/library/put-back"
LORA_PATH = "/studio/loras"

_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers send a form with the Origin "null"
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # Gradio compiles its templates in the page, hence eval; nothing may come from or go to another host.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}
# Written to the disk as they come, never held in memory.
_FILE_BODIES = (IMPORT_PATH, PUT_BACK_PATH, LORA_PATH)
_UPLOAD_PATH = "/gradio_api/upload"  # its bodies are files, which nobody reads as JSON
_FILE_PATHS = ("/gradio_api/file", "/gradio_api/stream", "/media/")
_FILE_POLICY = (
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'"
)
_SHOWN_TYPES = re.compile(r"(image/(png|jpeg|gif|webp)|video/.+|audio/.+|application/json|text/plain)(;|$)")


class Guard:
    """ASGI middleware: 421 for a foreign Host, 403 for a foreign page, 401 without token, 413 if too long.

    400 where the body asks for a file on another host.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        entrance: Entrance,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """hosts: the allowed values of the Host header, with their port."""
        self.app = app
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"http://{host}" for host in self.hosts)
        self.entrance = entrance
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        limited = self._limited(receive, most=self._most_bytes(scope))
        refusal = self._refusal(scope) or await self.entrance.answer(scope, limited)
        target, body = (refusal, limited) if refusal else await self._inspected(scope, limited)
        await target(scope, body, _with_security_headers(scope["path"], send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Return status and sentence for a request that is refused, None for one that may pass."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self.hosts:
            return PlainTextResponse("This studio only answers under its own address.", 421)
        is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        has_foreign_origin = "origin" in headers and headers["origin"] not in self.origins
        if has_foreign_origin or (is_foreign and not _opens_the_page(scope, headers)):
            return PlainTextResponse("This studio only answers its own page.", 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most_bytes(scope):
            return PlainTextResponse(_too_long(self._most_bytes(scope)), 413)
        return None

    def _most_bytes(self, scope: Scope) -> int:
        """Return how long the body of a request may be."""
        return MAX_FILE_BYTES if scope["path"] in _FILE_BODIES else self.max_body_bytes

    async def _inspected(self, scope: Scope, receive: Receive) -> tuple[ASGIApp, Receive]:
        """Return what answers a request that may reach the studio, and from where that gets the body."""
        if (
            scope["type"] != "http"
            or scope["path"] in (_UPLOAD_PATH, *_FILE_BODIES)
            or not _has_body(Headers(scope=scope))
        ):
            return self.app, receive
        try:
            body = await _whole_body(receive)
        except HTTPException as exc:
            return PlainTextResponse(exc.detail, exc.status_code, exc.headers), receive
        if await run_in_threadpool(asks_for_remote_file, body, origins=self.origins):
            return PlainTextResponse("This studio takes no files from other hosts.", 400), receive
        return self.app, _repeated(body, receive)

    def _limited(self, receive: Receive, *, most: int) -> Receive:
        """Return `receive` with an end to it, for a body that does not say how long it is."""
        num_bytes = 0

        async def receive_limited() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > most:
                raise HTTPException(413, _too_long(most), headers={"connection": "close"})
            return message

        return receive_limited


def _too_long(most_bytes: int) -> str:
    return f"A request may be at most {most_bytes / 2**20:g} MB."


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _whole_body(receive: Receive) -> bytes:
    """Return the body of a request; what was sent before a client went away is all there is."""
    chunks, is_complete = [], False
    while not is_complete:
        message = await receive()
        chunks.append(message.get("body", b""))
        is_complete = not message.get("more_body", False)
    return b"".join(chunks)


def _repeated(body: bytes, receive: Receive) -> Receive:
    """Return `receive` as if nothing of the body had been received."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


def _opens_the_page(scope: Scope, headers: Headers) -> bool:
    """Return whether the request is a link followed to the studio's front page."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and scope["path"] == "/"
        and headers.get("sec-fetch-mode") == "navigate"
    )


def _with_security_headers(path: str, send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers.update(_SECURITY_HEADERS)
            if path.startswith(_FILE_PATHS):
                _make_harmless(headers)
        await send(message)

    return send_with_headers


def _make_harmless(headers: MutableHeaders) -> None:
    """Change the headers of a file such that no browser runs it, whatever it is."""
    headers["content-security-policy"] = _FILE_POLICY
    disposition = headers.get("content-disposition", "attachment")
    if not _SHOWN_TYPES.match(headers.get("content-type", "")):
        headers["content-disposition"] = re.sub("^inline", "attachment", disposition)
