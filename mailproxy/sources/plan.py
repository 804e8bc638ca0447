"""
What a configuration wants to be counted of sources: prefixes, and rates with their times.

The first three rates of an entry are always those of connections, failed handshakes and refused logins, in the times of
the limits. The others are those that rules ask for, at most `MAX_RATES`. All processes find the same columns, from the
configuration alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TypeAlias

from attrs import field, frozen

from mailproxy.config import Config, Frontend
from mailproxy.config.measure import Counted, Measure
from mailproxy.sources.key import EVERYWHERE, key_maker, scope_of
from mailproxy.sources.table import RATES
from mailproxy.sources.window import WINDOWS

_KINDS: tuple[Counted, ...] = ("source-rate", "handshake-failures", "auth-failures")


@frozen
class Column:
    """One rate of an entry."""

    number: int
    kind: Counted
    seconds: float
    place: int = field(init=False)
    """Its first number in an entry."""
    shift: float = field(init=False)
    """
    Added to times in windows: the counts of a column that had another kind in an earlier configuration seem old.
    """

    @place.default
    def _by_number(self) -> int:
        return RATES + 2 * self.number

    @shift.default
    def _by_kind(self) -> float:
        return float(WINDOWS // len(_KINDS) * _KINDS.index(self.kind))

    def time(self, now: float) -> float:
        """Return a moment in windows of this rate."""
        return now / self.seconds + self.shift


Lengths: TypeAlias = tuple[int | None, int | None]
"""The lengths of prefixes, for IPv4 and IPv6; clients of a family without one are not counted by them."""


@frozen
class Plan:
    """What is counted in one scope."""

    prefix: tuple[int, int]
    """The lengths of the prefixes of all limits, for IPv4 and IPv6."""
    more: tuple[Lengths, ...]
    """Further lengths, each once."""
    columns: tuple[Column, ...]

    def of_kind(self, kind: Counted) -> tuple[Column, ...]:
        """Return the rates that an event of this kind counts in."""
        return tuple(column for column in self.columns if column.kind == kind)

    def find(self, kind: Counted, seconds: float) -> Column | None:
        """Return the rate with this kind and time."""
        return next((one for one in self.columns if (one.kind, one.seconds) == (kind, seconds)), None)


def plan_of(settings: Config) -> Plan | None:
    """Return what is counted for all frontends together; None if nothing is."""
    limits, measures = settings.limits, settings.measures
    if not (limits.has_source_limits or limits.sources is not None or measures):
        return None
    more = _others([bits_of(measure, limits.prefix) for measure in measures], limits.prefix)
    # In order, so that they stay in place when the order of rules changes.
    return Plan(limits.prefix, more, _columns([*limits.seconds.items(), *sorted(settings.rule_rates)]))


def _others(wanted: Sequence[tuple[int, int]], prefix: tuple[int, int]) -> tuple[Lengths, ...]:
    """Return each other length once, for its family alone: two prefixes with it would count a client twice."""
    four = dict.fromkeys(bits4 for bits4, _ in wanted if bits4 != prefix[0])
    six = dict.fromkeys(bits6 for _, bits6 in wanted if bits6 != prefix[1])
    return tuple(zip_longest(four, six))


def frontend_plan(settings: Config, frontend: Frontend) -> Plan | None:
    """Return what is counted for a frontend alone; None if its sources have no limits there."""
    limits = frontend.limits
    return Plan(settings.limits.prefix, (), _columns(limits.seconds.items())) if limits.has_source_limits else None


def keys_with(settings: Config, address: bytes, bits: int) -> tuple[bytes, ...]:
    """Return the keys that count all clients of a network, at each frontend and at all; `address` is its first one."""
    here = ((scope_of(frontend.name), frontend_plan(settings, frontend)) for frontend in settings.frontends)
    return tuple(
        key_maker(scope, *prefix)(address)
        for scope, plan in ((EVERYWHERE, plan_of(settings)), *here)
        if plan is not None
        for prefix in (plan.prefix, *plan.more)
        if (length := prefix[len(address) == 16]) is not None and length <= bits
    )


def _columns(rates: Iterable[tuple[Counted, float]]) -> tuple[Column, ...]:
    return tuple(Column(number, kind, seconds) for number, (kind, seconds) in enumerate(rates))


def bits_of(measure: Measure, prefix: tuple[int, int]) -> tuple[int, int]:
    """Return the lengths of the prefixes of a measure."""
    bits4 = prefix[0] if measure.bits4 is None else measure.bits4
    bits6 = prefix[1] if measure.bits6 is None else measure.bits6
    return bits4, bits6
