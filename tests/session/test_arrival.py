"""PROXY headers at the start of clients' connections: required, allowed and forbidden."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from mailproxy.proxyprotocol import (
    Decoder,
    Header,
    InetAddress,
    SslClient,
    SslTlv,
    SslType,
    Tlv,
    TlvType,
    UnixAddress,
    encode,
)
from mailproxy.session.waiting import LOCAL_SECONDS
from tests.session.bench import GREETING, Bench, header_of
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer, TlsPeer
from tests.transport.relay import is_ready

HERE = (ip_network("127.0.0.0/8"),)
ELSEWHERE = (ip_network("192.0.2.0/24"),)

CLIENT = InetAddress(IPv4Address("198.51.100.7"), 52114)
FRONT = InetAddress(IPv4Address("203.0.113.5"), 993)

V1 = b"PROXY TCP4 198.51.100.7 203.0.113.5 52114 993\r\n"
V2 = encode(Header.proxy(CLIENT, FRONT)).data
LOCAL = encode(Header.local()).data
UNKNOWN = b"PROXY UNKNOWN\r\n"

HEADERS = {"v1": V1, "v2": V2, "local": LOCAL, "unknown": UNKNOWN}


def front(make: MakeBench, **settings: Any) -> Bench:
    return make(**{"accept_proxy": HERE, "send_proxy": "v2"} | settings)


def reported_header(bench: Bench) -> Header:
    """Take the server's end of the connection, and the header that it got."""
    bench.advance(2 * LOCAL_SECONDS)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    return header_of(server)


def refusal(bench: Bench, client: Peer) -> dict[str, Any]:
    """Wait for a refusal, without a connection to a server."""
    bench.until(lambda: client.fin or client.reset)
    client.close()
    line = bench.over()
    assert not bench.server.is_asked
    assert bench.frontend.counters.header_errors == 1
    return line


# From trusted networks.


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_addresses_of_the_header_are_the_client_s(make: MakeBench, kind: str) -> None:
    bench = front(make)
    client = bench.client()
    client.send(HEADERS[kind])
    header = reported_header(bench)
    assert (header.source, header.destination) == (CLIENT, FRONT)
    assert bench.frontend.counters.headers == 1


