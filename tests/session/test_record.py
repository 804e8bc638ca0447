"""The fields of a session's log record."""

from __future__ import annotations

import re

import pytest
import trustme
from attrs import evolve
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL

from tests.announce.builders import ALICE
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME, tls_server
from tests.transport.peers import client_context


def test_line_names_what_is_known_in_order(make: MakeBench) -> None:
    bench = make(tls=True)
    client, _ = bench.relay()
    client_address = "{}:{}".format(*client.socket.getsockname())
    bench.end()
    line = bench.over()["line"]
    assert re.fullmatch(
        rf"id=[0-9a-f]+-1 frontend=front client={client_address} tls=TLSv1\.3 cipher=TLS_AES_128_GCM_SHA256 "
        rf"group=x25519 sni={NAME} backend=dovecot server=d1 bytes_in=0 bytes_out=12 handshake_ms=0 connect_ms=0 "
        r"total_ms=0 termination=-- first_to_end=server",
        line,
    )


def test_line_is_short_where_little_is_known(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client().break_off()
    line = bench.over()
    assert {"tls", "cipher", "sni", "server", "handshake_ms", "connect_ms"} & line.keys() == set()


def test_fields_and_line_say_the_same(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.relay()
    bench.end()
    event = bench.over()
    for pair in event["line"].split(" "):
        key, value = pair.split("=")
        assert str(event[key]) == value


def test_whole_time_is_reported(make: MakeBench) -> None:
    bench = make(protocol="tcp")
    client = bench.client()
    bench.advance(3)
    client.break_off()
    assert bench.over()["total_ms"] == 3000


def test_time_to_the_greeting_is_reported(make: MakeBench) -> None:
    bench = make()
    client = bench.client()
    server = bench.server.accept()
    bench.advance(2)
    server.send(b"* OK\r\n")
    bench.until(lambda: client.data)
    bench.end()
    assert bench.over()["connect_ms"] == 2000


def test_ids_are_unique(make: MakeBench) -> None:
    bench = make()
    for _ in range(5):
        bench.relay()[0].break_off()
    bench.until(lambda: not bench.frontend.sessions)
    ids = {line["id"] for line in bench.lines()}
    assert len(ids) == 5


def test_resumed_session_is_reported_as_such(make: MakeBench) -> None:
    bench = make(tls=True)
    context = client_context()
    first = bench.tls_client(context)
    bench.relay(first)
    bench.relay(bench.tls_client(context, session=first.tls.session))
    for peer in list(bench.peers):
        peer.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert [line.get("resumed") for line in sorted(bench.lines(), key=lambda line: line["id"])] == [None, "yes"]


def test_application_protocol_is_reported(make: MakeBench) -> None:
    bench = make(tls=tls_server(alpn=("imap",)))
    context = client_context()
    context.set_alpn_protocols(["imap"])
    bench.relay(bench.tls_client(context))
    bench.end()
    assert bench.over()["alpn"] == "imap"


def test_client_certificate_is_reported_with_its_verdict(make: MakeBench) -> None:
    authority = trustme.CA()
    with authority.cert_pem.tempfile() as path:
        server = tls_server(client_certificates="required", client_ca=(path,))
    context = client_context()
    authority.issue_cert("alice@example.org", common_name='alice "the\nadmin"').configure_cert(context)
    bench = make(tls=server)
    bench.relay(bench.tls_client(context))
    bench.end()
    event = bench.over()
    assert event["verify"] == 0
    assert r'cn="alice \"the\nadmin\"" verify=0 ' in event["line"]


def test_client_that_is_refused_for_its_certificate_is_named(make: MakeBench) -> None:
    with trustme.CA().cert_pem.tempfile() as path:
        server = tls_server(client_certificates="required", client_ca=(path,))
    context = client_context()
    other = trustme.CA().issue_cert("mallory@example.org", common_name="mallory\nadmin")
    other.configure_cert(context)
    bench = make(tls=server)
    client = bench.tls_client(context)
    bench.until(lambda: client.fin)
    client.break_off()
    event = bench.over()
    shown = load_pem_x509_certificate(other.cert_chain_pems[0].bytes())
    assert int(event["serial"], 16) == shown.serial_number
    assert rf'cn="mallory\nadmin" serial={event["serial"]} verify=' in event["line"]
    assert "the client's certificate verify failed: unable to get local issuer certificate" in event["reason"]


@pytest.mark.parametrize(
    ("names", "logged"),
    [
        (("alice,admin",), r"alice\,admin"),
        (("alice", "admin"), "alice,admin"),
        (("alice\\", "admin"), r"alice\\,admin"),
    ],
)
def test_common_name_with_a_comma_is_not_two_names(make: MakeBench, names: tuple[str, ...], logged: str) -> None:
    bench = make()
    bench.relay()
    bench.session.facts = evolve(ALICE, client_common_names=names)
    bench.end()
    assert bench.over()["cn"] == logged


def test_server_name_with_a_line_break_makes_no_line(make: MakeBench) -> None:
    bench = make(tls=True)
    sock = bench.socket()
    sock.setblocking(False)
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), sock)
    client.set_tlsext_host_name(b"x\nsession termination=--")
    client.set_connect_state()

    def is_secured() -> bool:
        try:
            client.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    bench.until(is_secured)
    sock.close()
    line = bench.over()["line"]
    assert r' sni="x\nsession termination=--" ' in line
    assert "\n" not in line
