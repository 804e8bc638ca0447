"""What a session has for the formats of a backend's header."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from attrs import evolve

from mailproxy.announce.header import HeaderPolicy
from mailproxy.config.format import FIELDS
from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, TlvType, encode
from mailproxy.rules.decision import Decision
from mailproxy.session.words import header_words
from tests.announce.builders import ALICE, TLS13
from tests.session.bench import Bench
from tests.session.conftest import MakeBench


def words_of(bench: Bench) -> dict[str, str]:
    (session,) = bench.frontend.sessions
    return header_words(session)


@pytest.fixture
def bench(make: MakeBench) -> Bench:
    bench = make(tls=True)
    bench.relay()
    return bench


def test_ends_of_the_connection_are_reported(bench: Bench) -> None:
    words = words_of(bench)
    assert words["client"] == f"{words['src']}:{words['src_port']}"
    host, port = bench.peers[0].socket.getpeername()
    assert (words["dst"], words["dst_port"]) == (host, str(port))


def test_received_addresses_are_reported_and_tlvs_as_the_log_has_them(make: MakeBench) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),), log_tlvs=(0xE3,))
    client = bench.client()
    ends = InetAddress.parse("[2001:db8::1]:5000"), InetAddress.parse("[2001:db8::2]:143")
    client.send(encode(Header.proxy(*ends, (Tlv(0xE3, b"x"), Tlv(0xE4, b"y")))).data)
    bench.server.accept()
    words = words_of(bench)
    assert (words["src"], words["src_port"]) == ("2001:db8::1", "5000")
    assert (words["dst"], words["dst_port"]) == ("2001:db8::2", "143")
    assert words["via"] == "{}:{}".format(*client.socket.getsockname())
    assert words["tlv_0xe3"] == "x"
    assert "tlv_0xe4" not in words


@pytest.mark.parametrize(("name", "reported"), [(b"alice, Dr.", "alice, Dr."), (b"alice\nbob", "")])
def test_received_common_name_is_reported_by_the_rules_for_our_own(make: MakeBench, name: bytes, reported: str) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),), log_tlvs=(TlvType.SSL,))
    ssl = SslTlv(SslClient.SSL | SslClient.CERT_CONN, 0, (Tlv(SslType.CN, name),))
    ends = InetAddress.parse("[2001:db8::1]:5000"), InetAddress.parse("[2001:db8::2]:143")
    bench.client().send(encode(Header.proxy(*ends, (ssl.tlv(),))).data)
    bench.server.accept()
    assert words_of(bench)["tlv_ssl_cn"] == reported


@pytest.mark.parametrize("name", ["a b", "x\nsession", "192.0.2.1", None])
def test_server_name_that_is_no_dns_name_is_not_reported(bench: Bench, name: str | None) -> None:
    (session,) = bench.frontend.sessions
    session.facts = evolve(TLS13, server_name=name)
    assert words_of(bench)["sni"] == ""


def test_common_name_of_a_verified_certificate_is_reported(bench: Bench) -> None:
    (session,) = bench.frontend.sessions
    session.facts = ALICE
    assert words_of(bench)["cn"] == "alice@example.test"


@pytest.mark.parametrize(
    "changes", [{"verify": 18}, {"client_common_names": ("a", "b")}, {"client_common_names": ("a\0b",)}]
)
def test_common_name_that_is_nobodys_is_not_reported(bench: Bench, changes: dict[str, Any]) -> None:
    (session,) = bench.frontend.sessions
    session.facts = evolve(ALICE, **changes)
    assert words_of(bench)["cn"] == ""


def test_every_field_of_a_format_has_a_value_for_some_client(make: MakeBench) -> None:
    bench = make(tls=True, accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.tls_client(prefix=encode(Header.proxy(*2 * (InetAddress.parse("192.0.2.1:5000"),))).data)
    bench.relay(client)
    (session,) = bench.frontend.sessions
    session.facts = evolve(ALICE, resumed=True)
    session.ruling = Decision(rule="office", label="blue")
    assert set(FIELDS) <= words_of(bench).keys()


def test_only_formats_ask_for_words(bench: Bench) -> None:
    assert isinstance(bench.frontend.terms.backend.header, HeaderPolicy)
    assert not bench.frontend.terms.backend.header.has_formats