def test_header_without_addresses_leaves_the_connection_s_own(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(UNKNOWN)
    host, port = client.socket.getsockname()
    assert str(reported_header(bench).source) == f"{host}:{port}"


def test_client_and_who_sent_the_header_are_logged(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    via = "{}:{}".format(*client.socket.getsockname())
    client.send(V2)
    reported_header(bench)
    client.break_off()
    line = bench.over()
    assert (line["client"], line["via"]) == ("198.51.100.7:52114", via)


def test_client_behind_a_unix_socket_of_another_proxy_is_reported_as_such(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(encode(Header.proxy(UnixAddress(b"/client"), UnixAddress(b"/front"))).data)
    reported_header(bench)
    client.break_off()
    assert bench.over()["client"] == "unix"


@pytest.mark.parametrize("kind", HEADERS)
def test_header_may_come_byte_by_byte(make: MakeBench, kind: str) -> None:
    bench = front(make)
    client = bench.client()
    for byte in HEADERS[kind]:
        assert not bench.server.is_asked
        client.send(bytes([byte]))
    assert reported_header(bench)


@pytest.mark.parametrize("kind", HEADERS)
def test_what_is_behind_the_header_is_not_the_header_s(make: MakeBench, kind: str) -> None:
    """A greedy read would take the client's first bytes from the next reader."""
    bench = front(make, send_proxy="none")
    client = bench.client()
    client.send(HEADERS[kind] + b"a login\r\n")
    bench.advance(2 * LOCAL_SECONDS)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data == b"a login\r\n")


@pytest.mark.parametrize("kind", HEADERS)
def test_client_hello_in_the_header_s_segment_is_tls(make: MakeBench, kind: str) -> None:
    bench = front(make, tls=True)
    client = bench.tls_client(prefix=HEADERS[kind])
    reported_header(bench)
    bench.until(lambda: client.data == GREETING)


def test_header_that_does_not_come_is_given_up(make: MakeBench) -> None:
    bench = front(make, timeout={"proxy_header": 5.0})
    client = bench.client()
    client.send(V2[:20])
    bench.advance(4.5)
    assert not client.fin
    bench.advance(1)
    line = refusal(bench, client)
    assert (line["termination"], line["reason"]) == ("cR", "PROXY header: only 20 bytes within 5 s")


def test_slow_header_does_not_gain_time_with_each_byte(make: MakeBench) -> None:
    bench = front(make, timeout={"proxy_header": 5.0})
    client = bench.client()
    for byte in V2[:7]:
        client.send(bytes([byte]))
        bench.advance(1)
    assert client.fin


def test_connection_without_a_header_is_refused(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(b"a login\r\n")
    line = refusal(bench, client)
    assert line["termination"] == "PR"
    assert line["reason"].startswith("PROXY header: byte 0 is 0x61")


def test_tls_without_a_header_is_refused(make: MakeBench) -> None:
    bench = front(make, tls=True)
    assert refusal(bench, bench.tls_client())["termination"] == "PR"


@pytest.mark.parametrize("size", [0, 5, 20])
def test_connection_that_ends_within_the_header_is_the_client_s_end(make: MakeBench, size: int) -> None:
    bench = front(make)
    client = bench.client()
    client.send(V2[:size])
    client.end()
    assert refusal(bench, client)["termination"] == "CR"


def test_reset_within_the_header_is_the_client_s_end(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(V2[:20])
    bench.settle()
    client.break_off()
    assert bench.over()["reason"] == "PROXY header: Connection reset by peer"


def test_waiting_for_a_header_does_not_spin(make: MakeBench) -> None:
    bench = front(make)
    client = bench.client()
    client.send(V2[:20])
    bench.settle()
    assert not is_ready(bench.poller)


# From others.


def test_others_are_clients_of_their_own(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE)
    client = bench.client()
    host, port = client.socket.getsockname()
    assert str(reported_header(bench).source) == f"{host}:{port}"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", HEADERS)
def test_header_from_others_is_refused(make: MakeBench, kind: str, tls: bool) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, tls=tls)
    client = bench.client()
    client.send(HEADERS[kind])
    bench.until(lambda: client.fin or client.reset)
    client.close()
    line = bench.over()
    assert line["termination"] == "PR"
    assert line["reason"] == "PROXY header, and its address, 127.0.0.1, is not in accept-proxy"


def trickle(bench: Bench, client: Peer, data: bytes) -> None:
    """Send bytes one by one, until the front has had enough."""
    for byte in data:
        if client.fin or client.reset:
            break
        client.send(bytes([byte]))
        bench.settle()


@pytest.mark.parametrize("bind", ["inet", "unix"])
@pytest.mark.parametrize("kind", HEADERS)
def test_header_from_others_in_single_bytes_reaches_no_server(make: MakeBench, kind: str, bind: str) -> None:
    bench = front(make, bind=bind, accept_proxy=ELSEWHERE, send_proxy="none")
    client, server = bench.relay()
    trickle(bench, client, HEADERS[kind] + b"a login\r\n")
    bench.until(lambda: client.fin or client.reset)
    assert server.data == b""
    assert bench.frontend.counters.header_errors == 1


@pytest.mark.parametrize("kind", HEADERS)
def test_header_from_others_in_single_bytes_is_refused_before_the_greeting(make: MakeBench, kind: str) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client = bench.client()
    trickle(bench, client, HEADERS[kind])
    bench.until(lambda: client.fin or client.reset)
    assert bench.server.accept().data == b""


@pytest.mark.parametrize("mode", ["starttls", "starttls-optional"])
@pytest.mark.parametrize("kind", HEADERS)
def test_header_from_others_before_starttls_is_no_command(make: MakeBench, kind: str, mode: str) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, mode=mode, tls=True)
    client = bench.client()
    bench.until(lambda: client.data)
    client.data.clear()
    trickle(bench, client, HEADERS[kind])
    line = refusal(bench, client)
    assert line["reason"].startswith("PROXY header, and its address")
    assert client.data == b""


@pytest.mark.parametrize("beginning", [b"P", b"PROX", b"\r\n", b"\r\n\r\n\0"])
def test_what_may_be_a_header_waits_until_it_is_none(make: MakeBench, beginning: bytes) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client, server = bench.relay()
    client.send(beginning)
    bench.settle()
    assert server.data == b""
    assert not is_ready(bench.poller)
    client.send(b"x\r\n")
    bench.until(lambda: server.data == beginning + b"x\r\n")
    client.send(b"y\r\n")
    bench.until(lambda: server.data.endswith(b"y\r\n"))
    assert not is_ready(bench.poller)


def test_end_behind_what_may_be_a_header_shows_that_it_is_none(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client, server = bench.relay()
    client.send(b"PROX")
    bench.settle()
    client.end()
    bench.until(lambda: server.data == b"PROX" and server.fin)


def test_client_that_has_sent_nothing_gets_all_that_the_server_sends(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE)
    client, server = bench.relay()
    much = bytes(16_000_000)
    server.send(much)
    bench.peers.remove(client)
    bench.settle()
    assert bench.session.client.backlog
    bench.peers.append(client)
    bench.until(lambda: len(client.data) == len(much))
    assert not is_ready(bench.poller)


@pytest.mark.parametrize("kind", HEADERS)
def test_second_header_is_the_client_s_own_and_refused(make: MakeBench, kind: str) -> None:
    bench = front(make, send_proxy="none")
    client = bench.client()
    client.send(V2)
    server = bench.server.accept(GREETING)
    trickle(bench, client, HEADERS[kind])
    bench.until(lambda: client.fin or client.reset)
    assert server.data == b""
    client.close()
    assert bench.over()["reason"] == "a second PROXY header"


def test_header_from_others_does_not_reach_the_server_behind_the_greeting_either(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client, server = bench.relay()
    client.send(V2)
    bench.until(lambda: client.fin or client.reset)
    assert server.data == b""


def test_others_are_served_beside(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client, server = bench.relay()
    client.send(b"a login\r\n")
    bench.until(lambda: server.data == b"a login\r\n")
    client.send(b"b select\r\n")
    bench.until(lambda: server.data.endswith(b"b select\r\n"))


def test_others_speak_tls_without_a_header(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, tls=True)
    client = bench.tls_client()
    reported_header(bench)
    bench.until(lambda: client.data == GREETING)


@pytest.mark.parametrize("tls", [False, True])
def test_reset_instead_of_first_bytes_is_the_client_s_end(make: MakeBench, tls: bool) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, tls=tls)
    bench.client().break_off()
    assert bench.over()["termination"][0] == "C"


def test_reset_behind_the_greeting_is_the_client_s_end(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, send_proxy="none")
    client, _ = bench.relay()
    client.break_off()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("CD", "Connection reset by peer")


def test_others_are_refused_where_nobody_else_is_wanted(make: MakeBench) -> None:
    bench = front(make, accept_proxy=ELSEWHERE, accept_proxy_only=True)
    line = refusal(bench, bench.client())
    assert (line["termination"], line["reason"]) == ("PR", "its address, 127.0.0.1, is not in accept-proxy")


def test_trusted_are_served_where_nobody_else_is_wanted(make: MakeBench) -> None:
    bench = front(make, accept_proxy_only=True)
    bench.client().send(V2)
    assert reported_header(bench).source == CLIENT


def test_client_s_own_address_decides(make: MakeBench) -> None:
    bench = front(make, accept_proxy=(ip_network("127.0.0.2/32"),))
    bench.client("127.0.0.2").send(V2)
    assert reported_header(bench).source == CLIENT


# From those who may.


def optional(make: MakeBench, **settings: Any) -> Bench:
    return front(make, **{"accept_proxy": (), "accept_proxy_optional": HERE} | settings)


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_optional_header_is_taken(make: MakeBench, kind: str) -> None:
    bench = optional(make)
    bench.client().send(HEADERS[kind])
    assert reported_header(bench).source == CLIENT


def test_optional_header_may_come_in_pieces(make: MakeBench) -> None:
    bench = optional(make)
    client = bench.client()
    client.send(V2[:1])
    bench.settle()
    client.send(V2[1:])
    assert reported_header(bench).source == CLIENT


def test_other_first_bytes_are_the_client_s(make: MakeBench) -> None:
    bench = optional(make, tls=True)
    client = bench.tls_client()
    host, port = client.socket.getsockname()
    assert str(reported_header(bench).source) == f"{host}:{port}"
    bench.until(lambda: client.data == GREETING)


def test_silent_client_without_an_optional_header_is_served_soon(make: MakeBench) -> None:
    bench = optional(make, timeout={"proxy_header": 5.0, "proxy_header_optional": 0.5}, send_proxy="none")
    client = bench.client()
    bench.advance(0.25)
    assert not bench.server.is_asked
    bench.advance(0.5)
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    client.send(b"a login\r\n")
    bench.until(lambda: server.data == b"a login\r\n")


def test_optional_header_that_has_begun_has_the_time_of_others(make: MakeBench) -> None:
    bench = optional(make, timeout={"proxy_header": 5.0, "proxy_header_optional": 0.5})
    client = bench.client()
    client.send(V2[:1])
    bench.advance(4)
    client.send(V2[1:])
    assert reported_header(bench).source == CLIENT


def test_optional_header_that_stays_unfinished_is_given_up(make: MakeBench) -> None:
    bench = optional(make, timeout={"proxy_header": 5.0, "proxy_header_optional": 0.5})
    client = bench.client()
    client.send(V2[:20])
    bench.advance(6)
    line = refusal(bench, client)
    assert (line["termination"], line["reason"]) == ("cR", "PROXY header: only 20 bytes within 5 s")


def test_optional_header_that_begins_late_is_refused(make: MakeBench) -> None:
    bench = optional(make, timeout={"proxy_header_optional": 0.5}, send_proxy="none")
    client = bench.client()
    bench.advance(1)
    server = bench.server.accept(GREETING)
    trickle(bench, client, V2)
    bench.until(lambda: client.fin or client.reset)
    assert server.data == b""
    client.close()
    assert bench.over()["reason"] == "PROXY header after 0.5 s without a byte"


def test_client_that_goes_without_an_optional_header_is_over(make: MakeBench) -> None:
    bench = optional(make, tls=True)
    client = bench.client()
    client.end()
    assert bench.over()["termination"] == "CR"


# TLVs.


def test_received_tlvs_are_logged_by_name(make: MakeBench) -> None:
    types = (TlvType.AUTHORITY, TlvType.AZURE, TlvType.AWS, TlvType.GCP, TlvType.UNIQUE_ID, 0xE1)
    bench = front(make, log_tlvs=types)
    tlvs = (
        Tlv(TlvType.AUTHORITY, b"mail.example.org"),
        Tlv(TlvType.AZURE, b"\x01" + (42).to_bytes(4, "little")),
        Tlv(TlvType.AWS, b"\x01vpce-1a2b"),
        Tlv(TlvType.GCP, (43).to_bytes(8)),
        Tlv(TlvType.UNIQUE_ID, b"\x00\xff"),
        Tlv(0xE1, b"one"),
        Tlv(0xE1, b'two "2"'),
    )
    client = bench.client()
    client.send(encode(Header.proxy(CLIENT, FRONT, tlvs)).data)
    reported_header(bench)
    client.break_off()
    line = bench.over()
    assert line["tlv_authority"] == "mail.example.org"
    assert line["tlv_azure"] == "42"
    assert line["tlv_aws"] == "vpce-1a2b"
    assert line["tlv_gcp"] == "43"
    assert line["tlv_unique_id"] == "hex:00ff"
    assert line["tlv_0xe1"] == "one,hex:74776f20223222"


def logged(make: MakeBench, header: Header, **settings: Any) -> dict[str, Any]:
    """Return what is logged of a client with this header."""
    bench = front(make, **settings)
    client = bench.client()
    client.send(encode(header).data)
    reported_header(bench)
    client.break_off()
    return bench.over()


FORGED = b"x\n2026-11-29T00:00:00.000Z info session id=1 client=192.0.2.66:1 auth_failures=9 \x1b[2J"


@pytest.mark.parametrize("type", [*TlvType, 0xE1])
@pytest.mark.parametrize("first", [b"", b"\x01"])
def test_no_tlv_forges_a_line_or_a_field(make: MakeBench, type: int, first: bytes) -> None:
    """Whatever the type: what is not plain text is in hexadecimal digits."""
    if type in (TlvType.SSL, TlvType.CRC32C):
        return
    line = logged(make, Header.proxy(CLIENT, FRONT, (Tlv(type, first + FORGED[:100]),)), log_tlvs=(type,))
    (value,) = [value for key, value in line.items() if key.startswith("tlv_")]
    assert value.startswith("hex:")
    assert line["line"].isprintable()
    assert line["client"] in line["line"].split("client=")[1]
    assert "192.0.2.66" not in line["line"]


def test_empty_tlv_is_logged_as_such(make: MakeBench) -> None:
    line = logged(make, Header.proxy(CLIENT, FRONT, (Tlv(0xE1, b""),)), log_tlvs=(0xE1,))
    assert line["tlv_0xe1"] == ""
    assert ' tlv_0xe1="" ' in line["line"]


def test_received_facts_of_tls_are_logged_one_by_one(make: MakeBench) -> None:
    value = SslTlv(
        SslClient.SSL | SslClient.CERT_SESS,
        18,
        (Tlv(SslType.VERSION, b"TLSv1.3"), Tlv(SslType.CN, "Zoë Doe".encode()), Tlv(0x2F, b"\xff")),
    )
    line = logged(make, Header.proxy(CLIENT, FRONT, (value.tlv(),)), log_tlvs=(TlvType.SSL,))
    assert {key: value for key, value in line.items() if key.startswith("tlv_")} == {
        "tlv_ssl": "ssl,cert_sess",
        "tlv_ssl_verify": 18,
        "tlv_ssl_version": "TLSv1.3",
        "tlv_ssl_cn": "Zoë Doe",
        "tlv_0x2f": "hex:ff",
    }
    assert r'tlv_ssl_cn="Zo\u00eb Doe" tlv_0x2f=hex:ff ' in line["line"]


@pytest.mark.parametrize(("names", "shown"), [((b"a,b",), r"a\,b"), ((b"a", b"b"), "a,b")])
def test_received_common_name_with_a_comma_is_not_two_names(
    make: MakeBench, names: tuple[bytes, ...], shown: str
) -> None:
    value = SslTlv(SslClient.SSL, 18, tuple(Tlv(SslType.CN, name) for name in names))
    line = logged(make, Header.proxy(CLIENT, FRONT, (value.tlv(),)), log_tlvs=(TlvType.SSL,))
    assert line["tlv_ssl_cn"] == shown


def test_received_word_that_a_client_is_without_tls_is_logged(make: MakeBench) -> None:
    header = Header.proxy(CLIENT, FRONT, (SslTlv(SslClient(0), 0).tlv(),))
    line = logged(make, header, log_tlvs=(TlvType.SSL, TlvType.ALPN))
    assert (line["tlv_ssl"], line["tlv_ssl_verify"]) == ("clear", 0)


def test_missing_facts_of_tls_are_not_logged(make: MakeBench) -> None:
    line = logged(make, Header.proxy(CLIENT, FRONT), log_tlvs=(TlvType.SSL,))
    assert "tlv_ssl" not in line


def test_ipv4_mapped_client_is_logged_as_ipv4(make: MakeBench) -> None:
    assert logged(make, Header.proxy(CLIENT.mapped, FRONT.mapped))["client"] == "198.51.100.7:52114"


def test_received_tlvs_are_passed_on(make: MakeBench) -> None:
    bench = front(make, backend={"pass_tlvs": (0xE1,)})
    client = bench.client()
    client.send(encode(Header.proxy(CLIENT, FRONT, (Tlv(0xE1, b"one"), Tlv(0xE2, b"two"), Tlv(0xE1, b"three")))).data)
    assert [tlv.value for tlv in reported_header(bench).tlvs if tlv.type >= 0xE0] == [b"one", b"three"]


def test_bug_while_a_header_is_read_ends_the_session(make: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = front(make)
    bench.expects_bugs = True
    with monkeypatch.context() as broken:
        broken.setattr(Decoder, "feed", None)
        client = bench.client()
        client.send(V2)
        bench.until(lambda: client.fin or client.reset)
    assert bench.over()["termination"] == "IR"


def test_client_of_tls_is_no_peer_without_tls(make: MakeBench) -> None:
    """What a header says of its client is not what we negotiated: TLS is ours to tell."""
    bench = front(make, send_proxy="v2-ssl", tls=True)
    client = bench.tls_client(prefix=V2)
    header = reported_header(bench)
    assert isinstance(client, TlsPeer)
    assert header.source == CLIENT
    assert header.ssl is not None
    assert header.ssl.version == "TLSv1.3"


def test_header_of_a_unix_client_is_taken(make: MakeBench) -> None:
    bench = front(make, bind="unix", accept_proxy=("unix",), accept_proxy_only=True)
    client = bench.client()
    client.send(V2)
    assert reported_header(bench).source == CLIENT
    for peer in bench.peers:
        peer.end()
    line = bench.over()
    assert (line["client"], line["via"]) == ("198.51.100.7:52114", "unix")


def test_unix_client_without_its_header_is_refused(make: MakeBench) -> None:
    bench = front(make, bind="unix", accept_proxy=("unix",))
    client = bench.client()
    client.send(b"a login\r\n")
    assert refusal(bench, client)["termination"] == "PR"


@pytest.mark.parametrize("header", [V2, b""], ids=["header", "none"])
def test_unix_client_may_send_a_header_or_none(make: MakeBench, header: bytes) -> None:
    bench = optional(make, bind="unix", accept_proxy_optional=("unix",), send_proxy="none")
    client = bench.client()
    client.send(header + b"a login\r\n")
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data == b"a login\r\n")


def test_unix_client_is_no_trusted_one(make: MakeBench) -> None:
    bench = front(make, bind="unix", family="unix", accept_proxy_only=True)
    assert bench.listening.family == socket.AF_UNIX
    line = refusal(bench, bench.client())
    assert (line["termination"], line["reason"]) == ("PR", '"unix" is not in accept-proxy')
