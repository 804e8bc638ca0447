"""Twisted's addresses and those of a PROXY header."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from mailproxy.proxyprotocol import Address, InetAddress, UnixAddress


def header_address(address: IAddress | None) -> Address | None:
    """Return the address as a header has it; None for other kinds of addresses, and for an invalid host."""
    if isinstance(address, (IPv4Address, IPv6Address)):
        try:
            return InetAddress(ip_address(address.host), address.port)
        except ValueError:
            return None
    if isinstance(address, UNIXAddress):
        return UnixAddress(address.name or b"")
    return None


def shown(address: IAddress | None) -> str:
    """Write an address as in a log."""
    return "an unknown peer" if address is None else str(header_address(address) or address)


def twisted_address(address: Address) -> IAddress:
    """Return the address as Twisted has it."""
    if isinstance(address, UnixAddress):
        return UNIXAddress(address.path or None)
    kind = IPv4Address if address.host.version == 4 else IPv6Address
    return kind("TCP", str(address.host), address.port)
