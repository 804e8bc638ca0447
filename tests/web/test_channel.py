"""What an HTTP client may send, and how long it may take."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from mailproxy.control.answers import Answers
from mailproxy.web.channel import (
    BODY_BYTES,
    HEADER_BYTES,
    HEADERS,
    IDLE_SECONDS,
    LINE_BYTES,
    REQUEST_SECONDS,
    UNREAD_SECONDS,
)
from tests.control.conftest import Make
from tests.examples import examples
from tests.web.bench import Client, Web

LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def web(make: Make) -> Web:
    running = make()
    web = Web(running.service, running.reactor, globalLogPublisher)
    web.events = running.events
    return web


@pytest.fixture
def client(web: Web) -> Client:
    return web.client()


def head(*lines: str, first: str = "POST /api/v1/reload HTTP/1.1") -> bytes:
    return "\r\n".join([first, "Host: localhost", *lines, "", ""]).encode()


def test_request_arrives_in_any_pieces(client: Client) -> None:
    for byte in LIVE:
        client.send(bytes([byte]))
    (response,) = client.received()
    assert (response.status, response.body) == (200, b"ok\n")


def test_requests_are_answered_in_order(client: Client) -> None:
    client.send(LIVE + LIVE.replace(b"/livez", b"/nothing") + LIVE)
    assert [response.status for response in client.received()] == [200, 404, 200]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (head("Content-Length: 2", "Content-Length: 2") + b"{}", 400),
        (head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked", "Content-Length: 2") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: identity", "Content-Length: 2") + b"{}", 400),
        (head("Transfer-Encoding : chunked") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked", first="POST /api/v1/reload HTTP/1.0") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked") + b"-1\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked") + b"0x1\r\nx\r\n0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked") + b"1\r\nxx\r\n0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked") + b"1;\n\r\nx\r\n0\r\n\r\n", 400),
        (head("Content-Length: +2") + b"{}", 400),
        (head("Content-Length: 2, 2") + b"{}", 400),
        (head("Content-Length: " + "9" * 4000), 400),
        (head("Content-Length: ") + b"{}", 400),
        (head(f"Content-Length: {BODY_BYTES + 1}"), 413),
        (head("Transfer-Encoding: chunked") + b"ffff\r\n" + b"x" * (BODY_BYTES + 1), 413),
        (head("X: a\n b"), 400),
        (head("X: a", " b"), 400),
        (head("X\0: a"), 400),
        (head("no colon"), 400),
        (head("X: " + "a" * LINE_BYTES), 431),
        (head(*["X: a"] * HEADERS), 400),
        (head(*[f"X: {'a' * 4000}"] * (HEADER_BYTES // 4000 + 1)), 400),
        (head(first="GET http://localhost/livez HTTP/1.1"), 400),
        (head(first="CONNECT localhost:80 HTTP/1.1"), 400),
        (head(first="OPTIONS * HTTP/1.1"), 400),
        (head(first="GET /livez"), 400),
        (head(first="GET  /livez HTTP/1.1"), 400),
        (head(first="GET /livez HTTP/2.0"), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\nHost: localhost\n\n" + b"x" * LINE_BYTES, 431),
    ],
)
def test_doubtful_request_is_refused(client: Client, request_: bytes, status: int) -> None:
    client.send(request_)
    (response,) = client.received()
    assert response.status == status
    client.send(LIVE)
    if status != 400 or b"Host" in request_:
        assert client.received() == [] or b"GET /livez HTTP/1.1" in request_


def test_nothing_after_a_doubtful_request_is_answered(client: Client) -> None:
    client.send(head("Content-Length: 2", "Transfer-Encoding: chunked") + LIVE + LIVE)
    (response,) = client.received()
    assert response.error == "the length of the body is given twice (RFC 9112, 6.3)"
    assert client.transport.disconnecting


def test_body_in_chunks_is_taken(client: Client) -> None:
    body = b'11\r\n{"session": "no"}\r\n0\r\n\r\n'
    lines = ("Transfer-Encoding: chunked", "Authorization: Bearer 0123456789abcdef", "Content-Type: application/json")
    client.send(head(*lines, first="POST /api/v1/shutdown/session HTTP/1.1") + body)
    (response,) = client.received()
    assert response.error.startswith('there is no session "no"')


def test_nothing_is_carried_out_after_an_error(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    carried_out: list[object] = []
    monkeypatch.setattr(Answers, "answer", lambda *request: carried_out.append(request))
    lines = ("Transfer-Encoding: chunked", "Authorization: Bearer 0123456789abcdef", "Content-Type: application/json")
    spaces = b" " * BODY_BYTES
    body = b"2\r\n{}\r\n" + b"%x\r\n" % len(spaces) + spaces + b"\r\n0\r\n\r\n"
    client.send(head(*lines, first="POST /api/v1/stop HTTP/1.1") + body + head(*lines[1:], first="GET /livez HTTP/1.1"))
    (response,) = client.received()
    assert response.status == 413
    assert carried_out == []


def test_request_that_does_not_arrive_is_refused(web: Web, client: Client) -> None:
    client.send(LIVE[:10])
    for byte in LIVE[10:20]:
        web.reactor.advance(REQUEST_SECONDS / 8)
        client.send(bytes([byte]))
    (response,) = client.received()
    assert (response.status, response.error) == (408, "the request was not complete after 10 s")
    assert client.transport.disconnecting
    web.reactor.advance(UNREAD_SECONDS)
    assert client.transport.is_aborted


def test_client_without_a_request_is_closed(web: Web, client: Client) -> None:
    client.send(LIVE)
    web.reactor.advance(IDLE_SECONDS - 1)
    assert not client.transport.disconnecting
    client.send(LIVE)
    web.reactor.advance(IDLE_SECONDS)
    assert client.transport.disconnecting
    assert [response.status for response in client.received()] == [200, 200]


def test_client_that_does_not_read_is_aborted(web: Web, client: Client) -> None:
    client.transport.has_room = False
    client.send(LIVE)
    web.reactor.advance(UNREAD_SECONDS)
    assert client.transport.is_aborted


def test_slow_reader_gets_everything(web: Web, client: Client) -> None:
    client.transport.has_room = False
    client.send(LIVE.replace(b"/livez", b"/api/v1/show/servers"))
    web.reactor.advance(UNREAD_SECONDS - 1)
    for _ in range(10):
        client.transport.make_room()
        web.turn()
    assert not client.transport.is_aborted
    (response,) = client.received()
    assert len(response.json["rows"]) == 1


def test_close_is_a_close(web: Web, client: Client) -> None:
    client.send(LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + LIVE)
    assert [response.status for response in client.received()] == [200]
    assert client.transport.disconnecting
    web.reactor.advance(UNREAD_SECONDS)
    assert client.transport.is_aborted


def test_old_http_is_answered_once(client: Client) -> None:
    client.send(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
    (response,) = client.received()
    assert response.body == b"ok\n"
    assert client.transport.disconnecting


PIECES = st.sampled_from(
    [
        b"GET /livez HTTP/1.1\r\n",
        b"POST /api/v1/reload HTTP/1.1\r\n",
        b"Host: localhost\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Cookie: a=b;c\r\n",
        b"Authorization: Basic \xff\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b" ",
        b"\x00",
        b"%",
    ]
)


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(PIECES | st.binary(max_size=20), max_size=12))
def test_no_bytes_make_an_error_of_ours(web: Web, data: list[bytes]) -> None:
    client = web.client()
    for piece in data:
        client.channel.dataReceived(piece)
    web.turn()
    assert [event for event in web.events if "log_failure" in event] == []
    for response in client.received():
        assert response.status in (100, 200, 400, 401, 404, 405, 408, 413, 415, 421, 431)
    client.lose()


def test_client_that_leaves_takes_its_work_along(web: Web, client: Client) -> None:
    client.channel.dataReceived(LIVE)
    client.lose()
    web.turn()
    assert client.received() == []
    assert web.server.clients == set()
