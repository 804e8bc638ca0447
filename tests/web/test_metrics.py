"""`/metrics` over HTTP."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from mailproxy.config import Frontend
from mailproxy.metrics.exposition import PIECE_BYTES
from mailproxy.metrics.names import METRICS
from mailproxy.web.channel import UNREAD_SECONDS
from mailproxy.web.metrics import KEPT_SECONDS, MetricsPages
from mailproxy.web.turns import Turns
from tests.control.conftest import Make
from tests.metrics.bench import parsed, parsed_open_metrics, samples, value
from tests.running import ANY_PORT, Running
from tests.web.bench import Client, Response, Web

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture
def running(make: Make) -> Running:
    return make()


@pytest.fixture
def web(running: Running) -> Web:
    return Web(running.service, running.reactor, globalLogPublisher)


END = b"\r\n0\r\n\r\n"


def begin(web: Web, accept: str = "*/*") -> Client:
    """Ask for the page."""
    client = web.client()
    client.send(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
    return client


def fetch(web: Web, accept: str = "*/*") -> Response:
    """Ask for the page, and wait for all of it, however long the turns take on a busy machine."""
    client = begin(web, accept)
    while not client.transport.value().endswith(END):
        web.turn()
    (response,) = client.received()
    return response


def test_page_is_text(web: Web) -> None:
    response = fetch(web)
    assert (response.status, response.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert value(samples(parsed(response.body.decode())), "mailproxy_build_info") == 1


def test_page_is_open_metrics_for_those_who_want_it(web: Web) -> None:
    response = fetch(web, OPEN_METRICS)
    assert response.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert value(samples(parsed_open_metrics(response.body.decode())), "mailproxy_build_info") == 1


def test_head_has_no_page(web: Web) -> None:
    client = web.client()
    client.send(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    (response,) = client.received(is_head=True)
    assert (response.status, response.body) == (200, b"")


def sessions(web: Web) -> float:
    return value(samples(parsed(fetch(web).body.decode())), "mailproxy_current_sessions")


def test_page_is_kept_for_a_moment(web: Web, running: Running) -> None:
    assert sessions(web) == 0
    running.relay()
    assert sessions(web) == 0
    web.turn(KEPT_SECONDS)
    assert sessions(web) == 1


class CountedTurns(Turns):
    begun = 0

    def next(self, *, is_urgent: bool = False) -> Deferred[None]:
        self.begun += 1
        return super().next(is_urgent=is_urgent)


def test_page_is_written_in_turns(running: Running) -> None:
    """With a clock on which each piece takes long, each is a turn of its own."""
    ticks = iter(range(10**6))
    turns = CountedTurns(running.reactor)
    pages = MetricsPages(running.service, turns, running.reactor, lambda: float(next(ticks)))
    made: list[bytes] = []

    async def read() -> None:
        request: Any = SimpleNamespace(header=lambda name: None)
        async for piece in pages.get(request).pieces:
            made.append(piece)

    reading = Deferred.fromCoroutine(read())
    while not reading.called:
        running.reactor.advance(0.1)
    assert turns.begun > len(METRICS)
    assert len(samples(parsed(b"".join(made).decode()))) > 100


@pytest.fixture
def big(make: Make) -> Web:
    """The HTTP of a service whose page is long."""
    frontends = tuple(
        Frontend(name=f"front-{number}", bind=(ANY_PORT,), protocol="imap", tls="none", backend="dovecot")
        for number in range(30)
    )
    running = make(frontends=frontends)
    return Web(running.service, running.reactor, globalLogPublisher)


def test_client_that_reads_slowly_gets_the_whole_page(big: Web) -> None:
    client = begin(big)
    client.transport.has_room = False
    while not client.transport.value().endswith(END):
        client.transport.make_room()
        client.transport.has_room = False
        big.turn()
    (response,) = client.received()
    assert len(samples(parsed(response.body.decode()))) > 1000


def test_client_that_never_reads_has_one_piece_in_memory(big: Web) -> None:
    assert len(fetch(big).body) > 4 * PIECE_BYTES
    big.turn(KEPT_SECONDS)
    client = big.client()
    client.transport.has_room = False
    client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while not client.transport.value():
        big.turn()
    assert PIECE_BYTES < len(client.transport.value()) < 2 * PIECE_BYTES
    big.turn(UNREAD_SECONDS + 1.0)
    assert client.transport.is_aborted
