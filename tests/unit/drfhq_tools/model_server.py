"""A file server on the loopback that can misbehave as told, one request after the other."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from loopback import Quiet, served


@dataclass
class ModelServer:
    """Serves ``files`` by path. ``statuses`` and ``cuts`` are used up, one a request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)  # answer with this error instead
    cuts: list[int] = field(default_factory=list)  # close the connection after so many bytes of the body
    takes_ranges: bool = True
    announces_length: bool = True
    stall: threading.Event | None = None  # send half of the body, then wait for this
    ranges: list[str | None] = field(default_factory=list)  # what each request asked for


@contextmanager
def serving() -> Iterator[ModelServer]:
    """The server, while the block runs."""
    state = ModelServer()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, state)

    with served(Handler) as port:
        state.url = f"http://127.0.0.1:{port}"
        try:
            yield state
        finally:
            if state.stall:
                state.stall.set()


def answer(handler: BaseHTTPRequestHandler, state: ModelServer) -> None:
    asked = handler.headers.get("Range")
    state.ranges.append(asked)
    if state.statuses:
        return handler.send_error(state.statuses.pop(0))
    if handler.path in state.redirects:
        handler.send_response(302)
        handler.send_header("Location", state.redirects[handler.path])
        return handler.end_headers()
    if handler.path not in state.files:
        return handler.send_error(404)
    body = state.files[handler.path]
    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and state.takes_ranges else 0
    if start and start >= len(body):
        return handler.send_error(416)
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    if state.announces_length:
        handler.send_header("Content-Length", str(len(body) - start))
    handler.end_headers()
    send(handler, body[start:], state)
    return None


def send(handler: BaseHTTPRequestHandler, body: bytes, state: ModelServer) -> None:
    handler.close_connection = True
    try:
        if state.stall and not state.stall.is_set():
            handler.wfile.write(body[: len(body) // 2])
            state.stall.wait(20)
        elif state.cuts:
            handler.wfile.write(body[: state.cuts.pop(0)])
        else:
            handler.wfile.write(body)
    except OSError:
        pass  # the client was killed or has had enough
