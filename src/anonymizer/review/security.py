"""Who may talk to the page: the browser that was given the link, from this machine, and nobody else.

Other pages in the same browser are the attackers: they can send requests to 127.0.0.1 (CSRF) and give it
a name of theirs (DNS rebinding), and other programs of the machine can ask any port. So each request must
name this very host and port, carry a cookie that only the link brings, and, where it changes something, come
from this page. The cookie holds for one random path alone: browsers send cookies to every port of a host.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anonymizer.i18n import ENGLISH, speaker

COOKIE = "anonymizer"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
    "cache-control": "no-store",
}
"""On every answer; a route may set its own, as the report's page does for its style sheet."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
STALE = "review.stale"


@dataclass
class Keys:
    """The secrets of one start. ``token`` opens the page once; ``session`` is the cookie's value."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    path: str = field(default_factory=lambda: "/" + secrets.token_urlsafe(12))
    used: bool = False

    def open(self, token: str) -> bool:
        """Whether this token opens the page: it does once."""
        good = not self.used and secrets.compare_digest(token.encode(), self.token.encode())
        self.used = self.used or good
        return good

    def known(self, cookie: str) -> bool:
        """Whether a Cookie header holds this start's session."""
        try:
            morsel = SimpleCookie(cookie).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and secrets.compare_digest(morsel.value.encode(), self.session.encode())


class Guard:
    """ASGI middleware: everything that a request must fulfil before any route sees it."""

    def __init__(
        self, app: ASGIApp, keys: Keys, port: int, octets: Iterable[str], language: str = ENGLISH
    ) -> None:
        """``octets`` are the paths, below the session's, that take bytes; all others take JSON alone."""
        self.language = language
        self.app = app
        self.keys = keys
        self.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self.origins = frozenset(f"http://{host}" for host in self.hosts)
        self.octets = frozenset(keys.path + path for path in octets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # No WebSocket is spoken here.
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope)
        await (answer or self.app)(scope, receive, hardened)

    def _answer(self, scope: Scope) -> Response | None:
        """What is said to a request that gets no further; None for one that does."""
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or headers["host"] not in self.hosts:
            return PlainTextResponse("Unknown host.", 421)
        path = scope["path"]
        if path.startswith("/open/"):
            return self._enter(scope["method"], path.removeprefix("/open/"), headers)
        if not self.keys.known(headers.get("cookie", "")):
            return PlainTextResponse(speaker(self.language)(STALE), 403)
        if not path.startswith(self.keys.path + "/"):
            return PlainTextResponse("Nothing is here.", 404)
        site = headers.get("sec-fetch-site")
        if scope["method"] in SAFE_METHODS:
            return None if site in (None, "same-origin", "none") else _refused()
        if headers.get("origin") not in self.origins or site not in (None, "same-origin"):
            return _refused()
        wanted = "application/octet-stream" if path in self.octets else "application/json"
        if headers.get("content-type", "").split(";")[0].strip().lower() != wanted:
            return PlainTextResponse(f"Send {wanted}.", 415)
        return None

    def _enter(self, method: str, token: str, headers: Headers) -> Response:
        """The link: a cookie for it, once; a second visit with the cookie goes to the page as well."""
        if method != "GET":
            return PlainTextResponse("Nothing is here.", 405)
        if not self.keys.open(token) and not self.keys.known(headers.get("cookie", "")):
            return PlainTextResponse(speaker(self.language)(STALE), 403)
        answer = RedirectResponse(self.keys.path + "/", 303)
        answer.set_cookie(COOKIE, self.keys.session, path=self.keys.path, httponly=True, samesite="strict")
        return answer


def _refused() -> Response:
    return PlainTextResponse("Another page sent this; it is refused.", 403)
