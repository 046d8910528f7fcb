"""HTTP servers on the loopback, for what asks others: files of a folder, or whatever a handler answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
OFFLINE = ("DRFHQ_OFFLINE", "HF_HUB_OFFLINE")


class Quiet:
    """For a handler: nothing is logged."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


class Files(Quiet, SimpleHTTPRequestHandler):
    """Sends a folder's files."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error here."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler] | partial[Files], tls: SSLContext | None = None) -> Iterator[int]:
    """Answer with ``handler`` until the block ends; the port."""
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def folder_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Send the files of ``folder`` until the block ends, to whoever is not told to stay offline; its address."""
    for name in (*PROXIES, *OFFLINE):
        monkeypatch.delenv(name, raising=False)
    with served(partial(Files, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}"
