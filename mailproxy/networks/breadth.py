"""
How much of the Internet a set of networks bans.

No network of a ban is wider than a /8, or a /16 of IPv6 (`width`). Many of them together may be everybody all the same:
an administrator should know that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from mailproxy.networks.internet import IPV4, IPV6, Span, addresses_in
from mailproxy.networks.network_set import NetworkSet

MAX_SHARE = 0.25
"""The share of all addresses that lists of attackers are far from: the largest public ones have a few percent."""


def addresses_of(spans: Sequence[Span]) -> int:
    """Return the number of addresses of spans."""
    return sum(end - first for first, end in spans)


def breadth(networks: NetworkSet, exempt: NetworkSet) -> str:
    """Return the share that a set bans, in words, if it is more than `MAX_SHARE`; "" if not. Some are `exempt`."""
    found = []
    share4 = _share(networks.addresses4, networks.limits4, exempt.limits4, IPV4)
    share6 = _share(networks.addresses6, networks.limits6, exempt.limits6, IPV6)
    if share4:
        found.append(f"{_percent(share4)} of all IPv4 addresses ({round(share4 * addresses_of(IPV4))})")
    if share6:
        found.append(f"{_percent(share6)} of the IPv6 addresses of the regional registries")
    return " and ".join(found)


def list_breadth(networks: NetworkSet, exempt: NetworkSet) -> str:
    """Return the same of a list of bans, with what to do about it, to continue the name of the list."""
    share = breadth(networks, exempt)
    return share and f"bans {share}; take networks out of it, or add those of your clients to [limits] exempt"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _share(addresses: int, limits: Sequence[int], exempt: Sequence[int], spans: Sequence[Span]) -> float:
    """Return the share of the addresses of spans that is banned; 0 if it is not too much."""
    whole = addresses_of(spans)
    if addresses <= MAX_SHARE * whole:
        return 0.0  # nearly always, and without a look at the limits
    banned = addresses - addresses_in(limits, _in_both(exempt, spans))
    return banned / whole if banned > MAX_SHARE * whole else 0.0


def _in_both(limits: Sequence[int], spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of spans that are between limits."""
    ranges = list(zip(limits[::2], limits[1::2], strict=True))
    return chain.from_iterable(((max(first, one), min(end, other)) for one, other in ranges) for first, end in spans)
