"""Connections for probes: what they send, and how they end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mailproxy.checks.connection import ConnectionEnd, ProbeConnection
from mailproxy.transport.outgoing import Target
from tests.checks.bench import Bench
from tests.tls.servers import client_tls
from tests.transport.relay import is_ready

SECONDS = 2.0


class Echo:
    """Echoes everything until it receives a goodbye."""

    def __init__(self, *, done: bool = False) -> None:
        self.received = b""
        self.done = done
        self.ended = False

    def receive(self, data: bytes) -> bytes:
        self.received += data
        self.done = self.received.endswith(b"bye")
        return data

    def end(self) -> None:
        self.ended = True


class Recorded:
    """A connection that has begun, and how it ended."""

    def __init__(self, bench: Bench, probe: Echo, target: Target | None = None, header: Any = b"", **more: Any) -> None:
        self.ends: list[ConnectionEnd] = []
        self.connection = ProbeConnection(
            target or bench.target,
            header,
            probe,
            SECONDS,
            self.ends.append,
            poller=bench.poller,
            timeouts=bench.timeouts,
            **more,
        )
        bench.at_the_end(self.connection.cancel)
        self.connection.begin()


def test_connection_lasts_until_the_probe_is_done(bench: Bench) -> None:
    probe = Echo()
    recorded = Recorded(bench, probe)
    server = bench.accept(b"hello")
    bench.until(lambda: server.data == b"hello")
    server.send(b"bye")
    bench.until(lambda: server.fin)
    assert server.data == b"hellobye"
    assert recorded.ends == [ConnectionEnd("answer", "", False, 0.0)]
    assert not probe.ended


def test_header_comes_first(bench: Bench) -> None:
    Recorded(bench, Echo(), header=b"header", opening=b"opening")
    server = bench.accept()
    bench.until(lambda: server.data == b"headeropening")


def test_header_may_be_made_of_the_socket(bench: Bench) -> None:
    def header(sock: socket.SocketType) -> bytes:
        assert sock.getpeername() == bench.address
        return str(sock.getsockname()[1]).encode()

    Recorded(bench, Echo(), header=header)
    server = bench.accept()
    bench.until(lambda: server.data)
    assert int(server.data) == server.socket.getpeername()[1]


def test_probe_without_words_is_done_once_connected(bench: Bench) -> None:
    recorded = Recorded(bench, Echo(done=True))
    bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("answer", "", False, 0.0)]


def test_server_that_closes_ends_the_probe(bench: Bench) -> None:
    probe = Echo()
    recorded = Recorded(bench, probe)
    bench.accept(b"hello").end()
    bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("answer", "", False, 0.0)]
    assert probe.ended


def test_server_that_resets_ends_the_probe_with_a_reason(bench: Bench) -> None:
    probe = Echo()
    recorded = Recorded(bench, probe)
    server = bench.accept(b"hello")
    bench.until(lambda: server.data)
    server.break_off()
    bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("answer", "Connection reset by peer", False, 0.0)]
    assert probe.ended


def test_server_that_is_not_there_is_not_reached(bench: Bench) -> None:
    bench.listening.close()
    recorded = Recorded(bench, Echo())
    bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("connection", "Connection refused", False, 0.0)]


def test_missing_socket_is_reported_before_begin_returns(bench: Bench) -> None:
    recorded = Recorded(bench, Echo(), Target(socket.AF_UNIX, "/nonexistent/socket"))
    assert recorded.ends == [ConnectionEnd("connection", "No such file or directory", False, 0.0)]


def test_silent_server_is_left_at_the_deadline(bench: Bench) -> None:
    recorded = Recorded(bench, Echo())
    server = bench.accept()
    bench.advance(SECONDS - 0.25)
    assert not recorded.ends
    bench.advance(0.5)
    (end,) = recorded.ends
    assert (end.stage, end.failure, end.is_late) == ("answer", "no answer within 2 s", True)
    assert SECONDS <= end.seconds < SECONDS + 0.5
    bench.until(lambda: server.fin)


def test_server_that_does_not_accept_is_left_at_the_deadline(bench: Bench) -> None:
    """The queue of the listening socket is full: the kernel drops what comes, as a firewall would."""
    bench.listening.listen(0)
    with socket.create_connection(bench.address):
        recorded = Recorded(bench, Echo())
        bench.advance(SECONDS + 0.25)
    (end,) = recorded.ends
    assert (end.stage, end.failure, end.is_late) == ("connection", "no connection within 2 s", True)


def test_time_is_taken(bench: Bench) -> None:
    recorded = Recorded(bench, Echo())
    server = bench.accept(b"hello")
    bench.advance(1.0)
    server.send(b"bye")
    bench.until(lambda: recorded.ends)
    assert recorded.ends[0].seconds == pytest.approx(1.0)


@pytest.mark.parametrize("is_reached", [False, True])
def test_cancelled_connection_reports_nothing(bench: Bench, is_reached: bool) -> None:
    recorded = Recorded(bench, Echo())
    if is_reached:
        server = bench.accept(b"hello")
        bench.until(lambda: server.data)
    recorded.connection.cancel()
    bench.advance(SECONDS + 0.25)
    assert recorded.ends == []
    assert bench.poller.ready == {}


def test_server_that_does_not_read_is_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes send little: a server that leaves the kernel no room for it does not read."""
    probe = Echo()
    monkeypatch.setattr(probe, "receive", lambda data: bytes(64 * 1024 * 1024))
    recorded = Recorded(bench, probe)
    bench.accept(b"hello").reading = False
    bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("answer", "the server does not read", False, 0.0)]


