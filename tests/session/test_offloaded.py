"""Clients whose TLS another proxy has terminated, and the TLS facts in their headers."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from mailproxy.proxyprotocol import Header, SslClient, SslTlv, SslType, Tlv, TlvType, encode
from mailproxy.session.waiting import LOCAL_SECONDS
from tests.session.bench import GREETING, Bench, header_of
from tests.session.conftest import MakeBench
from tests.session.test_arrival import CLIENT, ELSEWHERE, FRONT, HERE, V1, V2

ON_TLS = SslTlv(SslClient.SSL, 1, (Tlv(SslType.VERSION, b"TLSv1.3"),))
WITHOUT_TLS = SslTlv(SslClient(0), 0)
UNKNOWN_TLS = SslTlv(SslClient.SSL, 1)
"""On TLS of which nothing is known."""


def reported(bench: Bench, data: bytes = b"") -> tuple[SslTlv | None, dict[str, Any]]:
    """Connect a client that begins with `data`; return the TLS facts that the server gets, and the log line."""
    client = bench.tls_client(prefix=data) if bench.frontend.terms.tls is not None else bench.client()
    if bench.frontend.terms.tls is None and data:
        client.send(data)
    bench.advance(2 * LOCAL_SECONDS)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    for peer in (client, server):
        peer.break_off()
    return header_of(server).ssl, bench.over()


def front(make: MakeBench, **settings: Any) -> Bench:
    return make(**{"send_proxy": "v2-ssl", "tls_offloaded_by": HERE} | settings)


def with_ssl(value: SslTlv) -> bytes:
    return encode(Header.proxy(CLIENT, FRONT, (value.tlv(),))).data


@pytest.mark.parametrize("header", [V1, V2, with_ssl(ON_TLS), b"PROXY UNKNOWN\r\n"], ids=["v1", "v2", "ssl", "unknown"])
def test_client_of_a_proxy_that_ends_tls_is_on_tls(make: MakeBench, header: bytes) -> None:
    ssl, line = reported(front(make, accept_proxy=HERE), header)
    assert ssl == UNKNOWN_TLS
    assert line["tls"] == "offloaded"


def test_client_without_a_header_is_on_tls(make: MakeBench) -> None:
    ssl, line = reported(front(make))
    assert ssl == UNKNOWN_TLS
    assert line["tls"] == "offloaded"


def test_client_of_a_unix_socket_is_on_tls(make: MakeBench) -> None:
    bench = front(make, bind="unix", accept_proxy=("unix",), tls_offloaded_by=("unix",))
    client = bench.client()
    client.send(V1)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data)
    assert header_of(server).ssl == UNKNOWN_TLS


@pytest.mark.parametrize("networks", [(), ELSEWHERE, ("unix",)], ids=["nobody", "elsewhere", "unix"])
def test_client_from_elsewhere_is_without_tls(make: MakeBench, networks: Any) -> None:
    ssl, line = reported(front(make, accept_proxy=HERE, tls_offloaded_by=networks), V1)
    assert ssl == SslTlv(SslClient(0), 1)
    assert "tls" not in line


def test_address_of_the_header_does_not_count(make: MakeBench) -> None:
    ssl, _ = reported(front(make, accept_proxy=HERE, tls_offloaded_by=(ip_network("198.51.100.0/24"),)), V1)
    assert ssl == SslTlv(SslClient(0), 1)


def test_header_that_says_without_tls_is_believed(make: MakeBench) -> None:
    ssl, line = reported(front(make, accept_proxy=HERE), with_ssl(WITHOUT_TLS))
    assert ssl == SslTlv(SslClient(0), 1)
    assert "tls" not in line


def test_facts_of_the_header_that_are_passed_on_say_more(make: MakeBench) -> None:
    bench = front(make, accept_proxy=HERE, backend={"pass_tlvs": (TlvType.SSL,)})
    ssl, line = reported(bench, with_ssl(ON_TLS))
    assert ssl == ON_TLS
    assert "left_out" not in line


def test_proxy_s_own_connection_is_no_client_on_tls(make: MakeBench) -> None:
    ssl, line = reported(front(make, accept_proxy=HERE), encode(Header.local()).data)
    assert ssl is None or not ssl.client
    assert "tls" not in line


@pytest.mark.parametrize(("value", "tls"), [(ON_TLS, "passed"), (WITHOUT_TLS, None)])
def test_tls_that_is_passed_on_is_logged(make: MakeBench, value: SslTlv, tls: str | None) -> None:
    bench = make(send_proxy="v2-ssl", accept_proxy=HERE, backend={"pass_tlvs": (0x20,)})
    ssl, line = reported(bench, with_ssl(value))
    assert ssl == value
    assert line.get("tls") == tls


# What comes in and is not passed on.


def warnings(bench: Bench) -> list[str]:
    return [event["frontend"] for event in bench.events if event.get("event") == "dropped-ssl"]


@pytest.mark.parametrize("tls", [False, True])
def test_facts_that_are_not_passed_on_are_named(make: MakeBench, tls: bool) -> None:
    bench = make(send_proxy="v2-ssl", accept_proxy=HERE, tls=tls)
    _, line = reported(bench, with_ssl(ON_TLS))
    assert line["left_out"] == 'SSL that came in: proxy-v2-pass-tlvs has no "ssl"'
    assert warnings(bench) == ["front"]


def test_warning_of_facts_that_are_not_passed_on_comes_once(make: MakeBench) -> None:
    bench = make(send_proxy="v2", accept_proxy=HERE)
    for _ in range(3):
        bench.client().send(with_ssl(ON_TLS))
        bench.server.accept(GREETING)
    bench.settle()
    assert warnings(bench) == ["front"]


@pytest.mark.parametrize("send_proxy", ["none", "v1"])
def test_nothing_is_missing_where_no_facts_are_wanted(make: MakeBench, send_proxy: str) -> None:
    bench = make(send_proxy=send_proxy, accept_proxy=HERE)
    client = bench.client()
    client.send(with_ssl(ON_TLS))
    bench.server.accept(GREETING)
    bench.until(lambda: client.data)
    client.break_off()
    assert "left_out" not in bench.over()
    assert warnings(bench) == []


def test_word_that_a_client_is_without_tls_is_not_missed(make: MakeBench) -> None:
    bench = make(send_proxy="v2-ssl", accept_proxy=HERE, tls=True)
    _, line = reported(bench, with_ssl(WITHOUT_TLS))
    assert "left_out" not in line
    assert warnings(bench) == []
