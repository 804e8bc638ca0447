"""From which peers a PROXY header is expected: decided by the peer's own address, never guessed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from math import isfinite

from attrs import field, frozen

from mailproxy.proxyprotocol.strictness import Strictness

Network = IPv4Network | IPv6Network

Spelled = Network | IPv4Address | IPv6Address | str
"""The forms of a network in arguments; an address is a network of one."""

_DEFAULT = Strictness()
_UNIX = "unix"

TIMEOUT = 5.0
"""Seconds for a header to arrive: the specification requires at least 3, the time to resend a lost segment."""


class Expectation(Enum):
    """What a new connection must begin with."""

    HEADER = "a header"
    """A header, or the connection is closed."""
    MAYBE = "a header or not"
    """A header if the first bytes are one; see `AcceptPolicy.optional`."""
    DIRECT = "no header"
    """The client's own bytes: a header there would be the client's, and is not trusted."""
    REFUSED = "nothing"
    """Nothing: the connection is closed."""


def _network(network: Spelled) -> Network:
    if isinstance(network, (IPv4Network, IPv6Network)):
        return network
    if not isinstance(network, (str, IPv4Address, IPv6Address)):
        raise ValueError(f"{network!r} is not a network; write one as text, '10.0.0.0/8', or as ipaddress has it")
    try:
        parsed = ip_network(network)
    except ValueError as error:
        raise ValueError(
            f"{network!r} is neither a network like 10.0.0.0/8 or 2001:db8::/32 nor an address: {error}"
        ) from None
    if isinstance(parsed, IPv6Network) and parsed.network_address.ipv4_mapped is not None:
        raise ValueError(f"{network!r} has IPv4 addresses in IPv6 form, which match no peer; write them as IPv4")
    return parsed


def _networks(networks: Iterable[Spelled], unix: str) -> tuple[Network, ...]:
    """Read a list of networks; `unix` is the field for UNIX sockets, for the hint if "unix" is among them."""
    if networks is None:
        raise ValueError("None is not a list of networks; write [], or leave it out, for none")
    # A network is an iterable too, of its addresses.
    if isinstance(networks, (str, bytes, IPv4Network, IPv6Network)) or not isinstance(networks, Iterable):
        instead = f"{unix}=True" if networks == _UNIX else repr([str(networks)])
        raise ValueError(f"{networks!r} is not a list of networks; write {instead}")
    listed = list(networks)
    if _UNIX in listed:
        raise ValueError(f"{_UNIX!r} is not a network; write {unix}=True")
    return tuple(map(_network, listed))


def _trusted(networks: Iterable[Spelled]) -> tuple[Network, ...]:
    return _networks(networks, "unix")


def _optional(networks: Iterable[Spelled]) -> tuple[Network, ...]:
    return _networks(networks, "optional_unix")


@frozen
class AcceptPolicy:
    """
    Which peers must, may and must not send a header.

    - `trusted`: networks whose peers must send one. They can claim any client address, so list your proxies only.
    - `optional`: networks whose peers may send one. Against the specification's advice, for migrations only: a client
      with such an address can send its own header, which is trusted.
    - `refuse_others`: close the connections of all others, instead of serving them as direct clients.
    - `unix`: peers on UNIX sockets, which have no network, are trusted; `optional_unix`: they may send one.
    - `timeout`: seconds from the connection to the complete header. A peer that may send one and is silent that long is
      served without.
    - `strictness`: which headers are accepted.
    - `trust_others`: all others must send a header, with any kind of address: see `everybody`.

    Networks and addresses are text or those of `ipaddress`; an address is a network of one. ValueError for a policy
    that cannot work. With `AcceptPolicy()` no peer sends a header, and all are direct clients.
    """

    trusted: tuple[Network, ...] = field(default=(), converter=_trusted)
    optional: tuple[Network, ...] = field(default=(), converter=_optional)
    refuse_others: bool = False
    unix: bool = False
    optional_unix: bool = False
    timeout: float = TIMEOUT
    strictness: Strictness = _DEFAULT
    trust_others: bool = False

    @classmethod
    def everybody(cls, timeout: float = TIMEOUT, strictness: Strictness = _DEFAULT) -> AcceptPolicy:
        """
        Make the policy under which every peer must send a header, as with HAProxy's ``accept-proxy`` on a bind line.

        Every peer can claim any client address: then only your proxies may reach the port.
        """
        return cls(timeout=timeout, strictness=strictness, trust_others=True)

    def __attrs_post_init__(self) -> None:
        """Refuse settings that cannot work with any connection."""
        for name in ("refuse_others", "unix", "optional_unix", "trust_others"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} {getattr(self, name)!r} is neither True nor False")
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)):
            raise ValueError(f"timeout {self.timeout!r} is not a number of seconds")
        if not (isfinite(self.timeout) and self.timeout > 0):
            raise ValueError(f"timeout {self.timeout} is not a number of seconds above 0")
        if not isinstance(self.strictness, Strictness):
            raise ValueError(f"strictness {self.strictness!r} is not a Strictness")
        if self.trust_others and self.refuse_others:
            raise ValueError("trust_others and refuse_others cannot both be true")

    @property
    def expects_headers(self) -> bool:
        """Whether any peer may send a header."""
        return bool(self.trusted or self.optional or self.unix or self.optional_unix or self.trust_others)

    @property
    def others(self) -> Expectation:
        """The expectation for a peer in none of the networks, or without an internet address."""
        if self.trust_others:
            return Expectation.HEADER
        return Expectation.REFUSED if self.refuse_others else Expectation.DIRECT

    def expectation(self, host: IPv4Address | IPv6Address | None) -> Expectation:
        """Decide for a peer by its real address, None for a UNIX socket; IPv4-mapped addresses count as IPv4."""
        if host is None:
            trusted, optional = self.unix, self.optional_unix
        else:
            host = (host.ipv4_mapped or host) if isinstance(host, IPv6Address) else host
            trusted = any(host in network for network in self.trusted)
            optional = any(host in network for network in self.optional)
        if trusted:
            return Expectation.HEADER
        return Expectation.MAYBE if optional else self.others
