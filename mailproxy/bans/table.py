"""
The bans that are in effect, with a look-up that does not depend on their number.

Single addresses are in one dict. Networks are in one dict for each number of bits that occurs, which are few: a look-up
tries each. Unlike a sorted list, this makes each change cheap as well, with 100,000 bans too.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import inf

from mailproxy.bans.ban import Ban, Key
from mailproxy.proxyprotocol.mapped import MAPPED, MAPPED_SIZE

# Entries of the heap that a later ban of the same network has made void; more are removed at once.
_MAX_VOID = 1000

# By the length of an address, the fewest bits that do not count in a wide network.
_WIDE = {4: 8, 16: 80}


class BanTable:
    """One ban for each network (mutable)."""

    def __init__(self) -> None:
        self.bans: dict[Key, Ban] = {}
        """By network, for reading; some may have ended."""
        self._addresses: dict[bytes, Ban] = {}
        self._networks: dict[int, list[tuple[int, dict[int, Ban]]]] = {4: [], 16: []}
        """By the length of an address: for each number of bits that do not count, the networks."""
        self._ends: list[tuple[float, Key]] = []
        """A heap."""

    def __len__(self) -> int:
        """Return the number of banned networks."""
        return len(self.bans)

    def __iter__(self) -> Iterator[Ban]:
        """Yield all bans; the table may change meanwhile."""
        return iter(list(self.bans.values()))

    def addresses(self, size: int) -> int:
        """
        Return how many addresses of this many bytes the networks have, at most.

        Those in two networks count twice, and bans of single addresses not at all.
        """
        return sum(len(bans) << shift for shift, bans in self._networks[size])

    def wide_networks(self) -> list[Ban]:
        """Return the bans of a /24, a /48 of IPv6, and wider: half a million narrower ones are 1.5 % of IPv4."""
        return [
            ban
            for size, networks in self._networks.items()
            for shift, bans in networks
            if shift >= _WIDE[size]
            for ban in bans.values()
        ]

    def get(self, key: Key) -> Ban | None:
        """Return the ban of exactly this network."""
        return self.bans.get(key)

    def find(self, packed: bytes, now: float) -> Ban | None:
        """
        Return the ban of an address, at a moment of the monotonic clock; None if it has none.

        The address is given as the 4 or 16 bytes of ``inet_pton``; an IPv4 address in IPv6 form is IPv4.
        """
        if len(packed) == 16 and packed.startswith(MAPPED):
            packed = packed[MAPPED_SIZE:]
        ban = self._addresses.get(packed)
        if ban is not None and ban.end > now:
            return ban
        networks = self._networks[len(packed)]
        if networks:
            number = int.from_bytes(packed)
            for shift, bans in networks:
                ban = bans.get(number >> shift)
                if ban is not None and ban.end > now:
                    return ban
        return None

    def put(self, ban: Ban) -> None:
        """Add a ban, in place of an earlier one of the same network."""
        packed, bits = ban.key
        self.bans[ban.key] = ban
        shift = 8 * len(packed) - bits
        if shift:
            self._with(len(packed), shift)[int.from_bytes(packed) >> shift] = ban
        else:
            self._addresses[packed] = ban
        if ban.end != inf:
            heappush(self._ends, (ban.end, ban.key))
            if len(self._ends) > 2 * len(self.bans) + _MAX_VOID:
                self._ends = [(one.end, key) for key, one in self.bans.items() if one.end != inf]
                heapify(self._ends)

    def _with(self, size: int, shift: int) -> dict[int, Ban]:
        networks = self._networks[size]
        for known, bans in networks:
            if known == shift:
                return bans
        bans = {}
        networks.append((shift, bans))
        # The most specific first.
        networks.sort(key=lambda one: one[0])
        return bans

    def remove(self, key: Key) -> None:
        """Remove the ban of a network, if there is one."""
        if self.bans.pop(key, None) is None:
            return
        packed, bits = key
        shift = 8 * len(packed) - bits
        if not shift:
            del self._addresses[packed]
            return
        bans = self._with(len(packed), shift)
        del bans[int.from_bytes(packed) >> shift]
        if not bans:
            self._networks[len(packed)].remove((shift, bans))

    def expire(self, now: float, most: int) -> list[Ban]:
        """Remove bans that have ended, up to `most`, and return them."""
        ended: list[Ban] = []
        ends = self._ends
        while ends and ends[0][0] <= now and len(ended) < most:
            _, key = heappop(ends)
            ban = self.bans.get(key)
            if ban is not None and ban.end <= now:
                self.remove(key)
                ended.append(ban)
        return ended
