"""
All bans of a service, by origin: the authority, in the one process that has the configuration.

A network may have a ban of each origin. The one that ends last is in effect, and is what the table for look-ups has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import inf

from attrs import frozen

from mailproxy.bans.ban import LONGEST_REASON, ORIGINS, Ban, Key, Origin
from mailproxy.bans.table import BanTable
from mailproxy.config.words import printable

MAX_BANS = 500_000
"""The most bans: each process needs about 400 bytes for one, so they never need more than 200 MB in each."""

RULES_SHARE = 2
"""Bans by rules are at most `MAX_BANS` divided by this: clients decide their number, and the rest is for others."""

BANS_AT_ONCE = 250
"""The most bans that one turn changes, and one message to a worker has: half a millisecond."""

MAX_ORIGINS = 16
"""The most origins: each is a series of a metric, and a look-up when a ban ends."""

LONGEST_SECONDS = 3650 * 86400.0
"""The longest ban that has an end."""


def most_by_rules() -> int:
    """Return the most bans by rules; for each further one, the oldest of them ends."""
    return max(MAX_BANS // RULES_SHARE, 1)


class TooManyBans(Exception):
    """There are as many bans, or origins of bans, as there may be."""


@frozen
class BanChange:
    """What has changed in the table: networks with the ban that is in effect from now on, and networks without one."""

    banned: tuple[Ban, ...] = ()
    unbanned: tuple[Key, ...] = ()


class Bans:
    """The bans of each origin, and the table of those in effect (mutable)."""

    def __init__(self, table: BanTable | None = None) -> None:
        """`table` is the one for look-ups."""
        self.table = BanTable() if table is None else table
        self._by_origin: dict[Origin, dict[Key, Ban]] = {origin: {} for origin in ORIGINS}
        self.announce: Callable[[BanChange], object] = _do_nothing
        """Called with each change of the table but the ends of bans, which every process sees by itself."""
        self.changed: Callable[[Origin], object] = _do_nothing
        """Called after bans of an origin have changed, to be written to the file."""

    def __len__(self) -> int:
        """Return the number of networks with bans."""
        return len(self.table)

    def __iter__(self) -> Iterator[Ban]:
        """Yield all bans of all origins; they may change meanwhile."""
        return iter(list(chain.from_iterable(bans.values() for bans in self._by_origin.values())))

    @property
    def counts(self) -> Mapping[Origin, int]:
        """The number of bans of each origin."""
        return {origin: len(bans) for origin, bans in self._by_origin.items()}

    def of(self, origin: Origin) -> Sequence[Key]:
        """Return the networks that an origin has banned."""
        return list(self._by_origin.get(origin, ()))

    def by(self, key: Key, now: float) -> Sequence[Origin]:
        """Return the origins whose bans of exactly this network have not ended at a moment."""
        return [origin for origin, bans in self._by_origin.items() if key in bans and bans[key].end > now]

    def ban(self, *bans: Ban) -> None:
        """Add bans, each in place of an earlier one of its network and origin; raise `TooManyBans` for those beyond."""
        banned: dict[Key, Ban] = {}
        unbanned: dict[Key, None] = {}
        try:
            for ban in bans:
                self._add(ban, banned, unbanned)
        finally:
            self._announce(tuple(banned.values()), tuple(unbanned))
            for origin in {ban.origin for ban in bans}:
                self.changed(origin)

    def _add(self, ban: Ban, banned: dict[Key, Ban], unbanned: dict[Key, None]) -> None:
        key = ban.key
        own = self._by_origin.get(ban.origin)
        if own is None:
            own = self._begin(ban.origin)
        if ban.origin == "rule":
            own.pop(key, None)  # a ban that is made again is the youngest
            if len(own) >= most_by_rules():
                self._end_oldest(own, banned, unbanned)
        before = self.table.get(key)
        if before is None and len(self.table) >= MAX_BANS:
            raise TooManyBans(f"there are {MAX_BANS} bans, the most; unban some first")
        own[key] = ban
        effective = ban if before is None or ban.end >= before.end else self._effective(key)
        assert effective is not None
        if effective is not before:
            self.table.put(effective)
            banned[key] = effective
            unbanned.pop(key, None)

    def _begin(self, origin: Origin) -> dict[Key, Ban]:
        """Begin with the first ban of an origin; those without bans leave if there are too many."""
        if len(self._by_origin) >= MAX_ORIGINS:
            self._by_origin = {one: bans for one, bans in self._by_origin.items() if bans or one in ORIGINS}
        if len(self._by_origin) >= MAX_ORIGINS:
            raise TooManyBans(f"there are bans of {MAX_ORIGINS - len(ORIGINS)} names, the most; use one of those")
        return self._by_origin.setdefault(origin, {})

    def _end_oldest(self, own: dict[Key, Ban], banned: dict[Key, Ban], unbanned: dict[Key, None]) -> None:
        oldest = next(iter(own))
        ban = own.pop(oldest)
        if self.table.get(oldest) is not ban:
            return
        after = self._effective(oldest)
        if after is None:
            self.table.remove(oldest)
            banned.pop(oldest, None)
            unbanned[oldest] = None
        else:
            self.table.put(after)
            banned[oldest] = after

    @property
    def is_full_of_rules(self) -> bool:
        """True if there are as many bans by rules as there may be."""
        return len(self._by_origin["rule"]) >= most_by_rules()

    def unban(self, *keys: Key, origins: Sequence[Origin] | None = None) -> tuple[Ban, ...]:
        """Remove the bans of networks, by these origins or by all; return those that there were."""
        those = [bans for origin, bans in self._by_origin.items() if origins is None or origin in origins]
        removed: list[Ban] = []
        banned: list[Ban] = []
        unbanned: list[Key] = []
        for key in keys:
            found = [ban for bans in those if (ban := bans.pop(key, None)) is not None]
            if not found:
                continue
            removed += found
            before, after = self.table.get(key), self._effective(key)
            if after is None:
                self.table.remove(key)
                unbanned.append(key)
            elif after is not before:
                self.table.put(after)
                banned.append(after)
        self._announce(banned, unbanned)
        for origin in {ban.origin for ban in removed}:
            self.changed(origin)
        return tuple(removed)

    def _effective(self, key: Key) -> Ban | None:
        found = (bans[key] for bans in self._by_origin.values() if key in bans)
        return max(found, key=lambda ban: ban.end, default=None)

    def _announce(self, banned: Sequence[Ban], unbanned: Sequence[Key]) -> None:
        if banned or unbanned:
            self.announce(BanChange(tuple(banned), tuple(unbanned)))

    def expire(self, now: float, most: int) -> list[Ban]:
        """Remove bans that have ended, up to `most` networks; return those that were in effect."""
        ended = self.table.expire(now, most)
        for ban in ended:
            for bans in self._by_origin.values():
                bans.pop(ban.key, None)
        return ended


def left(ban: Ban, now: float) -> float | None:
    """Return the seconds until a ban ends; None: it has no end."""
    return None if ban.end == inf else max(ban.end - now, 0.0)


def clean_reason(text: str) -> str:
    """Return a reason that fits into a line: printable, and not too long."""
    return printable(text[:LONGEST_REASON])[:LONGEST_REASON]


def _do_nothing(what: object) -> None:
    """Do nothing."""
