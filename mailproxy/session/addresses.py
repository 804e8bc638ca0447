"""The addresses of a client's connection, packed: 4 bytes for IPv4, 16 for IPv6."""

from __future__ import annotations

import socket
from typing import Any

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


def packed_pair(
    sock: socket.SocketType, peer: Any, local: PackedAddress | None
) -> tuple[PackedAddress | None, PackedAddress | None]:
    """Return the addresses of an internet connection as a PROXY header has them; None if the client is gone."""
    host, port = peer[:2]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if local is None:
        try:
            here = sock.getsockname()
        except OSError:
            return None, None
        local = socket.inet_pton(family, here[0]), here[1]
    return (socket.inet_pton(family, host), port), local
