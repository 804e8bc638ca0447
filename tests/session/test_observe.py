"""Which failed attempts count against a server (``observe``): what a client can cause counts little or not at all."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from mailproxy.balance.health import Health
from mailproxy.config import Check, ServerTls
from mailproxy.session.dial import TURNAROUND_SECONDS
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME
from tests.transport.peers import Peer

LIMIT = 3
CONNECT = 5.0


def observed(make: MakeBench, **settings: Any) -> Bench:
    """A bench whose only server is marked down at the third error."""
    each = {"check": Check(type="tcp", fall=1), "error_limit": LIMIT}
    return make(each=each, backend={"retries": 0}, **{"send_proxy": "v2", "connect": CONNECT} | settings)


def health(bench: Bench) -> Health:
    (server,) = bench.pool.servers
    assert server.health is not None
    return server.health


def gone(bench: Bench, client: Peer) -> None:
    """Disconnect a client that was refused."""
    bench.until(lambda: client.fin)
    client.end()
    bench.over_one()


def reset(bench: Bench, source: str = "127.0.0.1") -> None:
    """Connect a client whose header crashes the server."""
    client = bench.client(source)
    server = bench.server.accept()
    bench.until(lambda: server.data)
    server.break_off()
    gone(bench, client)


@pytest.mark.parametrize("send_proxy", ["none", "v1", "v2", "v2-ssl"])
@pytest.mark.parametrize("words", [b"* BYE no\r\n", b"* BYE [UNAVAILABLE] no\r\n"])
def test_refusal_never_counts(make: MakeBench, words: bytes, send_proxy: str) -> None:
    bench = observed(make, send_proxy=send_proxy)
    for number in range(2 * LIMIT):
        client = bench.client(f"127.0.0.{number + 1}")
        bench.server.accept(words)
        gone(bench, client)
    assert health(bench).errors == 0
    assert health(bench).is_up


def test_client_at_whose_header_the_server_dies_counts_once(make: MakeBench) -> None:
    bench = observed(make)
    for _ in range(2 * LIMIT):
        reset(bench)
    assert health(bench).errors == 1
    assert health(bench).is_up


def test_server_that_dies_at_every_header_goes_down(make: MakeBench) -> None:
    bench = observed(make)
    for number in range(LIMIT):
        assert health(bench).is_up
        reset(bench, f"127.0.0.{number + 1}")
    assert not health(bench).is_up


def test_client_counts_again_behind_a_success(make: MakeBench) -> None:
    bench = observed(make)
    reset(bench)
    client = bench.client("127.0.0.2")
    bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert health(bench).errors == 0
    reset(bench)
    assert health(bench).errors == 1


def test_silence_counts_once_for_each_source(make: MakeBench) -> None:
    """A server may wait for the client's own DNS."""
    bench = observed(make)
    for _ in range(LIMIT):
        client = bench.client()
        bench.server.accept()
        bench.advance(CONNECT + 0.25)
        client.end()
        bench.over_one()
    assert health(bench).errors == 1


def test_connection_that_is_not_made_counts_each_time(make: MakeBench) -> None:
    bench = observed(make)
    bench.server.refuse()
    for _ in range(LIMIT):
        gone(bench, bench.client())
    assert not health(bench).is_up


def tls_failures(make: MakeBench, sni: str) -> Bench:
    """Connect a client from each of several networks, for which the server ends the handshake."""
    bench = observed(make, tls=True, server_tls=ServerTls(verify="none", sni=sni))
    bench.server_context.sni_callback = lambda tls, name, own: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    for number in range(LIMIT):
        client = bench.tls_client(server_name="unknown.example.org", source=f"127.0.0.{number + 1}")
        bench.server.accept()
        gone(bench, client)
    return bench


def test_tls_failure_never_counts_where_clients_choose_the_name(make: MakeBench) -> None:
    """Otherwise clients of a few networks could mark the server down for all."""
    bench = tls_failures(make, "client")
    assert bench.lines()[-1]["reason"] == "TLS handshake: tlsv1 unrecognized name"
    assert health(bench).errors == 0


def test_tls_failure_counts_once_for_each_source(make: MakeBench) -> None:
    assert not health(tls_failures(make, NAME)).is_up


@pytest.mark.parametrize("sni", ["client", NAME])
def test_stalled_handshake_counts_unless_clients_choose_the_name(make: MakeBench, sni: str) -> None:
    bench = observed(make, tls=True, server_tls=ServerTls(verify="none", sni=sni))
    bench.server_tls = None  # it takes the connection, and says nothing
    client = bench.tls_client()
    bench.server.accept()
    bench.advance(CONNECT + 0.25)
    client.end()
    bench.over_one()
    assert health(bench).errors == (0 if sni == "client" else 1)


def test_connection_that_is_not_made_counts_where_clients_choose_the_name(make: MakeBench) -> None:
    bench = observed(make, tls=True, server_tls=ServerTls(verify="none", sni="client"))
    bench.server.refuse()
    gone(bench, bench.tls_client())
    assert health(bench).errors == 1


def test_server_is_asked_again_after_a_tls_failure_that_does_not_count(make: MakeBench) -> None:
    each = {"check": Check(type="tcp", fall=1)}
    bench = make(each=each, backend={"retries": 1}, tls=True, server_tls=ServerTls(verify="none", sni="client"))
    bench.server_tls = None
    client = bench.tls_client()
    bench.server.accept().break_off()
    bench.settle()
    bench.server_tls = ServerTls()
    bench.advance(TURNAROUND_SECONDS + 0.25)
    bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
