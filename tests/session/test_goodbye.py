"""The goodbye that mailproxy sends in place of a server, and the cases without one."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from mailproxy.config import ServerTls
from mailproxy.mail.refusal import refusal
from mailproxy.session.relay import PAUSE_SECONDS
from mailproxy.session.termination import BACKUP_LEFT, SERVER_DOWN, SHUT_DOWN, Ending
from tests.session.bench import GREETINGS, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer, TlsPeer

BYE = refusal("imap")


@pytest.fixture(params=["clear", "tls", "tls-tls"])
def bench(request: pytest.FixtureRequest, make: MakeBench) -> Bench:
    """An IMAP frontend with one server."""
    server_tls = ServerTls(verify="none") if request.param == "tls-tls" else None
    return make(tls=request.param != "clear", server_tls=server_tls)


def pause(bench: Bench, seconds: float = PAUSE_SECONDS) -> None:
    """Advance the clock; as in a service, the poller's time is updated before sessions are shut down."""
    bench.settle()
    bench.clock.advance(seconds)
    bench.poller.look_at_clock()


def said(bench: Bench, client: Peer) -> bytes:
    """Shut the session down, and return the bytes that the client receives."""
    client.data.clear()
    bench.session.shut_down(SERVER_DOWN, "the server went down")
    bench.until(lambda: client.fin)
    return bytes(client.data)


# Said.


def test_quiet_client_gets_a_goodbye(bench: Bench) -> None:
    client, _ = bench.relay()
    pause(bench)
    assert said(bench, client) == BYE


def test_close_notify_follows_the_goodbye(make: MakeBench) -> None:
    bench = make(tls=True)
    client, _ = bench.relay()
    pause(bench)
    said(bench, client)
    assert isinstance(client, TlsPeer)
    assert client.notified


@pytest.mark.parametrize("protocol", ["imap", "smtp", "submission", "lmtp", "managesieve"])
def test_goodbye_is_in_the_protocol_s_words(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol)
    client = bench.client()
    bench.server.accept(GREETINGS[protocol])
    bench.until(lambda: client.data)
    pause(bench)
    assert said(bench, client) == refusal(protocol)


