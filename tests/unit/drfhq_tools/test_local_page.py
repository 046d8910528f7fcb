"""Who may enter a page that is served on this machine, and what every answer carries."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from drfhq_tools.errors import UsageError
from drfhq_tools.local_page import LOOPBACK, Gate, Guarded, listen, server_of

pytest.importorskip("uvicorn", reason="the extra web is not installed")
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

GATE = Gate(port=8000, max_body_bytes=100, token="secret")
HOST = {"host": "127.0.0.1:8000"}
VISITOR = HOST | {"cookie": "other=1; drfhq-8000=secret"}
SENDS = VISITOR | {"content-type": "application/json", "content-length": "2"}


@pytest.mark.parametrize(
    ("method", "headers", "query", "status"),
    [
        ("GET", HOST, "token=secret", None),
        ("GET", HOST | {"sec-fetch-site": "cross-site"}, "token=secret", None),  # a click in a terminal in a browser
        ("GET", VISITOR, "", None),
        ("GET", VISITOR | {"host": "localhost:8000", "sec-fetch-site": "same-origin"}, "since=3", None),
        ("GET", HOST, "", 403),
        ("GET", HOST, "token=secre", 403),
        ("GET", HOST | {"cookie": "drfhq-8001=secret"}, "", 403),
        ("GET", HOST | {"cookie": "drfhq-8000=ünicode"}, "", 403),
        ("GET", HOST | {"cookie": "a b;;==\x01"}, "", 403),
        ("GET", {"cookie": "drfhq-8000=secret"}, "", 421),
        ("GET", VISITOR | {"host": "evil.example:8000"}, "", 421),
        ("GET", VISITOR | {"host": "127.0.0.1:8001"}, "", 421),
        ("GET", VISITOR | {"host": "127.0.0.1"}, "", 421),
        ("GET", VISITOR | {"origin": "https://evil.example"}, "", 403),
        ("GET", VISITOR | {"sec-fetch-site": "cross-site"}, "", 403),
        ("GET", VISITOR | {"sec-fetch-site": "same-site"}, "", 403),  # another port's page is of the same site
        ("POST", SENDS, "", None),
        ("POST", SENDS | {"origin": "http://127.0.0.1:8000"}, "", None),
        ("POST", SENDS | {"content-type": "application/json; charset=utf-8"}, "", None),
        ("POST", SENDS | {"origin": "http://127.0.0.1:8001"}, "", 403),
        ("POST", SENDS | {"origin": "null"}, "", 403),
        ("POST", SENDS | {"sec-fetch-site": "same-site"}, "token=secret", 403),
        ("POST", SENDS | {"content-type": "text/plain"}, "", 415),
        ("POST", SENDS | {"content-length": "101"}, "", 413),
        ("POST", SENDS | {"content-length": "-1"}, "", 411),
        ("POST", VISITOR | {"content-type": "application/json"}, "", 411),
        ("POST", SENDS | {"transfer-encoding": "chunked"}, "", 411),
        ("DELETE", VISITOR, "", 411),
    ],
)
def test_who_may_enter(method: str, headers: Mapping[str, str], query: str, status: int | None) -> None:
    refused = GATE.refusal(method, headers, query)
    assert (refused and refused[0]) == status


def test_a_token_cannot_be_guessed_nor_seen_by_accident() -> None:
    one, other = Gate(port=1, max_body_bytes=1), Gate(port=1, max_body_bytes=1)
    assert one.token != other.token
    assert len(one.token) > 40
    assert one.token not in repr(one)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """Of a page that is served."""

    async def echo(request: Request) -> Response:
        return PlainTextResponse(await request.body() or b"page")

    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    with listen() as listener:
        gate = Gate(port=listener.getsockname()[1], max_body_bytes=100)
        server = server_of(Guarded(app, gate))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield gate
        server.should_exit = True
        thread.join()


def ask(
    gate: Gate, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, gate.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_the_first_visit_swaps_the_token_for_a_cookie(gate: Gate) -> None:
    status, headers, body = ask(gate, "GET", f"/?token={gate.token}", {})
    assert status == 200
    assert b'content="0;url=/"' in body
    assert gate.token.encode() not in body
    cookie = headers["set-cookie"]
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    status, headers, body = ask(gate, "GET", "/", {"cookie": cookie.split(";")[0]})
    assert (status, body) == (200, b"page")
    assert headers["set-cookie"] is None


@pytest.mark.parametrize("path", ["/", "/nothing"])
@pytest.mark.parametrize("visitor", [True, False])
def test_every_answer_carries_the_policy(gate: Gate, path: str, visitor: bool) -> None:
    cookie = {"cookie": f"{gate.cookie_name}={gate.token}"} if visitor else {}
    _, headers, _ = ask(gate, "GET", path, cookie)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["access-control-allow-origin"] is None
    assert headers["server"] is None


def test_what_is_sent_arrives_or_is_refused(gate: Gate) -> None:
    sends = {"cookie": f"{gate.cookie_name}={gate.token}", "content-type": "application/json"}
    assert ask(gate, "POST", "/", sends, b"{}")[::2] == (200, b"{}")
    assert ask(gate, "POST", "/", sends, b"x" * 101)[0] == 413
    assert ask(gate, "POST", "/", {**sends, "content-type": "text/plain"}, b"{}")[0] == 415
    assert ask(gate, "POST", "/", {"content-type": "application/json"}, b"{}")[0] == 403


def test_only_the_loopback_answers(gate: Gate) -> None:
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), gate.port, socket.AF_INET)}
    for address in own - {LOOPBACK}:
        with pytest.raises(OSError, match=r"refused|timed out"):
            socket.create_connection((address, gate.port), timeout=2).close()
    with socket.create_connection((LOOPBACK, gate.port), timeout=5) as connection:
        assert connection.getpeername()[0] == LOOPBACK


def test_a_taken_port_is_told() -> None:
    with listen() as listener, pytest.raises(UsageError, match="choose another with --port"):
        listen(listener.getsockname()[1])


def test_it_ends_at_once_though_a_visitor_stays_connected() -> None:
    with listen() as listener:
        server = server_of(Starlette())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with socket.create_connection(listener.getsockname()):
            began = time.monotonic()
            server.should_exit = True
            thread.join()
        assert time.monotonic() - began < 5
