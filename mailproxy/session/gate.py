"""
Gates: what refuses clients by their addresses alone.

They are asked before a client has a session; where a PROXY header names the client, after that header.
"""

from __future__ import annotations

import socket
from typing import Protocol

from attrs import frozen

from mailproxy.announce.addresses import PackedAddress
from mailproxy.proxyprotocol import Address, InetAddress
from mailproxy.proxyprotocol.mapped import unmapped

GATE_WORDS = ("banned", "source-connections", "source-rate", "source-handshake-failures")
"""The words of the gates; those of limits are their keys in the configuration."""


@frozen
class Rejection:
    """Why a gate does not let a client in."""

    word: str
    """One of `GATE_WORDS`: rejections are counted, and added up in the log, by it."""
    reason: str
    """The reason in words, for the log."""


class Gate(Protocol):
    """One kind of refusal by address."""

    @property
    def is_idle(self) -> bool:
        """True while it lets everybody in and counts nobody: then it need not be asked."""

    def rejects(self, source: bytes) -> Rejection | None:
        """Return why a client with this address may not come in, or None. IPv4 has 4 bytes, IPv6 has 16."""


def packed_source(host: str) -> bytes:
    """Return the address of a client as ``accept`` returned it, for gates."""
    if ":" not in host:
        return socket.inet_aton(host)
    # A scope ("%eth0") names an interface of this machine.
    return unmapped(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))


def announced_source(address: Address | PackedAddress | None) -> bytes | None:
    """Return the source of a PROXY header for gates; None if it is no internet address."""
    return unmapped(address.host.packed) if isinstance(address, InetAddress) else None
