"""The address of a client as gates and rules ask about it: 4 bytes for IPv4, 16 for IPv6."""

from __future__ import annotations

import socket

from mailproxy.announce.addresses import PackedAddress
from mailproxy.proxyprotocol import Address, InetAddress
from mailproxy.proxyprotocol.mapped import unmapped


def packed_source(host: str) -> bytes:
    """Return the address of a client as ``accept`` returned it, for gates."""
    if ":" not in host:
        return socket.inet_aton(host)
    # A scope ("%eth0") names an interface of this machine.
    return unmapped(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))


def announced_source(address: Address | PackedAddress | None) -> bytes | None:
    """Return the source of a PROXY header for gates; None if it is no internet address."""
    return unmapped(address.host.packed) if isinstance(address, InetAddress) else None
