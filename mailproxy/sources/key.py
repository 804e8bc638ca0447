"""
The keys of the table: a source network, and the scope that its clients are counted in.

A scope is a frontend, or all frontends together. A key has the scope, the length of the prefix and the network's
address; IPv4 is in IPv6 form (``::ffff:192.0.2.0/120``).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from zlib import crc32

from mailproxy.proxyprotocol.mapped import MAPPED, MAPPED_BITS, MAPPED_SIZE

KEY_BYTES = 21

EVERYWHERE = bytes(4)
"""The scope of all frontends together."""

_SCOPE_BYTES = len(EVERYWHERE)
_HEAD_BYTES = _SCOPE_BYTES + 1

MakeKey = Callable[[bytes], bytes]
"""Returns the key of an address, which has 4 or 16 bytes."""


def scope_of(frontend: str) -> bytes:
    """Return the scope of a frontend: the same one in all processes, and after each reload."""
    return (crc32(frontend.encode()) or 1).to_bytes(_SCOPE_BYTES)


def key_maker(scope: bytes, bits4: int | None, bits6: int | None) -> MakeKey:
    """
    Return the function that makes the keys of one scope, for prefixes of these lengths.

    A family without one has one key for all its addresses.
    """
    bits4, bits6 = bits4 or 0, bits6 or 0
    head4, head6 = heads(scope, bits4, bits6)
    rest4, rest6 = 32 - bits4, 128 - bits6
    # For the usual prefixes, of whole bytes, without a call.
    size6, zeros6 = bits6 >> 3, bytes(rest6 >> 3)

    def key(source: bytes) -> bytes:
        if len(source) == 4:
            return head4 + (_cut(source, rest4) if rest4 else source)
        return head6 + (_cut(source, rest6) if rest6 & 7 else source[:size6] + zeros6)

    return key


def _cut(source: bytes, bits: int) -> bytes:
    """Clear the last bits of an address."""
    if not bits & 7:
        size = bits >> 3
        return source[: len(source) - size] + bytes(size)
    return (int.from_bytes(source) >> bits << bits).to_bytes(len(source))


def network_of(key: bytes) -> IPv4Network | IPv6Network:
    """Return the network of a key."""
    bits, address = key[_SCOPE_BYTES], key[_HEAD_BYTES:]
    if address.startswith(MAPPED) and bits >= MAPPED_BITS:
        return ip_network((address[MAPPED_SIZE:], bits - MAPPED_BITS))
    return ip_network((address, bits))


def heads(scope: bytes, bits4: int, bits6: int) -> tuple[bytes, bytes]:
    """Return the beginnings of all keys of a scope with prefixes of these lengths, for IPv4 and for IPv6."""
    return scope + bytes([MAPPED_BITS + bits4]) + MAPPED, scope + bytes([bits6])
