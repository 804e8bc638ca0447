"""The addresses that clients of the Internet have, and how many of them some ranges cover."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network

Span = tuple[int, int]
"""Successive addresses as integers: the first one, and the one after the last."""


def _span(network: str) -> Span:
    first = int(IPv6Network(network).network_address)
    return first, first + IPv6Network(network).num_addresses


IPV4: Sequence[Span] = ((0, 1 << 32),)
"""All addresses of IPv4."""

# https://www.iana.org/assignments/ipv6-unicast-address-assignments
_REGISTRIES = (
    "2400::/12",
    "2410::/12",
    "2600::/12",
    "2630::/12",
    "2800::/12",
    "2a00::/12",
    "2a10::/12",
    "2c00::/12",
)

IPV6: Sequence[Span] = tuple(map(_span, _REGISTRIES))
"""The large networks of the regional registries, which have nearly all clients: most other addresses are nobody's."""


def addresses_in(limits: Sequence[int], spans: Iterable[Span]) -> int:
    """Return how many addresses of spans are between the limits of a `NetworkSet`."""
    return sum(_between(limits, first, end) for first, end in spans if first < end)


def _between(limits: Sequence[int], first: int, end: int) -> int:
    begin, stop = bisect_right(limits, first), bisect_left(limits, end)
    inside = limits[begin:stop]
    begins_inside, ends_inside = begin & 1, stop & 1
    between = sum(inside[1 - begins_inside :: 2]) - sum(inside[begins_inside::2])
    return between - begins_inside * first + ends_inside * end
