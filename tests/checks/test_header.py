"""The PROXY header of our own connections: of a check, of our own address, of a client from elsewhere."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from mailproxy import config
from mailproxy.announce.header import HeaderPolicy
from mailproxy.checks.header import LIKE_TLS, check_header, foreign_header, own_header
from mailproxy.config.model import SendProxy
from mailproxy.proxyprotocol import Decoder, Header
from mailproxy.tls.facts import TlsFacts
from mailproxy.transport.outgoing import HeaderSource
from tests.checks.making import LOCAL, policy


@frozen
class Connected:
    """A socket that is connected, as far as a header wants to know."""

    here: Any
    there: Any

    def getsockname(self) -> Any:
        return self.here

    def getpeername(self) -> Any:
        return self.there


def read(source: HeaderSource, sock: Any) -> Header:
    assert callable(source)
    header = Decoder().feed(source(sock))
    assert isinstance(header, Header)
    return header


IPV4 = Connected(("192.0.2.9", 40000), ("198.51.100.1", 143))
IPV6 = Connected(("2001:db8::9", 40000, 0, 0), ("2001:db8::1", 143, 0, 0))


@pytest.mark.parametrize(
    ("send_proxy", "kind", "header"),
    [
        ("v2-ssl", "local", LOCAL),
        ("v2", "local", LOCAL),
        ("v1", "local", b"PROXY UNKNOWN\r\n"),
        ("none", "local", b""),
        ("v2-ssl", "none", b""),
        ("none", "proxy", b""),
    ],
)
def test_local_header_is_made_once_for_all_checks(send_proxy: SendProxy, kind: Any, header: bytes) -> None:
    assert check_header(kind, send_proxy, policy(send_proxy), None) == header


@pytest.mark.parametrize(
    ("sock", "source", "destination"),
    [
        (IPV4, "192.0.2.9:40000", "198.51.100.1:143"),
        (IPV6, "[2001:db8::9]:40000", "[2001:db8::1]:143"),
    ],
)
@pytest.mark.parametrize("send_proxy", ["v1", "v2"])
def test_own_header_has_the_addresses_of_the_connection(
    send_proxy: SendProxy, sock: Connected, source: str, destination: str
) -> None:
    header = read(own_header(policy(send_proxy), None), sock)
    assert (str(header.source), str(header.destination)) == (source, destination)


def test_own_header_of_a_unix_socket_has_no_addresses() -> None:
    assert read(own_header(policy("v2"), None), Connected("", "/run/dovecot/imap")).source is None


@pytest.mark.parametrize(("facts", "version"), [(None, None), (LIKE_TLS, "TLSv1.3")])
def test_own_header_says_what_there_is_of_tls(facts: TlsFacts | None, version: str | None) -> None:
    ssl = read(own_header(policy("v2-ssl"), facts), IPV4).ssl
    assert (None if ssl is None or not ssl.client else ssl.version) == version


def test_check_with_the_header_of_clients_has_its_own_address() -> None:
    assert str(read(check_header("proxy", "v2", policy("v2"), None), IPV4).source) == "192.0.2.9:40000"


def test_foreign_header_names_where_clients_connect_to() -> None:
    header = read(foreign_header(policy("v2"), None, (bytes((203, 0, 113, 5)), 993)), IPV4)
    assert (str(header.source), str(header.destination)) == ("192.0.2.1:40000", "203.0.113.5:993")


@pytest.mark.parametrize(
    ("family", "address", "source", "destination"),
    [
        (socket.AF_INET, ("127.0.0.1", 0), "192.0.2.1", "127.0.0.1"),
        (socket.AF_INET6, ("::1", 0), "2001:db8::1", "::1"),
        (socket.AF_UNIX, "", "192.0.2.1:49152", "192.0.2.2:49152"),
    ],
)
@pytest.mark.parametrize("facts", [None, LIKE_TLS])
def test_client_from_elsewhere_has_an_address_of_the_family(
    family: socket.AddressFamily, address: Any, source: str, destination: str, facts: TlsFacts | None, tmp_path: Path
) -> None:
    with socket.socket(family) as listening, socket.socket(family) as sock:
        listening.bind(address or str(tmp_path / "s"))
        listening.listen()
        sock.connect(listening.getsockname())
        reported = HeaderPolicy(config.Backend(name="b", profile="dovecot", servers=()), "imap")
        header = read(foreign_header(reported, facts), sock)
    assert source in str(header.source)
    assert destination in str(header.destination)


def test_server_at_an_address_for_documentation_gets_another() -> None:
    sock = Connected(("192.0.2.9", 40000), ("192.0.2.1", 143))
    header = read(foreign_header(policy(), None), sock)
    assert (str(header.source), str(header.destination)) == ("192.0.2.2:40000", "192.0.2.1:143")
