"""The limits of each source: a gate that counts the clients that it lets in, until they leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from mailproxy import config
from mailproxy.config.duration import written
from mailproxy.config.limits import SourceLimits
from mailproxy.config.measure import Counted
from mailproxy.config.rate import Rate
from mailproxy.networks.network_set import NetworkSet
from mailproxy.session.gate import Rejection
from mailproxy.sources.key import EVERYWHERE, heads, key_maker, scope_of
from mailproxy.sources.plan import Column, Lengths, Plan, frontend_plan, plan_of
from mailproxy.sources.sources import Sources, connections_of, most_of, rate_of
from mailproxy.sources.table import ENTRY, LIVE, NOWHERE, NUMBER_BYTES, RATES, TOUCHED, read, write
from mailproxy.sources.window import MAX_COUNT, Window, count

_NO_LIMIT = 1 << 29
"""More connections than a process can have."""

_NO_PLACE = (NOWHERE,)


class Clock(Protocol):
    """What tells the time to gates; a call for it would cost each client more."""

    @property
    def now(self) -> float:
        """The monotonic clock that all processes share, in seconds."""


@frozen
class _RateLimit:
    column: Column
    most: int
    rejection: Rejection


def _rate_limits(limits: SourceLimits, plan: Plan, where: str) -> Iterable[_RateLimit]:
    wanted: list[tuple[Counted, Rate | None, str, str]] = [
        ("source-rate", limits.source_rate, "source-rate", "new connections"),
        (
            "handshake-failures",
            limits.source_handshake_failures,
            "source-handshake-failures",
            "failed TLS handshakes",
        ),
    ]
    for kind, rate, word, what in wanted:
        if rate is not None:
            reason = f"more than {rate.count} {what}{where} in {written(rate.seconds)}"
            yield _RateLimit(plan.of_kind(kind)[0], rate.count, Rejection(word, reason))


class SourceGate:
    """
    A gate that counts each client in, and rejects those of a source that is over a limit.

    It is the last gate: a client that it lets in has a session, which takes the places where it is counted, and gives
    them back with `leave` at its end.
    """

    is_idle = False
    """It counts each client."""

    let_in: tuple[int, ...] = ()
    """The places where the client is counted that was let in last, until a session takes them."""

    def judge(self, source: bytes) -> Rejection | None:
        """Count a client of a source, and return the limit that the source is over, or None."""
        raise NotImplementedError

    def take(self) -> tuple[int, ...]:
        """Return the places where the client is counted that was let in last; at a second call nothing."""
        places, self.let_in = self.let_in, ()
        return places

    def count(self, places: Sequence[int], kind: Counted) -> None:
        """Count what a client does that is counted at these places: a failed handshake, a refused login."""
        raise NotImplementedError

    def leave(self, places: Sequence[int]) -> None:
        """Count a client out that is counted at these places, which are not empty."""
        raise NotImplementedError


class Limited(SourceGate):
    """
    The clients that are counted together, and the limits of their sources, if they have any.

    They are those of one frontend or of all, with one length of prefix.
    """

    def __init__(
        self,
        sources: Sources,
        plan: Plan,
        prefix: Lengths,
        clock: Clock,
        scope: bytes = EVERYWHERE,
        limits: SourceLimits | None = None,
        where: str = "",
    ) -> None:
        """`limits` are those of a table of the configuration; `where` ends their words."""
        assert sources.own is not None
        self.sizes = frozenset(size for size, bits in zip((4, 16), prefix, strict=True) if bits is not None)
        """The sizes of the addresses that are counted."""
        self.table = sources.own
        """The table that this process writes."""
        self._others = sources.others
        self._plan = plan
        self._key = key_maker(scope, *prefix)
        self._clock = clock
        limits = SourceLimits() if limits is None else limits
        most = limits.source_connections
        self._most = _NO_LIMIT if most is None else most
        self._too_many = Rejection("source-connections", f"more than {most} connections at once{where}")
        self._rates = tuple(_rate_limits(limits, plan, where))
        # For `judge`, which runs for each client and so has no call in the usual case.
        self._memory, self._numbers, self._room = self.table.memory, self.table.numbers, self.table.room
        self._head4, _ = heads(scope, prefix[0] or 0, 0)
        self._plain_size = 4 if prefix[0] == 32 else -1
        self._new = plan.of_kind("source-rate")
        self._window = Window(self._new[0].seconds, self._new[0].shift)
        most_of_kind = {rate.column.kind: rate.most for rate in self._rates}
        self._few_new = most_of_kind.get("source-rate", MAX_COUNT)
        self._few_failures = most_of_kind.get("handshake-failures", 2 * MAX_COUNT)
        self._few_connections = self._most if not self._others and len(self._new) == 1 else 0

    def judge(self, source: bytes, joins: int = 1) -> Rejection | None:
        """
        Count a new connection of a source in its rates, and return the limit that the source is over, or None.

        With None, the source has `joins` connections more.
        """
        now, window = self._clock.now, self._window
        key = self._head4 + source if len(source) == self._plain_size else self._key(source)
        place = hash(key) % self._room * ENTRY
        known, live, current, previous, failures, failures_before = read(self._memory, NUMBER_BYTES * place)
        if known != key:
            place = self.table.enter(key, now)
            if place < 0:
                self.let_in = ()
                return None
            _, live, current, previous, failures, failures_before = read(self._memory, NUMBER_BYTES * place)
        if now >= window.end:
            window.move(now)
        events = (current ^ window.low) + (previous ^ window.high)
        if events > MAX_COUNT:
            current, previous = window.moved(current, previous)
            self._numbers[place + RATES + 1] = previous
            self._numbers[place + RATES] = current
            events = (current ^ window.low) + (previous ^ window.high)
        if (
            events < self._few_new
            and live < self._few_connections
            and (not failures or (failures & MAX_COUNT) + (failures_before & MAX_COUNT) <= self._few_failures)
        ):
            write(self._memory, NUMBER_BYTES * (place + LIVE), live + joins, now, current + 1)
            rejection = None
        else:
            rejection = self._judge_exactly(key, place, now, joins)
        self.let_in = (place,) if rejection is None else ()
        return rejection

    def _judge_exactly(self, key: bytes, place: int, now: float, joins: int) -> Rejection | None:
        table, numbers = self.table, self._numbers
        table.times[place + TOUCHED] = now
        for column in self._new:
            count(numbers, place + column.place, column.time(now))
        entries = [(table, place)]
        for other in self._others:
            there = other.find(key)
            if there >= 0:
                entries.append((other, there))
        if connections_of(entries) >= self._most:
            return self._too_many
        for limit in self._rates:
            column = limit.column
            if most_of(entries, column) > limit.most and rate_of(entries, column, now) > limit.most:
                return limit.rejection
        numbers[place + LIVE] += joins
        return None

    def count(self, places: Sequence[int], kind: Counted) -> None:
        """Count what a client does that is counted at these places: a failed handshake, a refused login."""
        for place in places:
            for column in self._plan.of_kind(kind):
                count(self._numbers, place + column.place, column.time(self._clock.now))

    def leave(self, places: Sequence[int]) -> None:
        """Count a client out that is counted at these places, which are not empty."""
        self._numbers[places[0] + LIVE] -= 1


class _Several(SourceGate):
    """A gate of several scopes, or with clients that are exempt."""

    def __init__(self, limited: Sequence[Limited], exempt: NetworkSet) -> None:
        """All of `limited` count in the same table; there is at least one."""
        self._limited = tuple(limited)
        self._numbers = limited[0].table.numbers
        self._exempt = exempt if exempt else None

    def judge(self, source: bytes) -> Rejection | None:
        """Count a client of a source in each scope, and return the first limit that the source is over, or None."""
        self.let_in = ()
        if self._exempt is not None and source in self._exempt:
            return None
        rejection = None
        places: tuple[int, ...] = ()
        # Counted in each scope, also when the first one rejects it.
        for limited in self._limited:
            if len(source) not in limited.sizes:
                places += _NO_PLACE
                continue
            found = limited.judge(source, 0)
            rejection = rejection or found
            places += limited.let_in or _NO_PLACE
        if rejection is None:
            for place in places:
                if place >= 0:
                    self._numbers[place + LIVE] += 1
            self.let_in = places
        return rejection

    def count(self, places: Sequence[int], kind: Counted) -> None:
        """Count what a client does that is counted at these places: a failed handshake, a refused login."""
        # Without places, if it is exempt.
        for limited, place in zip(self._limited, places, strict=False):
            if place >= 0:
                limited.count((place,), kind)

    def leave(self, places: Sequence[int]) -> None:
        """Count a client out that is counted at these places, which are not empty."""
        for place in places:
            if place >= 0:
                self._numbers[place + LIVE] -= 1


def make_gate(settings: config.Config, frontend: config.Frontend, sources: Sources, clock: Clock) -> SourceGate | None:
    """Make the gate of a frontend; None if no source is counted there."""
    limited = [*_everywhere(settings, sources, clock), *_here(settings, frontend, sources, clock)]
    exempt = NetworkSet.of((*settings.limits.exempt, *frontend.limits.exempt))
    if not limited:
        return None
    return _Several(limited, exempt) if exempt or len(limited) > 1 else limited[0]


def _everywhere(settings: config.Config, sources: Sources, clock: Clock) -> Iterable[Limited]:
    plan = plan_of(settings)
    if plan is None:
        return
    yield Limited(sources, plan, plan.prefix, clock, limits=settings.limits)
    for prefix in plan.more:
        yield Limited(sources, plan, prefix, clock)


def _here(settings: config.Config, frontend: config.Frontend, sources: Sources, clock: Clock) -> Iterable[Limited]:
    plan = frontend_plan(settings, frontend)
    if plan is not None:
        scope = scope_of(frontend.name)
        yield Limited(sources, plan, settings.limits.prefix, clock, scope, frontend.limits, " to this frontend")
