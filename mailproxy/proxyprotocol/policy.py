"""From which peers a PROXY header is expected: never a guess, but a decision by the peer's own address."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from attrs import field, frozen

from mailproxy.proxyprotocol.strictness import Strictness

Network = IPv4Network | IPv6Network

TIMEOUT = 5.0
"""Seconds for a header to arrive: the specification wants at least 3, which one lost segment takes."""


class Expectation(Enum):
    """What a new connection must begin with."""

    HEADER = "a header"
    """A header, or the connection is closed."""
    MAYBE = "a header or not"
    """A header if the first bytes are one; see `AcceptPolicy.optional`."""
    DIRECT = "no header"
    """The client's own bytes: a header there would be the client's, and its claim is not believed."""
    REFUSED = "nothing"
    """Nothing: the connection is closed."""


@frozen
class AcceptPolicy:
    """
    Who must, may and must not send a header.

    - `trusted`: networks whose peers must send one. They can claim any client address, so list your proxies only.
    - `optional`: networks whose peers may send one. Against the specification's advice, for migrations only: a client
      from there that begins its own bytes with a header is believed.
    - `refuse_others`: close the connections of everybody else, instead of serving them as direct clients.
    - `unix`: peers on UNIX sockets, which have no network, are trusted.
    - `timeout`: seconds from the connection to the complete header. A peer that may send one and is silent that long
      is served without.
    - `strictness`: which headers are accepted.
    """

    trusted: tuple[Network, ...] = ()
    optional: tuple[Network, ...] = ()
    refuse_others: bool = False
    unix: bool = False
    timeout: float = TIMEOUT
    strictness: Strictness = field(factory=Strictness)

    def expectation(self, host: IPv4Address | IPv6Address | None) -> Expectation:
        """Decide for a peer by its real address, None for a UNIX socket; IPv4-mapped addresses count as IPv4."""
        if host is None:
            trusted, optional = self.unix, False
        else:
            host = (host.ipv4_mapped or host) if isinstance(host, IPv6Address) else host
            trusted = any(host in network for network in self.trusted)
            optional = any(host in network for network in self.optional)
        if trusted:
            return Expectation.HEADER
        if optional:
            return Expectation.MAYBE
        return Expectation.REFUSED if self.refuse_others else Expectation.DIRECT
