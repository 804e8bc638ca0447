"""Refused logins, seen in what a server says."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from mailproxy.mail.refused_logins import RefusedLogins
from mailproxy.session.login_watch import EVENT_BYTES, WATCHED_BYTES, LoginWatch
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

REFUSED = b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"


@pytest.fixture
def bench(make: MakeBench) -> Bench:
    """A frontend that logs refused logins."""
    return make(log_refused_logins=True)


def is_watched(bench: Bench) -> bool:
    stream = bench.session.stream
    assert stream is not None
    return bench.poller.ready[stream.fd] != stream.on_event


def server_sends(bench: Bench, server: Peer, client: Peer, data: bytes) -> None:
    """The server says something, and the client gets it, whole and at once."""
    client.data.clear()
    server.send(data)
    bench.until(lambda: bytes(client.data) == data)


def test_refused_logins_are_in_the_line_of_the_session(bench: Bench) -> None:
    client, server = bench.relay()
    server_sends(bench, server, client, REFUSED)
    server_sends(bench, server, client, REFUSED)
    client.close()
    server.close()
    assert bench.over()["auth_failures"] == 2


def test_session_without_refused_logins_has_no_such_field(bench: Bench) -> None:
    client, server = bench.relay()
    server_sends(bench, server, client, b"a OK Logged in\r\n")
    client.close()
    server.close()
    assert "auth_failures" not in bench.over()


def test_pieces_of_a_refusal_are_not_delayed(bench: Bench) -> None:
    client, server = bench.relay()
    for place in range(0, len(REFUSED), 7):
        server_sends(bench, server, client, REFUSED[place : place + 7])
    assert bench.session.auth_failures == 1


def test_refusal_with_which_the_server_closes_counts(bench: Bench) -> None:
    client, server = bench.relay()
    server.send(REFUSED)
    server.close()
    bench.until(lambda: client.data)
    client.close()
    assert bench.over()["auth_failures"] == 1


def test_successful_login_ends_the_watch(bench: Bench) -> None:
    client, server = bench.relay()
    assert is_watched(bench)
    server_sends(bench, server, client, b"a OK Logged in\r\n* FLAGS ()\r\n" + REFUSED)
    assert not is_watched(bench)
    assert bench.session.auth_failures == 0


def test_only_the_first_bytes_are_watched(bench: Bench) -> None:
    client, server = bench.relay()
    line = b"a OK " + b"x" * 92 + b"\r\n"
    server_sends(bench, server, client, line * ((WATCHED_BYTES - 2 * EVENT_BYTES) // len(line)))
    assert is_watched(bench)
    server_sends(bench, server, client, line)
    assert not is_watched(bench)
    server_sends(bench, server, client, REFUSED)
    assert bench.session.auth_failures == 0


def test_short_lines_are_not_watched_for_long(bench: Bench) -> None:
    client, server = bench.relay()
    reads = 0
    while is_watched(bench):
        server_sends(bench, server, client, b"+\r\n")
        reads += 1
    assert 200 < reads <= 256


def test_commands_before_a_login_do_not_hide_it(bench: Bench) -> None:
    client, server = bench.relay()
    for _ in range(100):
        server_sends(bench, server, client, b"a OK NOOP completed.\r\n")
    server_sends(bench, server, client, REFUSED)
    assert bench.session.auth_failures == 1


def test_refusal_in_one_piece_with_many_bytes_counts_if_it_is_among_the_first(bench: Bench) -> None:
    client, server = bench.relay()
    server_sends(bench, server, client, REFUSED + b"a OK\r\n" * 20_000 + REFUSED)
    assert bench.session.auth_failures == 1


def test_nothing_is_watched_unless_it_is_wanted(make: MakeBench) -> None:
    bench = make()
    client, server = bench.relay()
    assert not is_watched(bench)
    server_sends(bench, server, client, REFUSED)
    assert bench.session.auth_failures == 0


@pytest.mark.parametrize("protocol", ["lmtp", "tcp"])
def test_protocol_without_logins_is_not_watched(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol, log_refused_logins=True)
    bench.client()
    server = bench.server.accept(b"220 ready\r\n")
    bench.until(lambda: bench.session.stream is not None)
    assert not is_watched(bench)
    server.close()


def test_login_after_starttls_is_watched(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls", log_refused_logins=True)
    client = bench.starttls_client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: bench.session.stream is not None)
    server_sends(bench, server, client, REFUSED)
    assert bench.session.auth_failures == 1


def test_bug_in_the_watch_ends_its_session(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: object, data: bytes) -> Any:
        raise ZeroDivisionError("a bug")

    bench.expects_bugs = True
    monkeypatch.setattr(RefusedLogins, "receive", receive)
    client, server = bench.relay()
    server.send(REFUSED)
    bench.until(lambda: client.fin or client.reset)
    assert bench.over()["termination"] == "ID"
    assert bench.bugs()


def test_watch_that_ends_with_its_socket_leaves_nothing_in_the_poller() -> None:
    def read_and_close(events: int) -> None:
        stream.received += WATCHED_BYTES
        stream.fd = -1

    stream: Any = SimpleNamespace(received=0, fd=7)
    session: Any = SimpleNamespace(poller=SimpleNamespace(ready={}), logins_refused=lambda count: None)
    LoginWatch(session, stream, re.compile(rb"(?!)"), read_and_close).on_event(0)
    assert session.poller.ready == {}
