"""Accepting HTTP clients of administrators."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.config import Admin
from mailproxy.front.files import Http
from mailproxy.transport.binding import bind_inet
from mailproxy.web.server import MAX_CLIENTS, SPARE_CLIENTS, HttpServer
from tests.control.conftest import Make
from tests.web.bench import Client, Web

LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Adopting:
    """Stands for a reactor that adopts connections: it notes them."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.adopted: list[tuple[int, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        self.adopted.append((descriptor, factory))


class Bench:
    """A server that listens on a socket."""

    def __init__(self, make: Make) -> None:
        self.running = make()
        self.reactor = Adopting(self.running.reactor)
        self.web = Web(self.running.service, self.reactor, globalLogPublisher)
        self.server: HttpServer = self.web.server
        self.bound = bind_inet(socket.AF_INET, "127.0.0.1", 0)

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.bound.socket.getsockname())
        for _ in range(3):
            self.running.reactor.poller.poll(0.1)
        client.settimeout(1)
        return client


@pytest.fixture
def bench(make: Make) -> Iterator[Bench]:
    made = Bench(make)
    yield made
    made.server.close()
    made.bound.close()


def test_client_of_an_allowed_network_is_taken(bench: Bench) -> None:
    bench.server.open(bench.bound, Admin(), Http())
    with bench.connect():
        assert [factory for _, factory in bench.reactor.adopted] == [bench.server]


def test_client_of_another_network_is_closed_and_logged_now_and_then(bench: Bench) -> None:
    bench.server.open(bench.bound, Admin(http_allow=(ip_network("192.0.2.0/24"), ip_network("::1/128"))), Http())
    for _ in range(3):
        with bench.connect() as client:
            assert client.recv(1) == b""
    assert bench.reactor.adopted == []
    bench.running.reactor.advance(10)
    with bench.connect():
        pass
    events = [event for event in bench.running.events if event.get("event") == "http-refused"]
    assert [(event["refused"], event["host"]) for event in events] == [(1, "127.0.0.1"), (3, "127.0.0.1")]


def test_client_that_waits_makes_room(bench: Bench) -> None:
    clients = [bench.web.client() for _ in range(MAX_CLIENTS)]
    bench.server.open(bench.bound, Admin(), Http())
    bench.reactor.advance(1)
    for client in clients[:1] + clients[2:]:
        client.send(LIVE)
    with bench.connect():
        assert len(bench.reactor.adopted) == 1
    assert [client.transport.is_aborted for client in clients[:3]] == [False, True, False]


def test_client_is_refused_while_all_are_answered(bench: Bench) -> None:
    for _ in range(MAX_CLIENTS + SPARE_CLIENTS):
        Client(bench.web).channel.dataReceived(LIVE)
    bench.server.open(bench.bound, Admin(), Http())
    with bench.connect() as client:
        assert client.recv(100).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert bench.reactor.adopted == []


def test_health_is_answered_first_while_all_others_wait(bench: Bench) -> None:
    for _ in range(MAX_CLIENTS):
        Client(bench.web).channel.dataReceived(LIVE.replace(b"/livez", b"/metrics") * 50)
    bench.server.open(bench.bound, Admin(), Http())
    with bench.connect():
        assert len(bench.reactor.adopted) == 1
    other, health = Client(bench.web), Client(bench.web)
    other.channel.dataReceived(LIVE.replace(b"/livez", b"/metrics"))
    assert [response.status for response in other.received()] == [503]
    assert other.transport.disconnecting
    health.channel.dataReceived(LIVE)
    bench.reactor.advance(0)
    assert [response.body for response in health.received()] == [b"ok\n"]


def test_newcomers_do_not_close_each_other_while_there_is_room(bench: Bench) -> None:
    for _ in range(MAX_CLIENTS):
        Client(bench.web).channel.dataReceived(LIVE)
    bench.server.open(bench.bound, Admin(), Http())
    newcomer = Client(bench.web)
    with bench.connect():
        assert len(bench.reactor.adopted) == 1
    assert not newcomer.transport.is_aborted


def test_another_socket_replaces_the_first(bench: Bench) -> None:
    bench.server.open(bench.bound, Admin(), Http())
    client = bench.web.client()
    other = bind_inet(socket.AF_INET, "127.0.0.1", 0)
    bench.server.open(other, Admin(), Http())
    first, bench.bound = bench.bound, other
    first.close()
    with bench.connect():
        assert len(bench.reactor.adopted) == 1
    assert not client.transport.disconnecting


def test_end_closes_all(bench: Bench) -> None:
    bench.server.open(bench.bound, Admin(), Http())
    client = bench.web.client()
    bench.server.close()
    assert client.transport.disconnecting
    with bench.connect():
        assert bench.reactor.adopted == []


def test_settings_are_those_of_the_last_reading(bench: Bench) -> None:
    bench.server.open(bench.bound, Admin(http_token_for="all"), Http(token="0123456789abcdef"))
    assert bench.web.get("/livez").status == 401
    bench.server.open(bench.bound, Admin(http_names=("front1",)), Http())
    assert bench.web.get("/livez").status == 200
    assert bench.web.get("/livez", Host="front1").status == 200
