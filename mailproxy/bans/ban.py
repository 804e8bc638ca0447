"""One ban: a network whose clients are refused, until when, and why."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from math import inf
from socket import AF_INET, inet_pton

from attrs import frozen

from mailproxy.config.place import Network
from mailproxy.proxyprotocol.mapped import MAPPED, MAPPED_BITS, MAPPED_SIZE

Origin = str
"""
What has made a ban: an administrator, a rule, CrowdSec, or a program that has a name, such as fail2ban.

A network may have a ban of each origin.
"""

ORIGINS: tuple[Origin, ...] = ("ctl", "rule", "crowdsec")
"""Those that there always are; `mailproxy ctl ban` adds others."""

RESERVED_ORIGINS = frozenset({"rule", "crowdsec", "list"})
"""Names that no program may use: the first two have makers of their own, and tables show lists by the third."""

is_origin = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch
"""Return a match if a text may be the name of an origin, which is a label of metrics; else None."""

Key = tuple[bytes, int]
"""A network as its first address, in the 4 or 16 bytes of ``inet_pton``, and its number of bits."""

LONGEST_REASON = 200
"""The most characters of a reason: it is in log lines and tables."""


@frozen
class Ban:
    """A network, or one address, whose clients are refused; moments are by the monotonic clock of the machine."""

    key: Key
    origin: Origin
    reason: str
    made: float
    end: float = inf
    """The end of the ban; infinite if it has none."""

    def __reduce__(self) -> tuple[type[Ban], tuple[Key, Origin, str, float, float]]:
        """Pickle it as a call: a worker reads 500,000 bans in half the time that the states of attrs take."""
        return Ban, (self.key, self.origin, self.reason, self.made, self.end)

    @property
    def place(self) -> str:
        """The network as text, or the address if it is only one."""
        return place_of(self.key)


def key_of(network: Network) -> Key:
    """Return a network as the key of its bans; IPv4 addresses in IPv6 form are IPv4."""
    first, bits = network.network_address.packed, network.prefixlen
    if first.startswith(MAPPED) and bits >= MAPPED_BITS:
        return first[MAPPED_SIZE:], bits - MAPPED_BITS
    return first, bits


def read_key(place: str) -> Key:
    """Return the key of an address or a network; ValueError if it is none, or has more bits than its prefix."""
    try:
        # Most are such; `ipaddress` takes 70 times as long: a third of the time to read a file of bans.
        return inet_pton(AF_INET, place), 32
    except OSError:
        return key_of(ip_network(place))


def place_of(key: Key) -> str:
    """Return a key as text: ``192.0.2.0/24``, or an address without its bits."""
    first, bits = key
    return str(ip_address(first)) if bits == 8 * len(first) else str(ip_network((first, bits)))
