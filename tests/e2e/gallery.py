"""A gallery on the loopback, and a log of every request it got: when, from whom, for what, and until when."""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from loopback import Quiet, served


@dataclass(frozen=True)
class Request:
    """One request as the server saw it; times of time.monotonic."""

    path: str
    headers: Mapping[str, str]
    began: float
    ended: float
    status: int


@dataclass(frozen=True)
class Answer:
    """What the server answers: ``announced`` bytes are promised instead of the body's own; ``chunks`` drip."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    pause_s: float = 0.0
    endless: bool = False


@dataclass
class Gallery:
    """Answers by path, to be changed at any time; an answer may be made from the request's number for that path."""

    answers: dict[str, Answer | Callable[[int], Answer]] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    port: int = 0
    open_now: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self, *, rules: bool = False) -> list[str]:
        """What was asked for, in order; robots.txt and tdmrep.json only with ``rules``."""
        asked = [request.path for request in sorted(self.log, key=lambda request: request.began)]
        return [path for path in asked if rules or not path.endswith(("/robots.txt", "/tdmrep.json"))]

    def of(self, path: str) -> list[Request]:
        return [request for request in self.log if request.path == path]

    def gaps(self) -> list[float]:
        """Seconds between the arrivals of consecutive requests."""
        times = sorted(request.began for request in self.log)
        return [later - earlier for earlier, later in itertools.pairwise(times)]


class _Handler(Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gallery: Gallery
    lock = threading.Lock()

    def do_GET(self) -> None:
        gallery, began = self.gallery, time.monotonic()
        with self.lock:
            gallery.open_now += 1
            gallery.most_open = max(gallery.most_open, gallery.open_now)
            number = len(gallery.of(self.path))
        found = gallery.answers.get(self.path, Answer(b"not here", 404))
        answer = found(number) if callable(found) else found
        headers = {name.lower(): value for name, value in self.headers.items()}
        etag = answer.headers.get("ETag")
        if etag and headers.get("if-none-match") == etag:
            answer = Answer(b"", 304, {"ETag": etag})
        with self.lock:
            gallery.log.append(Request(self.path, headers, began, 0.0, answer.status))
            at = len(gallery.log) - 1
        try:
            self._send(answer)
        except OSError:
            self.close_connection = True
        with self.lock:
            gallery.open_now -= 1
            gallery.log[at] = Request(self.path, headers, began, time.monotonic(), answer.status)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.endless:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer.body) if answer.announced is None else answer.announced))
        self.end_headers()
        for start in range(0, len(answer.body), 1000) if answer.pause_s else ():
            self.wfile.write(answer.body[start : start + 1000])
            time.sleep(answer.pause_s)
        if not answer.pause_s:
            self.wfile.write(answer.body)
        while answer.endless:
            self.wfile.write(bytes(65536))
        if answer.announced is not None:
            self.close_connection = True


@contextmanager
def serving(gallery: Gallery, certificate: Path | None = None) -> Iterator[Gallery]:
    """Serve until the block ends; by TLS with a PEM file of key and ``certificate``."""
    handler = type("Handler", (_Handler,), {"gallery": gallery, "lock": threading.Lock()})
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with served(handler, context) as gallery.port:
        yield gallery