def test_bug_in_a_probe_ends_the_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Echo()
    monkeypatch.setattr(probe, "receive", None)
    recorded = Recorded(bench, probe)
    with capturedLogs() as events:
        bench.accept(b"hello")
        bench.until(lambda: recorded.ends)
    assert recorded.ends == [ConnectionEnd("answer", "internal error", False, 0.0)]
    assert len(events) == 1


def test_waiting_costs_nothing(bench: Bench) -> None:
    Recorded(bench, Echo())
    bench.accept()
    bench.advance(0.25)
    assert not is_ready(bench.poller)


def test_no_descriptor_is_left_behind(bench: Bench) -> None:
    before = len(os.listdir("/proc/self/fd"))
    recorded = Recorded(bench, Echo())
    bench.accept(b"bye").end()
    bench.until(lambda: recorded.ends)
    bench.peers.pop().socket.close()
    assert len(os.listdir("/proc/self/fd")) == before


# TLS.

HEADER = b"\r\n\r\n\0\r\nQUIT\n!\0\0\0"


@pytest.fixture
def tls_bench() -> Iterator[Bench]:
    with Bench(client_tls()) as made:
        yield made


def test_probe_speaks_over_tls_behind_the_header(tls_bench: Bench) -> None:
    recorded = Recorded(tls_bench, Echo(), header=HEADER)
    server = tls_bench.accept(b"bye")
    tls_bench.until(lambda: server.fin)
    assert server.data == b"bye"
    assert recorded.ends == [ConnectionEnd("answer", "", False, 0.0)]


def test_server_that_is_not_whom_it_should_be_is_not_reached() -> None:
    tls = client_tls(verify="required", verify_name="other.example.org")
    with Bench(tls) as bench:
        recorded = Recorded(bench, Echo(), header=HEADER)
        bench.accept()
        bench.until(lambda: recorded.ends)
    (end,) = recorded.ends
    assert (end.stage, end.failure) == ("TLS", "certificate is self-signed, and not in the system's authorities")


def test_handshake_that_stalls_is_left_at_the_deadline(tls_bench: Bench) -> None:
    recorded = Recorded(tls_bench, Echo(), header=HEADER)
    tls_bench.advance(SECONDS + 0.25)
    (end,) = recorded.ends
    assert (end.stage, end.failure, end.is_late) == ("TLS", "no TLS within 2 s", True)
