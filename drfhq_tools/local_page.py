"""A web page for whoever sits at this machine, and for nobody else.

The server listens on 127.0.0.1 alone. Its address holds a random token; the first visit swaps it for a cookie and drops
it from the address. Whatever comes without either is refused, and so is whatever names another host (DNS rebinding,
OWASP's Server-Side Request Forgery cheat sheet), was sent by another site's page (the Origin header, RFC 6454, and
Fetch Metadata, W3C), or is larger or of another type than the page sends. Every answer carries a Content Security
Policy (W3C, level 3) without inline scripts or styles. Any ASGI application can be served so: Starlette's is one.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from drfhq_tools.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = "127.0.0.1"
JSON: Final = "application/json"
_WAIT_AT_END_S: Final = 2
_READS: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_WELCOME: Final = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>drfhq</title>'
    b'<meta http-equiv="refresh" content="0;url=/"></head><body><a href="/">To the page</a></body></html>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Who may enter: requests to ``port`` on the loopback with ``token``, with a body of at most ``max_body_bytes`` and
    of one of ``body_types``."""

    port: int
    max_body_bytes: int
    body_types: frozenset[str] = frozenset({JSON})
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def origin(self) -> str:
        """Of the page, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def address(self) -> str:
        """What to open: whoever knows it may enter."""
        return f"{self.origin}/?token={self.token}"

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports, so pages that are served at once need names of their own."""
        return f"drfhq-{self.port}"

    @property
    def cookie(self) -> str:
        """The header that lets a browser in until it is closed."""
        return f"{self.cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def is_key(self, text: str | None) -> bool:
        """Whether this is the token, told in constant time."""
        return text is not None and hmac.compare_digest(text.encode(), self.token.encode())

    def refusal(self, method: str, headers: Mapping[str, str], query: str) -> tuple[int, str] | None:
        """Why a request may not enter, as a status and a line for people; None for one that may.

        ``headers`` by names in small letters; ``query`` as it stands in the address.
        """
        hosts = {f"{name}:{self.port}" for name in (LOOPBACK, "localhost")}
        if headers.get("host", "").lower() not in hosts:
            return 421, f"this page is at {self.origin} alone"
        if not (self.is_key(_token_in(query)) or self.is_key(_cookie(headers, self.cookie_name))):
            return 403, "open the address that the terminal shows: it holds the key to this page"
        origins = {f"http://{host}" for host in hosts}
        if headers.get("origin", self.origin).lower() not in origins:
            return 403, "another site's page sent this"
        knocks = method in _READS and _token_in(query) is not None  # a link to the address, wherever it was clicked
        if not knocks and headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return 403, "another site's page asked for this"
        return None if method in _READS else self._body_refusal(headers)

    def _body_refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        length = headers.get("content-length", "")
        if not length.isdecimal() or "transfer-encoding" in headers:
            return 411, "say how long the body is"
        if int(length) > self.max_body_bytes:
            return 413, f"more than {self.max_body_bytes} bytes"
        if headers.get("content-type", "").split(";")[0].strip().lower() not in self.body_types:
            return 415, f"send {' or '.join(sorted(self.body_types))}"
        return None


class Guarded:
    """An ASGI application behind a :class:`Gate`."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a refusal, or the first visit's welcome, or hands on."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        refused = self.gate.refusal(scope["method"], headers, query)
        if refused is not None:
            status, text = refused
            await _answer(send, status, text.encode(), {"content-type": "text/plain; charset=utf-8"})
        elif self.gate.is_key(_token_in(query)):
            # A page that leads on, no redirect: a cookie of SameSite=Strict is not sent along a redirect that began
            # with a link in another site's page, a terminal in the browser for one.
            kind = {"content-type": "text/html; charset=utf-8", "set-cookie": self.gate.cookie}
            await _answer(send, 200, _WELCOME, kind)
        else:
            await self.app(scope, receive, _with_headers(send))


class PageFiles:
    """The files of a page, in the folder ``page`` of ``package``, read at once."""

    def __init__(self, package: str) -> None:
        folder = files(package) / "page"
        served = ((entry, _KINDS.get(entry.name[entry.name.rfind(".") :])) for entry in folder.iterdir())
        self._files = {entry.name: (entry.read_bytes(), kind) for entry, kind in served if kind}

    def answer(self, request: Request) -> Response:
        """The file that the path's ``name`` names; the page itself where it names none."""
        from starlette.responses import Response  # noqa: PLC0415  an extra

        name = request.path_params.get("name", "index.html")
        if name not in self._files:
            return nothing("no such page")
        content, kind = self._files[name]
        return Response(content, media_type=kind)


def nothing(text: str) -> Response:
    """Not found."""
    from starlette.responses import PlainTextResponse  # noqa: PLC0415  an extra

    return PlainTextResponse(text, status_code=404)


def json_object(body: bytes) -> dict[str, object]:
    """The object that a request's body holds.

    Raises:
        UsageError: it holds something else.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is no JSON") from error
    if not isinstance(given, dict):
        raise UsageError("the body is no JSON object")
    return given


def need_web_extra(command: str) -> None:
    """Check that a page can be served.

    Raises:
        MissingExtraError: Starlette or uvicorn is not installed.
    """
    try:
        import starlette  # noqa: F401, PLC0415  an extra
        import uvicorn  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        raise MissingExtraError(f"{command} needs Starlette and uvicorn: pip install 'drfhq-tools[web]'") from error


def listen(port: int = 0) -> socket.socket:
    """A socket that listens on the loopback at ``port``; 0 takes a free one.

    Raises:
        UsageError: the port is taken, or not ours to take.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"cannot listen on port {port}: {error}; choose another with --port, or none") from error
    return listener


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server for ``run(sockets=[listener])``: it ends on Ctrl-C, which it raises as KeyboardInterrupt once it has
    ended, or when ``should_exit`` is set. Requests, whose addresses hold the token, are not logged."""
    import uvicorn  # noqa: PLC0415  an extra

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_WAIT_AT_END_S,
        )
    )


def show(address: str) -> bool:
    """Open ``address`` in a browser; false where there is none with windows."""
    windows = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return windows and webbrowser.open(address)


def _token_in(query: str) -> str | None:
    return parse_qs(query).get("token", [None])[0]


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return cookie.value if cookie else None


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    await _with_headers(send)(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    """Adds the policy to every answer that does not say otherwise."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in given]
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return wrapped
