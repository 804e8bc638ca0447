from ipaddress import ip_address

import pytest
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from mailproxy.endpoints.addresses import header_address, shown, twisted_address
from mailproxy.proxyprotocol import Address, InetAddress, UnixAddress

SAME: list[tuple[IAddress, Address]] = [
    (IPv4Address("TCP", "192.0.2.1", 25), InetAddress.parse("192.0.2.1:25")),
    (IPv6Address("TCP", "2001:db8::1", 25), InetAddress.parse("[2001:db8::1]:25")),
    (UNIXAddress(b"/run/mail"), UnixAddress(b"/run/mail")),
    (UNIXAddress(None), UnixAddress(b"")),
]


@pytest.mark.parametrize(("twisted", "header"), SAME)
def test_addresses_are_the_same_in_both_directions(twisted: IAddress, header: Address) -> None:
    assert header_address(twisted) == header
    assert twisted_address(header) == twisted


def test_unknown_address_is_shown_as_such() -> None:
    assert shown(None) == "an unknown peer"
    assert "mail.example" in shown(HostnameAddress(b"mail.example", 25))


def test_scope_stays_here() -> None:
    assert header_address(IPv6Address("TCP", "fe80::1%eth0", 25)) == InetAddress(ip_address("fe80::1"), 25)


@pytest.mark.parametrize("address", [None, HostnameAddress(b"mail.example", 25)])
def test_other_kinds_of_addresses_have_none_in_a_header(address: IAddress | None) -> None:
    assert header_address(address) is None
