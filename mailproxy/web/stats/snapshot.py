"""All that the page shows, at one moment; collected once a second at most, and only while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailproxy.backend.numbers import FAILED
from mailproxy.control import observe, top_sources
from mailproxy.control.ban_status import ban_of
from mailproxy.control.certificate_status import certificate_statuses
from mailproxy.control.grammar import BadCommand
from mailproxy.control.running import Running
from mailproxy.control.status import BackendStatus, CertificateStatus, FrontendStatus, Info, ServerStatus, SourceStatus
from mailproxy.control.survey import Survey
from mailproxy.session.numbers import REFUSED_LOGINS
from mailproxy.web.api import in_turns
from mailproxy.web.health import reasons_against
from mailproxy.web.stats.all_sessions import survey_all
from mailproxy.web.stats.newest import Newest, NewestEvents
from mailproxy.web.stats.samples import Sample, Samples
from mailproxy.web.turns import Turns

FRESH_SECONDS = 0.9
"""How long a snapshot is shown to others who look."""

SURVEY_SECONDS = 4.5
"""A look at more than `FEW` sessions is shown for this time, at fewer for `FRESH_SECONDS`."""

FEW = 1000
"""So many sessions are looked at in two milliseconds."""

CERTIFICATES_SECONDS = 60.0
"""A list of more than `FEW_CERTIFICATES` is read again after this time, a shorter one after `FRESH_SECONDS`."""

FEW_CERTIFICATES = 200

SOURCES = 10
"""The sources with the highest rates that are shown, and those with the most refused logins."""

SEARCHES = 8
"""The most different searches that are kept."""


@frozen
class Server:
    """A server, and how many attempts to reach it have failed since the start."""

    status: ServerStatus
    failed: int


@frozen
class Snapshot:
    """What the page shows, besides the sessions."""

    info: Info
    workers: int
    unready: tuple[str, ...]
    """Why the service is not ready."""
    samples: tuple[Sample, ...]
    frontends: tuple[FrontendStatus, ...]
    backends: tuple[BackendStatus, ...]
    servers: tuple[Server, ...]
    certificates: tuple[CertificateStatus, ...]
    refusals: Mapping[str, float]
    """How many clients each frontend refuses by the second."""
    sources: tuple[SourceStatus, ...]
    """Those with the highest rates; none if sources are not counted."""
    guessers: tuple[SourceStatus, ...]
    """Those with the most refused logins; none if sources, or their refused logins, are not counted."""
    events: tuple[Newest, ...]


class Snapshots:
    """The newest snapshot, and the newest look at the sessions for each search."""

    def __init__(
        self,
        running: Running,
        reactor: Any,
        turns: Turns,
        samples: Samples,
        events: NewestEvents,
        *,
        watchers: Callable[[], int],
    ) -> None:
        """`watchers` returns the number of clients that watch events."""
        self._running = running
        self._reactor = reactor
        self._turns = turns
        self._samples = samples
        self._events = events
        self._watchers = watchers
        self._kept: dict[object, tuple[float, Any]] = {}
        self._waiting: dict[object, list[Deferred[Any]]] = {}

    async def latest(self) -> Snapshot:
        """Return a snapshot of this second."""
        found: Snapshot = await self._fresh("snapshot", FRESH_SECONDS, self._make)
        return found

    async def sessions(self, search: str) -> Survey:
        """Return a look at the sessions of the last seconds."""
        seconds = FRESH_SECONDS if self._running.process_state.total.sessions <= FEW else SURVEY_SECONDS
        key = ("sessions", search)
        found: Survey = await self._fresh(key, seconds, lambda: survey_all(self._running, search, self._turns))
        for key in [key for key in self._kept if isinstance(key, tuple)][:-SEARCHES]:
            del self._kept[key]
        return found

    async def _fresh(self, key: object, seconds: float, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return what was made less than `seconds` ago, or what is made now, for all who want it meanwhile."""
        kept = self._kept.get(key)
        if kept is not None and self._reactor.seconds() - kept[0] < seconds:
            return kept[1]
        mine: Deferred[Any] = Deferred()
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(mine)
        else:
            self._waiting[key] = [mine]
            # It is nobody's own: a client that leaves cancels its wait, and the others still get what they want.
            Deferred.fromCoroutine(make()).addBoth(self._made, key)
        return await mine

    def _made(self, made: Any, key: object) -> None:
        """Keep what was made, and give it, or the failure, to those who wait."""
        if not isinstance(made, Failure):
            self._kept.pop(key, None)
            self._kept[key] = (self._reactor.seconds(), made)
        for one in self._waiting.pop(key):
            if not one.called:  # else its client has left
                one.callback(made)

    async def _make(self) -> Snapshot:
        running = self._running
        frontends = await self._all(observe.frontends(running))
        backends = await self._all(observe.backends(running))
        statuses = await self._all(observe.servers(running))
        counts = running.process_state.counts
        return Snapshot(
            info=observe.info(running, self._watchers()),
            workers=len(running.others),
            unready=tuple(reasons_against(running)),
            samples=self._samples.taken,
            frontends=frontends,
            backends=backends,
            servers=tuple(
                Server(one, counts.server(one.backend, one.protocol, one.server).sum(FAILED)) for one in statuses
            ),
            certificates=await self._fresh(
                "certificates", self._certificates_seconds(), lambda: self._all(certificate_statuses(running))
            ),
            refusals=self._samples.refusals,
            sources=await self._fresh("sources", SURVEY_SECONDS, lambda: self._sources("rate")),
            guessers=await self._fresh("guessers", SURVEY_SECONDS, self._guessers),
            events=self._events.kept,
        )

    def ban_of(self, search: str) -> str:
        """Return what bans the address that is searched for, in a sentence; empty if there is no such ban."""
        return ban_of(self._running, search)

    async def _guessers(self) -> tuple[SourceStatus, ...]:
        # A look at a large table takes its time: there is none where no login has been refused.
        state, frontends = self._running.process_state, self._running.generation.frontends
        are_there = any(state.block(frontend.name).sum(REFUSED_LOGINS) for frontend in frontends)
        return await self._sources("logins") if are_there else ()

    async def _sources(self, by: str) -> tuple[SourceStatus, ...]:
        try:
            rows = top_sources.sources(self._running, {"by": by, "limit": SOURCES})
        except BadCommand:  # no source is counted
            return ()
        return await self._all(rows)

    def _certificates_seconds(self) -> float:
        count = sum(map(len, self._running.process_state.certificates.in_use.values()))
        return FRESH_SECONDS if count <= FEW_CERTIFICATES else CERTIFICATES_SECONDS

    async def _all(self, rows: Any) -> tuple[Any, ...]:
        found: list[Any] = []
        async for some in in_turns(rows, self._turns):
            found += some
        return tuple(found)
