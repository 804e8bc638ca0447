"""Sessions with TLS to the server: connecting, refusals, and the end."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mailproxy.config import ServerTls
from mailproxy.mail.refusal import refusal
from mailproxy.proxyprotocol import decode
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME, issued, server_context
from tests.transport.peers import TlsServerPeer

CONNECT = 5.0


@pytest.fixture
def trust(tmp_path: Path) -> ServerTls:
    """Trust in the certificate of the bench's servers."""
    path = tmp_path / "authority.pem"
    path.write_bytes(issued(NAME).certificate_pem)
    return ServerTls(ca=str(path), verify_name=NAME)


def refused(bench: Bench) -> str:
    """Have a client refused, and return the logged reason."""
    client = bench.client()
    for server in bench.servers:
        server.accept()
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
    client.end()
    line = bench.over()
    assert line["termination"] == "SC"
    return str(line["reason"])


def test_client_without_tls_speaks_with_a_server_on_tls(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust)
    client, server = bench.relay()
    client.send(b"a login\r\n")
    bench.until(lambda: server.data == b"a login\r\n")
    server.send(b"a OK\r\n")
    bench.until(lambda: client.data == b"a OK\r\n")


def test_header_of_the_client_comes_before_tls(make: MakeBench, trust: ServerTls) -> None:
    bench = make(tls=True, server_tls=trust, send_proxy="v2-ssl")
    _, server = bench.relay()
    assert isinstance(server, TlsServerPeer)
    header = decode(server.header)
    assert header.ssl is not None
    assert header.ssl.version == "TLSv1.3"


def test_greeting_after_starttls_is_read_through_tls(make: MakeBench, trust: ServerTls) -> None:
    bench = make(tls=True, mode="starttls", server_tls=trust)
    client = bench.starttls_client()
    server = bench.server.accept(GREETING)
    client.send(b"a NOOP\r\n")
    bench.until(lambda: server.data == b"a NOOP\r\n")


def test_tcp_waits_for_the_handshake(make: MakeBench, trust: ServerTls) -> None:
    bench = make(protocol="tcp", server_tls=trust)
    client = bench.client()
    client.send(b"first word")
    server = bench.server.accept()
    bench.until(lambda: server.data == b"first word")


def test_wrong_name_is_a_server_that_is_not_there(make: MakeBench, trust: ServerTls) -> None:
    trust = ServerTls(ca=trust.ca, verify_name="imap.example.org")
    bench = make(server_tls=trust, backend={"retries": 0})
    assert refused(bench) == f"certificate is for {NAME}, not for imap.example.org"


def test_address_is_what_is_verified_without_a_name(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=ServerTls(ca=trust.ca), backend={"retries": 0})
    assert refused(bench) == f"certificate is for {NAME}, not for 127.0.0.1"


def test_unknown_certificate_is_a_server_that_is_not_there(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust, backend={"retries": 0})
    bench.server_context = server_context(issued("other.example.org").pem)
    assert refused(bench) == f"certificate is self-signed, and not in {trust.ca}"


def test_server_without_tls_is_reported(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust, backend={"retries": 0})
    bench.server_tls = None
    client = bench.client()
    bench.server.accept(GREETING)
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"] == "TLS handshake: wrong version number, does the server speak TLS there?"


def test_next_server_is_asked_when_one_is_refused(make: MakeBench, trust: ServerTls) -> None:
    bench = make(servers=2, server_tls=trust)
    good, bench.server_context = bench.server_context, server_context(issued("other.example.org").pem)
    client = bench.client()
    bench.servers[0].accept()
    bench.server_context = good
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_server_that_stalls_in_the_handshake_is_given_up(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust, backend={"retries": 0}, connect=CONNECT)
    bench.server_tls = None  # it takes the connection, and says nothing
    client = bench.client()
    server = bench.server.accept()
    bench.advance(CONNECT - 0.25)
    assert not client.fin
    bench.advance(0.5)
    assert server.fin or server.reset
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("sC", "no TLS within 5 s")


def test_server_that_stalls_behind_the_handshake_is_given_up(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust, backend={"retries": 0}, connect=CONNECT)
    client = bench.client()
    bench.server.accept()
    bench.advance(CONNECT + 0.25)
    client.end()
    assert bench.over()["reason"].partition(";")[0] == "no greeting within 5 s"


def test_client_that_goes_during_the_handshake_ends_it(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust)
    bench.server_tls = None
    client = bench.client()
    server = bench.server.accept()
    client.break_off()
    bench.until(lambda: server.fin or server.reset)
    assert bench.over()["termination"] == "CC"


def test_server_name_is_the_client_s(make: MakeBench, trust: ServerTls) -> None:
    bench = make(tls=True, server_tls=ServerTls(ca=trust.ca, verify_name=NAME, sni="client"))
    asked: list[str | None] = []
    bench.server_context.sni_callback = lambda tls, name, own: asked.append(name)
    bench.relay(bench.tls_client(server_name="imap.example.com"))
    assert asked == ["imap.example.com"]


def test_session_is_taken_up_by_the_next_client_s(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust)
    taken_up = []
    for _ in range(2):
        client, server = bench.relay()
        assert isinstance(server, TlsServerPeer)
        taken_up.append(server.tls.session_reused)
        client.end()
        bench.until(lambda server=server: server.fin)  # type: ignore[misc]  # mypy infers no type for a default
        server.end()
        bench.until(lambda: not bench.frontend.sessions)
    assert taken_up == [False, True]


def test_server_sees_the_end_of_its_client(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust)
    client, server = bench.relay()
    client.end()
    bench.until(lambda: server.fin)
    assert isinstance(server, TlsServerPeer)
    assert server.notified


def test_server_sees_the_end_of_a_client_that_broke(make: MakeBench, trust: ServerTls) -> None:
    """Without close_notify, a server logs an error of its own."""
    bench = make(server_tls=trust)
    client, server = bench.relay()
    bench.settle()
    client.break_off()
    bench.until(lambda: server.fin)
    assert isinstance(server, TlsServerPeer)
    assert server.notified
    assert bench.over()["termination"] == "CD"


def test_server_that_wants_a_certificate_of_ours_says_so(make: MakeBench, trust: ServerTls) -> None:
    bench = make(server_tls=trust, backend={"retries": 0})
    bench.server_context.verify_mode = ssl.CERT_REQUIRED
    assert refused(bench) == "tlsv13 alert certificate required"
