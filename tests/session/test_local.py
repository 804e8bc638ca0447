"""Connections that a proxy before us makes for itself: LOCAL headers."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.logger import LogLevel

from mailproxy.proxyprotocol import Command, Family, Header, SslClient, SslTlv, Tlv, TlvType, encode
from mailproxy.session.waiting import LOCAL_SECONDS
from tests.proxyprotocol.vectors import AWS_HEALTH_CHECK
from tests.session.bench import GREETING, Bench, header_of
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer, TlsPeer
from tests.transport.relay import is_ready

BALANCERS = (ip_network("127.0.0.0/8"),)

LOCAL = encode(Header.local()).data
WITH_TLVS = encode(Header.local((Tlv(0xE1, b"one"), SslTlv(SslClient.SSL, 0).tlv()))).data
CHECKS = {"empty": LOCAL, "tlvs": WITH_TLVS, "aws": AWS_HEALTH_CHECK}


def front(make: MakeBench, **settings: Any) -> Bench:
    return make(**{"accept_proxy": BALANCERS, "send_proxy": "v2-ssl"} | settings)


def visit(bench: Bench, header: bytes = LOCAL) -> Peer:
    """Connect with a header, to a frontend with TLS over TLS."""
    if bench.frontend.terms.tls is not None:
        return bench.tls_client(prefix=header)
    client = bench.client()
    client.send(header)
    return client


@pytest.fixture(params=[False, True], ids=["clear", "tls"])
def bench(request: pytest.FixtureRequest, make: MakeBench) -> Bench:
    return front(make, tls=request.param)


@pytest.mark.parametrize("header", CHECKS.values(), ids=CHECKS)
def test_proxy_that_only_looks_costs_no_server(bench: Bench, header: bytes) -> None:
    client = visit(bench, header)
    bench.settle()
    client.end()
    line = bench.over()
    assert not bench.server.is_asked
    assert (line["local"], line["termination"]) == ("yes", "CR")
    assert line["log_level"] is LogLevel.debug


def test_proxy_that_resets_costs_no_server(bench: Bench) -> None:
    client = visit(bench)
    bench.settle()
    client.break_off()
    assert bench.over()["termination"] == "CR"
    assert not bench.server.is_asked


def test_header_and_end_in_one_segment_cost_no_server(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(LOCAL)
    client.end()
    bench.over()
    assert not bench.server.is_asked


def test_looking_without_a_handshake_is_no_failed_one(make: MakeBench) -> None:
    bench = front(make, tls=True)
    client = bench.client()
    client.send(LOCAL)
    bench.settle()
    client.end()
    assert bench.over()["log_level"] is LogLevel.debug
    assert bench.frontend.counters.handshake_errors == 0


def test_proxy_that_waits_gets_a_server_s_greeting(bench: Bench) -> None:
    client = visit(bench)
    bench.advance(LOCAL_SECONDS * 0.5)
    assert not bench.server.is_asked
    bench.advance(LOCAL_SECONDS)
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING and server.data)
    assert header_of(server).command is Command.LOCAL
    client.send(b"a logout\r\n")
    bench.until(lambda: server.data == b"a logout\r\n")
    for peer in (client, server):
        peer.end()
    line = bench.over()
    assert (line["local"], line["server"], line["log_level"]) == ("yes", "d1", LogLevel.info)


@pytest.mark.parametrize("leaves", [False, True])
def test_proxy_that_speaks_at_once_gets_a_server(bench: Bench, leaves: bool) -> None:
    client = visit(bench)
    bench.until(lambda: not isinstance(client, TlsPeer) or client.secured)
    client.send(b"a logout\r\n")
    if leaves:
        client.end()
    bench.advance(LOCAL_SECONDS * 2)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    assert header_of(server).command is Command.LOCAL
    bench.until(lambda: server.data == b"a logout\r\n")


@pytest.mark.parametrize("profile", ["dovecot", "generic"])
def test_what_a_proxy_says_of_itself_is_not_passed_on(make: MakeBench, profile: str) -> None:
    bench = front(make, backend={"profile": profile, "pass_tlvs": (0xE1, TlvType.SSL)})
    visit(bench, WITH_TLVS)
    bench.advance(1)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    header = header_of(server)
    assert (header.command, header.family) == (Command.LOCAL, Family.UNSPEC)
    assert header.first(0xE1) is None
    assert header.ssl is None or not header.ssl.client


def test_version_1_has_no_local(make: MakeBench) -> None:
    bench = front(make, send_proxy="v1")
    visit(bench)
    bench.advance(1)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data == b"PROXY UNKNOWN\r\n")


def test_login_before_starttls_is_handed_over(make: MakeBench) -> None:
    bench = front(make, mode="starttls-optional", tls=True, capabilities=("IMAP4rev1",))
    client = visit_without_tls(bench)
    client.send(b"a login me secret\r\n")
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    assert header_of(server).command is Command.LOCAL


def test_greeting_before_starttls_costs_no_server(make: MakeBench) -> None:
    bench = front(make, mode="starttls", tls=True, capabilities=("IMAP4rev1",))
    client = visit_without_tls(bench)
    client.send(b"a logout\r\n")
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["local"], line["log_level"]) == ("yes", LogLevel.debug)
    assert not bench.server.is_asked


def visit_without_tls(bench: Bench) -> Peer:
    """Connect with a header and read our greeting."""
    client = bench.client()
    client.send(LOCAL)
    bench.until(lambda: client.data)
    return client


def test_nothing_spins_while_a_proxy_waits(bench: Bench) -> None:
    visit(bench)
    bench.settle()
    assert not is_ready(bench.poller)
