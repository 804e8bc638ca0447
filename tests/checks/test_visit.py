"""Visits to servers that a test plays: how they go, and how they end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mailproxy.checks.visit import Visit, Visited
from mailproxy.transport.outgoing import Target
from tests.checks.town import Town
from tests.tls.servers import client_tls
from tests.transport.relay import is_ready

SECONDS = 2.0


class Echo:
    """Says everything back, until it hears a goodbye."""

    def __init__(self, *, done: bool = False) -> None:
        self.heard = b""
        self.done = done
        self.ended = False

    def receive(self, data: bytes) -> bytes:
        self.heard += data
        self.done = self.heard.endswith(b"bye")
        return data

    def end(self) -> None:
        self.ended = True


class Traveller:
    """Makes a visit, and writes down how it ended."""

    def __init__(self, town: Town, talk: Echo, target: Target | None = None, header: Any = b"", **more: Any) -> None:
        self.ends: list[Visited] = []
        self.visit = Visit(
            target or town.target,
            header,
            talk,
            SECONDS,
            self.ends.append,
            poller=town.poller,
            timeouts=town.timeouts,
            **more,
        )
        town.at_the_end(self.visit.cancel)
        self.visit.begin()


def test_talk_is_led_until_it_is_done(town: Town) -> None:
    talk = Echo()
    traveller = Traveller(town, talk)
    server = town.accept(b"hello")
    town.until(lambda: server.data == b"hello")
    server.send(b"bye")
    town.until(lambda: server.fin)
    assert server.data == b"hellobye"
    assert traveller.ends == [Visited("talk", "", False, 0.0)]
    assert not talk.ended


def test_header_comes_first(town: Town) -> None:
    Traveller(town, Echo(), header=b"header", opening=b"opening")
    server = town.accept()
    town.until(lambda: server.data == b"headeropening")


def test_header_may_be_made_of_the_socket(town: Town) -> None:
    def header(sock: socket.SocketType) -> bytes:
        assert sock.getpeername() == town.address
        return str(sock.getsockname()[1]).encode()

    Traveller(town, Echo(), header=header)
    server = town.accept()
    town.until(lambda: server.data)
    assert int(server.data) == server.socket.getpeername()[1]


def test_talk_that_has_nothing_to_say_ends_with_the_connection(town: Town) -> None:
    traveller = Traveller(town, Echo(done=True))
    town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("talk", "", False, 0.0)]


def test_server_that_closes_ends_the_talk(town: Town) -> None:
    talk = Echo()
    traveller = Traveller(town, talk)
    town.accept(b"hello").end()
    town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("talk", "", False, 0.0)]
    assert talk.ended


def test_server_that_breaks_off_ends_the_talk_with_a_reason(town: Town) -> None:
    talk = Echo()
    traveller = Traveller(town, talk)
    server = town.accept(b"hello")
    town.until(lambda: server.data)
    server.break_off()
    town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("talk", "Connection reset by peer", False, 0.0)]
    assert talk.ended


def test_server_that_is_not_there_is_not_reached(town: Town) -> None:
    town.listening.close()
    traveller = Traveller(town, Echo())
    town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("connection", "Connection refused", False, 0.0)]


def test_missing_socket_is_told_before_begin_returns(town: Town) -> None:
    traveller = Traveller(town, Echo(), Target(socket.AF_UNIX, "/nonexistent/socket"))
    assert traveller.ends == [Visited("connection", "No such file or directory", False, 0.0)]


def test_silent_server_is_left_at_the_deadline(town: Town) -> None:
    traveller = Traveller(town, Echo())
    server = town.accept()
    town.advance(SECONDS - 0.25)
    assert not traveller.ends
    town.advance(0.5)
    (end,) = traveller.ends
    assert (end.stage, end.failure, end.is_late) == ("talk", "no answer within 2 s", True)
    assert SECONDS <= end.seconds < SECONDS + 0.5
    town.until(lambda: server.fin)


def test_server_that_does_not_accept_is_left_at_the_deadline(town: Town) -> None:
    """The queue of the listening socket is full: the kernel drops what comes, as a firewall would."""
    town.listening.listen(0)
    with socket.create_connection(town.address):
        traveller = Traveller(town, Echo())
        town.advance(SECONDS + 0.25)
    (end,) = traveller.ends
    assert (end.stage, end.failure, end.is_late) == ("connection", "no connection within 2 s", True)


def test_time_is_taken(town: Town) -> None:
    traveller = Traveller(town, Echo())
    server = town.accept(b"hello")
    town.advance(1.0)
    server.send(b"bye")
    town.until(lambda: traveller.ends)
    assert traveller.ends[0].seconds == pytest.approx(1.0)


@pytest.mark.parametrize("is_reached", [False, True])
def test_cancelled_visit_ends_without_a_word(town: Town, is_reached: bool) -> None:
    traveller = Traveller(town, Echo())
    if is_reached:
        server = town.accept(b"hello")
        town.until(lambda: server.data)
    traveller.visit.cancel()
    town.advance(SECONDS + 0.25)
    assert traveller.ends == []
    assert town.poller.ready == {}


def test_server_that_does_not_read_is_left(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Talks are short; what the kernel does not take at once, nobody reads."""
    talk = Echo()
    monkeypatch.setattr(talk, "receive", lambda data: bytes(64 * 1024 * 1024))
    traveller = Traveller(town, talk)
    town.accept(b"hello").reading = False
    town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("talk", "no room for a line", False, 0.0)]