def test_goodbye_follows_an_answer(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(b"a noop\r\n")
    bench.until(lambda: server.data)
    server.send(b"a OK\r\n")
    bench.until(lambda: client.data)
    pause(bench)
    assert said(bench, client) == BYE


def test_client_that_has_ended_gets_the_goodbye(bench: Bench) -> None:
    """Its server may still have something to say to it."""
    client, server = bench.relay()
    client.end()
    bench.until(lambda: server.fin)
    pause(bench)
    assert said(bench, client) == BYE


def test_client_of_starttls_gets_the_goodbye(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls")
    client = bench.starttls_client()
    bench.server.accept(b"* OK ready\r\n")
    bench.until(lambda: bench.frontend.counters.sessions)
    pause(bench)
    assert said(bench, client) == BYE


@pytest.mark.parametrize("ending", [SERVER_DOWN, BACKUP_LEFT, SHUT_DOWN], ids=lambda ending: ending.who)
def test_letter_names_the_reason(make: MakeBench, ending: Ending) -> None:
    bench = make()
    client, server = bench.relay()
    bench.session.shut_down(ending, "because")
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == (f"{ending.who}D", "because")
    assert server.pull() or server.fin


def test_goodbye_is_none_of_the_server_s_bytes(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    pause(bench)
    said(bench, client)
    client.end()
    assert bench.over()["bytes_out"] == len(b"* OK ready\r\n")


# Left out.


@pytest.mark.parametrize("protocol", ["pop3", "tcp"])
def test_where_servers_only_answer_the_session_ends_without_a_word(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol)
    client = bench.client()
    bench.server.accept(b"+OK\r\n")
    bench.until(lambda: client.data)
    pause(bench)
    assert said(bench, client) == b""


def test_half_a_greeting_gives_way_to_a_refusal(bench: Bench) -> None:
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    bench.server.accept(b"* OK rea")
    bench.settle()
    assert said(bench, client) == BYE


def test_half_a_line_is_not_interrupted(bench: Bench) -> None:
    client, server = bench.relay()
    server.send(b"* 1 FETCH (BODY[] {2000}\r\nFrom:")
    bench.until(lambda: client.data)
    pause(bench, 60)
    assert said(bench, client) == b""


@pytest.mark.parametrize("end", [b"\r", b"x", b"\0"])
def test_only_a_line_end_is_one(make: MakeBench, end: bytes) -> None:
    bench = make()
    client, server = bench.relay()
    server.send(b"\n" + end)
    bench.until(lambda: client.data)
    pause(bench, 60)
    assert said(bench, client) == b""


def test_last_words_of_the_server_have_their_line_end_looked_at(make: MakeBench) -> None:
    bench = make(tls=True, server_tls=ServerTls(verify="none"))
    client, server = bench.relay()
    server.send(bytes(100_000))
    bench.until(lambda: len(client.data) == 100_000)
    pause(bench)
    assert said(bench, client) == b""


def test_busy_server_is_not_interrupted(bench: Bench) -> None:
    client, server = bench.relay()
    pause(bench)
    server.send(b"* 1 EXISTS\r\n")
    bench.until(lambda: client.data)
    pause(bench, PAUSE_SECONDS * 0.9)
    assert said(bench, client) == b""


def test_busy_client_is_not_interrupted(bench: Bench) -> None:
    """Its command is on its way, and so may the answer be."""
    client, server = bench.relay()
    pause(bench)
    client.send(b"a noop\r\n")
    bench.until(lambda: server.data)
    pause(bench, PAUSE_SECONDS * 0.9)
    assert said(bench, client) == b""


def test_greeting_is_not_followed_at_once(bench: Bench) -> None:
    client, _ = bench.relay()
    assert said(bench, client) == b""


def test_backlog_towards_the_client_is_not_cut_into(bench: Bench) -> None:
    client, server = bench.relay()
    client.reading = False
    server.send(b"x" * 11_999_999 + b"\n")
    pause(bench, 30)
    session = bench.session
    assert session.client.backlog
    session.shut_down(SERVER_DOWN, "the server went down")
    client.reading = True
    bench.until(lambda: client.fin)
    assert BYE not in client.data


def test_backlog_towards_the_server_is_something_on_its_way(bench: Bench) -> None:
    client, server = bench.relay()
    server.reading = False
    client.send(b"x" * 11_999_999 + b"\n")
    pause(bench, 30)
    assert bench.session.stream is not None
    assert bench.session.stream.backlog
    assert said(bench, client) == b""


def test_client_in_a_dial_is_refused_instead_of_greeted(make: MakeBench) -> None:
    bench = make()
    client = bench.client()
    bench.server.accept()
    pause(bench, 1)
    assert said(bench, client) == BYE


def test_client_gets_one_goodbye(bench: Bench) -> None:
    client, _ = bench.relay()
    pause(bench)
    session = bench.session
    session.shut_down()
    session.shut_down()
    session.abort()
    bench.until(lambda: client.fin)
    assert client.data == BYE


def test_server_has_said_goodbye_itself(bench: Bench) -> None:
    client, server = bench.relay()
    server.send(b"* BYE\r\n")
    server.end()
    bench.until(lambda: client.fin)
    pause(bench)
    session = bench.session
    session.shut_down(SERVER_DOWN, "the server went down")
    assert client.data == b"* BYE\r\n"
    assert session.termination is not None
    assert session.termination.letters == "DD"
    assert not session.is_over


# Before there is a server: there is nothing to wait for.


def check_ended_at_once(bench: Bench, client: Peer, words: bytes) -> None:
    """Shut the session down, and check that it is over, and that the client gets these words and a clean end."""
    client.data.clear()
    session = bench.session
    session.shut_down()
    assert session.is_over
    bench.until(lambda: client.fin or client.reset)
    assert not client.reset
    assert client.data == words


@pytest.mark.parametrize("mode", ["starttls", "starttls-optional"])
@pytest.mark.parametrize("protocol", ["imap", "smtp", "submission", "lmtp", "managesieve"])
def test_client_before_starttls_gets_the_goodbye(make: MakeBench, mode: str, protocol: str) -> None:
    bench = make(tls=True, mode=mode, protocol=protocol)
    client = bench.client()
    bench.until(lambda: client.data)
    check_ended_at_once(bench, client, refusal(protocol))


def test_pop3_client_before_starttls_gets_no_answer_that_it_did_not_ask_for(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls", protocol="pop3")
    client = bench.client()
    bench.until(lambda: client.data)
    check_ended_at_once(bench, client, b"")


@pytest.mark.parametrize("said", [b"a NO", b"a NOOP\r\n", b"a STARTTLS\r\n"])
def test_what_the_client_has_just_said_does_not_cost_it_the_goodbye(make: MakeBench, said: bytes) -> None:
    """A socket with unread bytes would be reset."""
    bench = make(tls=True, mode="starttls")
    client = bench.client()
    bench.until(lambda: client.data)
    client.send(said)
    check_ended_at_once(bench, client, BYE)


def test_client_that_waits_for_tls_gets_nothing_in_plaintext(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls")
    client = bench.client()
    client.send(b"a STARTTLS\r\n")
    bench.until(lambda: b"a OK" in client.data)
    check_ended_at_once(bench, client, b"")


@pytest.mark.parametrize("said", [b"", b"\x16\3\1\2\0\1", b"\x16\3\1\2\0" + bytes(100)])
def test_client_in_the_handshake_is_not_waited_for(make: MakeBench, said: bytes) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(said)
    bench.settle()
    check_ended_at_once(bench, client, b"")


@pytest.mark.parametrize("said", [b"", b"PROXY TCP4"])
def test_client_without_its_header_is_not_waited_for(make: MakeBench, said: bytes) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.client()
    client.send(said)
    bench.settle()
    check_ended_at_once(bench, client, b"")


def test_client_whose_server_is_dialled_is_not_waited_for(bench: Bench) -> None:
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    client.send(b"a NOOP\r\n")
    bench.server.accept()
    bench.settle()
    check_ended_at_once(bench, client, BYE)
