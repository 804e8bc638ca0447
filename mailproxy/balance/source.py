"""
The rule ``source``: the client's address decides, so that a client stays with its server.

Weighted rendezvous hashing: each pair of client and server has a pseudo-random number, and the server with the best
number gets the client. When a server leaves, only its own clients move, each to its next best server; when it comes
back, they return. There is no state, so all processes agree.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from math import inf, log1p

from mailproxy.balance.digest import BITS, digest
from mailproxy.balance.pool_server import AnyServer

_MASK = (1 << BITS) - 1

# A float holds 53 bits exactly.
_FLOAT_BITS = 53
_SPARE_BITS = BITS - _FLOAT_BITS
_UNIT = 2.0**-_FLOAT_BITS
_SCALE = 2.0**BITS


def client_key(address: IPv4Address | IPv6Address) -> bytes:
    """
    Return what identifies a client: its IPv4 address, or the /64 of its IPv6 address, in which hosts change addresses.
    """
    if address.version == 4:
        return address.packed
    mapped = address.ipv4_mapped
    return address.packed[:8] if mapped is None else mapped.packed


def pick(candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
    """
    Return the candidate for the client with ``key``.

    The number is the low half of the product of two hashes. Since the servers' hashes are random and odd, it is as good
    as a hash of both, in a tenth of the time. With this number as x from 0 to 1, each server has the least -log(1 - x)
    / weight as often as its weight says. That is never less than x / weight, so most servers are excluded before the
    logarithm.
    """
    client = digest(key)
    best = candidates[0]
    nearest = inf
    for server in candidates:
        lot = client * server.seed & _MASK
        share = server.share
        if lot < nearest * share:
            distance = -log1p(-(lot >> _SPARE_BITS) * _UNIT) / share * _SCALE
            if distance < nearest:
                best = server
                nearest = distance
    return best
