"""The two addresses of a client's connection."""

from ipaddress import ip_address

import pytest

from mailproxy.announce.addresses import address_pair, header_bytes, unpacked
from mailproxy.proxyprotocol import Header, InetAddress, UnixAddress, encode


def packed(text: str, port: int) -> tuple[bytes, int]:
    return ip_address(text).packed, port


def hosts(source: str, destination: str) -> tuple[str, str] | None:
    pair = address_pair(packed(source, 40000), packed(destination, 993))
    assert pair is not None
    reported = unpacked(pair)
    assert (reported[0].port, reported[1].port) == (40000, 993)
    return reported[0].host.exploded, reported[1].host.exploded


def test_ipv4_addresses_are_reported_in_dotted_form() -> None:
    assert hosts("192.0.2.1", "198.51.100.9") == ("192.0.2.1", "198.51.100.9")


def test_ipv6_addresses_are_reported_in_full() -> None:
    reported = hosts("2001:db8::1", "2001:db8::9")
    assert reported == ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:0db8:0000:0000:0000:0000:0000:0009")


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("::ffff:192.0.2.1", "::ffff:198.51.100.9"),
        ("192.0.2.1", "::ffff:198.51.100.9"),
        ("::ffff:192.0.2.1", "198.51.100.9"),
    ],
)
def test_mapped_addresses_are_written_as_ipv4(source: str, destination: str) -> None:
    assert hosts(source, destination) == ("192.0.2.1", "198.51.100.9")


@pytest.mark.parametrize("source", ["192.0.2.1", "::ffff:192.0.2.1"])
def test_ipv4_address_beside_an_ipv6_one_is_mapped(source: str) -> None:
    pair = address_pair(packed(source, 40000), packed("2001:db8::9", 993))
    assert pair is not None
    assert pair[0].hex() == "00000000000000000000ffffc0000201"
    assert pair[1] == ip_address("2001:db8::9").packed


def test_addresses_of_a_received_header_are_taken_as_they_are() -> None:
    source, destination = InetAddress.parse("192.0.2.1:40000"), InetAddress.parse("198.51.100.9:993")
    assert address_pair(source, destination) == (source.host.packed, destination.host.packed, 40000, 993)


@pytest.mark.parametrize("unusable", [None, UnixAddress(b"/run/imap"), UnixAddress(b"")])
def test_without_two_internet_addresses_nothing_is_reported(unusable: UnixAddress | None) -> None:
    usable = packed("192.0.2.1", 40000)
    assert address_pair(usable, unusable) is None
    assert address_pair(unusable, usable) is None
    assert address_pair(unusable, unusable) is None


@pytest.mark.parametrize(
    ("source", "destination"), [("192.0.2.1", "198.51.100.9"), ("2001:db8::1", "::9"), ("1.2.3.4", "2001:db8::9")]
)
def test_header_bytes_are_those_of_the_codec(source: str, destination: str) -> None:
    pair = address_pair(packed(source, 40000), packed(destination, 993))
    assert pair is not None
    assert header_bytes(pair, b"") == encode(Header.proxy(*unpacked(pair))).data
