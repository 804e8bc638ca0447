"""The limits of each source: a gate that counts the clients that it lets in, until they leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from mailproxy import config
from mailproxy.config.duration import written
from mailproxy.config.limits import SourceLimits
from mailproxy.config.measure import Counted
from mailproxy.config.rate import Rate
from mailproxy.networks.network_set import NetworkSet
from mailproxy.session.gate import Rejection
from mailproxy.sources.key import EVERYWHERE, scope_of
from mailproxy.sources.plan import Column, frontend_plan, plan_of
from mailproxy.sources.sources import Entry, Now, Scope, Sources, rate_of
from mailproxy.sources.table import COLUMNS
from mailproxy.sources.window import COUNT_BITS, MAX_COUNT


@frozen
class _RateLimit:
    column: Column
    most: int
    rejection: Rejection


@frozen
class Limited:
    """The limits of the sources of one scope; without any, they are only counted."""

    scope: Scope
    most_connections: int | None
    connections: Rejection | None
    rates: tuple[_RateLimit, ...]

    @classmethod
    def by(cls, limits: SourceLimits, scope: Scope, where: str) -> Limited:
        """Make the limits of a table of the configuration; `where` ends their words."""
        most = limits.source_connections
        wanted: list[tuple[Counted, Rate | None, str, str]] = [
            ("source-rate", limits.source_rate, "source-rate", "new connections"),
            (
                "handshake-failures",
                limits.source_handshake_failures,
                "source-handshake-failures",
                "failed TLS handshakes",
            ),
        ]
        return cls(
            scope,
            most,
            None if most is None else Rejection("source-connections", f"more than {most} connections at once{where}"),
            tuple(
                _RateLimit(
                    scope.plan.of_kind(kind)[0],
                    rate.count,
                    Rejection(word, f"more than {rate.count} {what}{where} in {written(rate.seconds)}"),
                )
                for kind, rate, word, what in wanted
                if rate is not None
            ),
        )

    def exceeded(self, entry: Entry, now: float) -> Rejection | None:
        """Return the limit that a source is over, or None; its new connection is in its rates already."""
        places = entry.places
        if self.most_connections is not None:
            connections = 0
            for table, slot in places:
                connections += table.live[slot]
            if connections >= self.most_connections:
                return self.connections
        for rate in self.rates:
            column = rate.column
            most = 0
            for table, slot in places:
                word = table.rates[slot * COLUMNS + column.number]
                most += (word & MAX_COUNT) + (word >> COUNT_BITS & MAX_COUNT)
            if most > rate.most and rate_of(places, column.number, column.time(now)) > rate.most:
                return rate.rejection
        return None


class SourceGate:
    """
    The gate of one frontend: it counts each client in, and rejects those of a source that is over a limit.

    It is the last gate: `take` is called for each client that it lets in.
    """

    is_idle = False
    """It counts each client."""

    def __init__(self, limited: Sequence[Limited], exempt: NetworkSet, now: Now) -> None:
        self._limited = tuple(limited)
        self._exempt = exempt if exempt else None
        self._now = now
        self._entries: tuple[Entry, ...] = ()

    def judge(self, source: bytes) -> Rejection | None:
        """Count a client of a source, and return the limit that the source is over, or None."""
        if self._exempt is not None and source in self._exempt:
            self._entries = ()
            return None
        now = self._now()
        rejection = None
        entries = []
        # Counted in each scope, also when the first one rejects it.
        for limited in self._limited:
            entry = limited.scope.enter(source, now)
            if entry is not None:
                entries.append(entry)
                rejection = rejection or limited.exceeded(entry, now)
        self._entries = () if rejection else tuple(entries)
        return rejection

    def take(self) -> tuple[Entry, ...]:
        """Return the client that was let in last, as it is counted until it leaves; at a second call nothing."""
        entries, self._entries = self._entries, ()
        for entry in entries:
            table, slot = entry.places[0]
            table.live[slot] += 1
        return entries


def make_gate(settings: config.Config, frontend: config.Frontend, sources: Sources, now: Now) -> SourceGate | None:
    """Make the gate of a frontend; None if no source is counted there."""
    limited = [*_everywhere(settings, sources), *_here(settings, frontend, sources)]
    if not limited:
        return None
    return SourceGate(limited, NetworkSet.of((*settings.limits.exempt, *frontend.limits.exempt)), now)


def _everywhere(settings: config.Config, sources: Sources) -> Iterable[Limited]:
    plan = plan_of(settings)
    if plan is None:
        return
    first, *more = plan.prefixes
    yield Limited.by(settings.limits, Scope(sources, plan, first, EVERYWHERE), "")
    for prefix in more:
        yield Limited.by(SourceLimits(), Scope(sources, plan, prefix, EVERYWHERE), "")


def _here(settings: config.Config, frontend: config.Frontend, sources: Sources) -> Iterable[Limited]:
    plan = frontend_plan(settings, frontend)
    if plan is not None:
        scope = Scope(sources, plan, settings.limits.prefix, scope_of(frontend.name))
        yield Limited.by(frontend.limits, scope, " to this frontend")
