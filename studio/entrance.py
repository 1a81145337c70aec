"""The way in: who may ask this studio for anything, and how a browser comes to be one of them.

Programs send the token of this launch as a header. A browser brings it once, in the address that the launcher
opens, and gets a cookie for it. Where other machines may come too, the password gets them the same cookie.
"""

import asyncio
import hmac
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope

TOKEN_HEADER = "X-Kinora-Token"
PASSWORD_PATH = "/studio/password"

_COOKIE_SECONDS = 30 * 86400  # outlives a restart of the browser; the token itself ends with the launch
_WRONG_PASSWORD_SECONDS = 1.0
_MAX_PASSWORD_BYTES = 4096

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="dark light">
{head}<title>Kinora</title>
<style>
  body {{ font: 1.05rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto; padding: 0 1.5rem }}
  input, button {{ font: inherit; padding: .4rem .7rem }}
</style>
<body>{body}</body>
</html>
"""
# The page itself asks for the front page: a browser sends a strict cookie only with what its own site asks.
_TO_THE_STUDIO = '<meta http-equiv="refresh" content="0; url=/">\n'
_LOCKED = (
    "<h1>This studio is locked</h1>"
    "<p>Open the address that the launcher printed when it last started; it ends in <code>?token=…</code></p>"
)
_PASSWORD_FORM = (
    f'<form method="post" action="{PASSWORD_PATH}"><p><label>From another machine, enter its password: '
    '<input type="password" name="password" autocomplete="current-password" required autofocus></label> '
    "<button>Open</button></p></form>"
)
_WRONG_PASSWORD = '<p role="alert">That is not the password; try again.</p>'
_FOR_PROGRAMS = (
    "This studio needs its token: open the address that the launcher printed, "
    f"or send the token in door.json as the header {TOKEN_HEADER}."
)


class Entrance:
    """Knows the secrets of one launch, and lets in who knows one of them."""

    def __init__(self, *, token: str, port: int, password: str = "") -> None:
        """password: lets in other machines; none does where it is empty."""
        self._token = token
        self._password = password
        self._cookie = f"kinora-{port}"  # browsers share cookies among all ports of a host
        self._turn = asyncio.Lock()

    async def answer(self, scope: Scope, receive: Receive) -> Response | None:
        """Return what to answer in the studio's place, or None for a request that may reach it."""
        asking = HTTPConnection(scope)
        request = (scope["type"], scope.get("method"), scope["path"])
        is_known = self._knows(asking)
        if request == ("http", "GET", "/") and "token" in asking.query_params:
            if is_known or _is_same(asking.query_params["token"], self._token):
                return self._let_in()
        elif is_known:
            return None
        if self._password and request == ("http", "POST", PASSWORD_PATH):
            return await self._try_password(Request(scope, receive))
        return self._turn_away(asking)

    def _knows(self, asking: HTTPConnection) -> bool:
        """Return whether the header or the cookie of a request holds the token."""
        carried = (asking.headers.get(TOKEN_HEADER), asking.cookies.get(self._cookie))
        return any(value is not None and _is_same(value, self._token) for value in carried)

    async def _try_password(self, request: Request) -> Response:
        """Return the way in for the right password; one guess at a time, and none soon after a wrong one."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_PASSWORD_BYTES:
                return PlainTextResponse("That is too long for a password.", status_code=413)
        guess = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
        async with self._turn:
            if _is_same(guess, self._password):
                return self._let_in()
            await asyncio.sleep(_WRONG_PASSWORD_SECONDS)
        return self._turn_away(request, notice=_WRONG_PASSWORD)

    def _let_in(self) -> Response:
        """Return a page that takes the cookie and goes on to the studio, with a clean address."""
        page = _page(200, head=_TO_THE_STUDIO)
        page.set_cookie(
            self._cookie, self._token, max_age=_COOKIE_SECONDS, path="/", httponly=True, samesite="strict"
        )
        return page

    def _turn_away(self, asking: HTTPConnection, *, notice: str = "") -> Response:
        """Return what to do instead: a page for people, a sentence for programs."""
        if "text/html" not in asking.headers.get("accept", ""):
            return PlainTextResponse(_FOR_PROGRAMS, status_code=401)
        # Who follows a link on another site brings no strict cookie, but may well have one.
        is_link = asking.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        form = _PASSWORD_FORM if self._password else ""
        return _page(401, head=_TO_THE_STUDIO if is_link else "", body=_LOCKED + notice + form)


def _page(status: int, *, head: str = "", body: str = "") -> Response:
    return HTMLResponse(_PAGE.format(head=head, body=body), status, headers={"cache-control": "no-store"})


def _is_same(given: str, secret: str) -> bool:
    """Return whether the two are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
