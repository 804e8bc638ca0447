"""
A generation: one reading of the configuration in use.

It is made from a `Prepared`, begins with `start`, and stops accepting with `retire`, directly or because another one
starts after it. Its sessions continue with their terms and backends. After the last session it is over, and nothing
refers to it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.server import BackendServer
from mailproxy.backend.slowstart import Slowstart
from mailproxy.front.frontend import Frontend
from mailproxy.front.limits import SourceGate, make_gate
from mailproxy.front.loop import Loop
from mailproxy.front.monitoring import Learned, Monitoring
from mailproxy.front.order import Ordered, newest_before, oldest_after
from mailproxy.front.pace import Pace
from mailproxy.front.prepare import Prepared, PreparedFrontend
from mailproxy.front.role import ALONE, Role
from mailproxy.front.shutdowns import Shutdowns
from mailproxy.session.session import Session
from mailproxy.session.termination import Ending
from mailproxy.transport.bound import Bound

# Not a class attribute: an event would refer to the generation, and events may be kept.
_log = Logger(namespace="mailproxy")


class Generation:
    """A running configuration: frontends that accept, and the monitoring of the servers of their backends."""

    def __init__(self, prepared: Prepared, loop: Loop, role: Role = ALONE) -> None:
        """Prepare the part for the process's `role`; the sockets have to be bound before `start`."""
        self._prepared = prepared
        self._loop = loop
        self._role = role
        self.settings = prepared.settings
        self.backends = prepared.backends
        self.frontends = [self._make_frontend(frontend) for frontend in prepared.frontends]
        self.learned: Learned = _do_nothing
        """Called, besides the frontend, with the capabilities that a frontend announces to its clients."""
        self.monitoring = Monitoring(prepared, loop, self.learn) if role.is_main else None
        self._components: list[Monitoring | Shutdowns | Slowstart] = (
            [] if self.monitoring is None else [self.monitoring]
        )
        """What runs from `start` to `retire` beside the frontends."""
        for backend in self.backends.values():
            # A change is logged before its consequences.
            self._components.append(Shutdowns(backend, self._end_sessions_with))
            self._components.append(Slowstart(backend, clock=loop.reactor, poller=loop.poller))
        self._earlier: list[Generation] = []
        """Earlier generations that still have sessions."""
        self._is_retired = False
        self._over: Callable[[], None] | None = None

    def _make_frontend(self, prepared: PreparedFrontend) -> Frontend:
        process_state, settings = self._prepared.process_state, prepared.settings
        name, limits, loop = settings.name, settings.limits, self._loop
        pace = None
        if limits.rate is not None and self._role.accepts:
            numbers, every = process_state.counts.pace(name)
            pace = Pace(limits.rate, numbers, every, poller=loop.poller, clock=loop.reactor)
        return Frontend(
            settings,
            prepared.terms,
            loop=loop,
            block=process_state.block(name),
            capacities=(process_state.capacity(name), process_state.total),
            pace=pace,
            handshakes=None if limits.handshakes is None else process_state.handshakes(name),
            gates=() if settings.judges_bans else (process_state.bans,),
            bans=process_state.bans,
            source_gate=self._make_source_gate(settings),
            rule_blocks=[process_state.counts.rule(name, rule.name) for rule in prepared.settings.rules],
        )

    def _make_source_gate(self, frontend: config.Frontend) -> SourceGate | None:
        sources = self._prepared.process_state.sources(self.settings)
        if sources is None or not self._role.accepts:
            return None
        return make_gate(self.settings, frontend, sources, self._loop.poller)

    def start(self, after: Generation | None = None) -> None:
        """Begin to accept, in place of another generation, which retires now; `Prepared.adopt` has to come first."""
        prepared = self._prepared
        sockets = prepared.process_state.sockets.by_frontend(self.settings.frontends)
        if after is not None:
            kept = {bound for bounds in sockets.values() for bound in bounds}
            for frontend in after.frontends:
                frontend.take_waiting(kept)  # closing a socket resets the clients in its queue
            self._succeed(after)
        for (name, protocol), backend in self.backends.items():
            prepared.process_state.counts.count_pool(name, protocol, backend.pool)
        for frontend in self.frontends:
            if self._role.accepts:
                frontend.start(sockets[frontend.name])
            if self._role.is_main and (after is None or not after.listens_as(frontend.settings)):
                self._log_addresses(frontend.settings, sockets[frontend.name])
        prepared.process_state.sockets.close_others(self.settings.frontends)
        for component in self._components:
            component.start()

    def listens_as(self, settings: config.Frontend) -> bool:
        """Return whether a frontend has the same name and addresses, and speaks the same, as one of these."""
        return any(_where_and_what(settings) == _where_and_what(one.settings) for one in self.frontends)

    def _log_addresses(self, settings: config.Frontend, sockets: Iterable[Bound]) -> None:
        _log.info(
            "frontend {frontend} listens on {where}, protocol {protocol}, tls {tls}, backend {backend}",
            event="listening",
            frontend=settings.name,
            where=", ".join(bound.address for bound in sockets) or "nothing, as it is drained",
            protocol=settings.protocol,
            tls=settings.tls,
            backend=settings.backend,
        )

    def learn(self, name: str, capabilities: tuple[bytes, ...]) -> None:
        """Announce a backend's capabilities to later clients of a frontend."""
        for frontend in self.frontends:
            if frontend.name == name:
                frontend.learn(capabilities)
        self.learned(name, capabilities)

    def _succeed(self, previous: Generation) -> None:
        earlier = [previous, *previous._earlier]
        while previous._earlier:
            previous._detach(previous._earlier[-1])
        previous.retire()
        self._remember(previous)
        for one in earlier:
            if one.is_over:
                continue
            self._earlier.append(one)
            for key in self.backends.keys() & one.backends.keys():
                self.backends[key].succeed(one.backends[key])
            one.when_over(partial(self._detach, one))

    def _remember(self, previous: Generation) -> None:
        """Announce the backends' last known capabilities until they have answered again."""
        known = {frontend.name: frontend.terms for frontend in previous.frontends if frontend.learns}
        for frontend in self.frontends:
            before = known.get(frontend.name)
            if frontend.learns and before is not None and frontend.terms.learns_as(before):
                assert before.dialogue is not None
                if before.dialogue.capabilities is not None:
                    frontend.learn(before.dialogue.capabilities)

    def _detach(self, earlier: Generation) -> None:
        self._earlier.remove(earlier)
        for key in self.backends.keys() & earlier.backends.keys():
            self.backends[key].detach(earlier.backends[key])

    def stop_accepting(self, *, takes_waiting: bool = False) -> None:
        """Stop accepting, perhaps after the clients in the kernel's queues; everything else continues."""
        for frontend in self.frontends:
            if takes_waiting:
                frontend.take_waiting()
            frontend.stop()

    def retire(self) -> None:
        """Stop accepting, checking and learning; the sessions continue."""
        # They refer to this generation: it must not refer to them.
        self.monitoring = None
        while self._components:
            self._components.pop(0).stop()
        self._is_retired = True
        for frontend in self.frontends:
            frontend.retire(self._emptied)

    @property
    def is_over(self) -> bool:
        """True if it has retired and has no session."""
        return self._is_retired and not any(frontend.sessions for frontend in self.frontends)

    def when_over(self, over: Callable[[], None]) -> None:
        """Set the function to call when the last session of a retired generation ends; it replaces an earlier one."""
        self._over = over

    def _emptied(self) -> None:
        if self._over is not None and self.is_over:
            over, self._over = self._over, None
            over()

    @property
    def generations(self) -> tuple[Generation, ...]:
        """This one, and earlier ones that have sessions yet."""
        return self, *self._earlier

    @property
    def sessions(self) -> Iterator[Session]:
        """The sessions of this generation, and of earlier ones."""
        for generation in self.generations:
            for frontend in generation.frontends:
                yield from frontend.sessions

    def newest_before(self, number: int | None, most: int) -> list[Session]:
        """Return the `most` newest sessions with smaller numbers than this one, the newest first; None: of all."""
        return newest_before(number, most, self._ordered)

    def oldest_after(self, number: int, most: int) -> list[Session]:
        """Return the `most` oldest sessions with greater numbers than this one, the oldest first."""
        return oldest_after(number, most, self._ordered)

    @property
    def _ordered(self) -> Iterator[Ordered]:
        return (frontend.sessions for generation in self.generations for frontend in generation.frontends)

    def _end_sessions_with(self, servers: Collection[BackendServer], ending: Ending, reason: str) -> None:
        for session in list(self.sessions):
            held = session.held_server
            if held is not None and any(_is_now(held, server) for server in servers):
                session.shut_down(ending, reason)


def _do_nothing(frontend: str, capabilities: tuple[bytes, ...]) -> None:
    """Do nothing."""


def _is_now(held: BackendServer, server: BackendServer) -> bool:
    """Return whether a session's server is this one now, at the same address: another one has other connections."""
    return held.latest is server and held.origin.where == server.origin.where


def _where_and_what(settings: config.Frontend) -> tuple[object, ...]:
    return settings.name, settings.bind, settings.protocol, settings.tls, settings.backend