def test_bug_in_a_talk_ends_the_visit(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Echo()
    monkeypatch.setattr(talk, "receive", None)
    traveller = Traveller(town, talk)
    with capturedLogs() as events:
        town.accept(b"hello")
        town.until(lambda: traveller.ends)
    assert traveller.ends == [Visited("talk", "internal error", False, 0.0)]
    assert len(events) == 1


def test_waiting_costs_nothing(town: Town) -> None:
    Traveller(town, Echo())
    town.accept()
    town.advance(0.25)
    assert not is_ready(town.poller)


def test_no_descriptor_is_left_behind(town: Town) -> None:
    before = len(os.listdir("/proc/self/fd"))
    traveller = Traveller(town, Echo())
    town.accept(b"bye").end()
    town.until(lambda: traveller.ends)
    town.peers.pop().socket.close()
    assert len(os.listdir("/proc/self/fd")) == before


# TLS.

HEADER = b"\r\n\r\n\0\r\nQUIT\n!\0\0\0"


@pytest.fixture
def secure_town() -> Iterator[Town]:
    with Town(client_tls()) as made:
        yield made


def test_talk_is_led_over_tls_behind_the_header(secure_town: Town) -> None:
    traveller = Traveller(secure_town, Echo(), header=HEADER)
    server = secure_town.accept(b"bye")
    secure_town.until(lambda: server.fin)
    assert server.data == b"bye"
    assert traveller.ends == [Visited("talk", "", False, 0.0)]


def test_server_that_is_not_whom_it_should_be_is_not_reached() -> None:
    tls = client_tls(verify="required", verify_name="other.example.org")
    with Town(tls) as town:
        traveller = Traveller(town, Echo(), header=HEADER)
        town.accept()
        town.until(lambda: traveller.ends)
    (end,) = traveller.ends
    assert (end.stage, end.failure) == ("TLS", "certificate is self-signed, and not in the system's authorities")


def test_handshake_that_stalls_is_left_at_the_deadline(secure_town: Town) -> None:
    traveller = Traveller(secure_town, Echo(), header=HEADER)
    secure_town.advance(SECONDS + 0.25)
    (end,) = traveller.ends
    assert (end.stage, end.failure, end.is_late) == ("TLS", "no TLS within 2 s", True)
