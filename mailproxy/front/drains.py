"""Takes one frontend or one server out of service while the rest continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mailproxy.backend.server import BackendServer
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.goodbyes import Goodbyes, GoodbyeSettings
from mailproxy.front.loop import Loop
from mailproxy.front.process_state import ProcessState
from mailproxy.front.sockets import StartError
from mailproxy.session.session import Session
from mailproxy.transport.newcomers import HANDSHAKE_SECONDS


class NoSuchPart(Exception):
    """There is no frontend or server with this name; the message is a sentence."""


class Drains:
    """
    The frontends and servers that an admin takes out of service, and back (mutable).

    This outlasts readings of the configuration: a frontend stays drained, and a server keeps its state.
    """

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, generation: Callable[[], Generation], process_state: ProcessState, loop: Loop, *, is_quiet: bool = False
    ) -> None:
        """`generation` returns the current generation. With `is_quiet` another process logs what this one would."""
        self._is_quiet = is_quiet
        self._generation = generation
        self._process_state = process_state
        self._loop = loop
        self._kicks: set[Goodbyes] = set()
        self._draining: dict[str, list[Callable[[], object]]] = {}
        """By frontend that is about to refuse clients: what follows then."""
        self._pauses: dict[str, IDelayedCall] = {}

    def frontend(self, name: str, *, kick: bool = False, spread: float | None = None) -> Deferred[int]:
        """
        Refuse new clients of a frontend, after those that have connected or are just connecting.

        The Deferred fires when the frontend accepts no clients, with its number of sessions. With `kick` these are
        ended as well, spread over `spread` seconds (None: `drain-spread`), and at the latest `hard-stop-after` later.
        Raises `NoSuchPart`.
        """
        settings = self._find_frontend(name).settings
        drained: Deferred[int] = Deferred()
        if name in self._draining:
            self._draining[name].append(lambda: self.frontend(name, kick=kick, spread=spread).chainDeferred(drained))
            return drained
        self._draining[name] = []
        refuse = partial(self._refuse, name, kick, spread, drained)
        if self._process_state.sockets.keep_away(settings):
            self._pauses[name] = self._loop.reactor.callLater(HANDSHAKE_SECONDS, self._end_pause, name, refuse)
        else:
            refuse()
        return drained

    def _end_pause(self, name: str, refuse: Callable[[], None]) -> None:
        del self._pauses[name]
        refuse()

    def _refuse(self, name: str, kick: bool, spread: float | None, drained: Deferred[int]) -> None:
        try:
            settings = self._find_frontend(name).settings
        except NoSuchPart:  # a reload has removed it
            self._drained(name, 0, drained)
            return
        self._process_state.sockets.refuse(settings)
        self._drained(name, self.stop_accepting(name, kick=kick, spread=spread), drained)

    def _drained(self, name: str, live: int, drained: Deferred[int]) -> None:
        waiting = self._draining.pop(name)
        drained.callback(live)
        for call in waiting:
            call()

    def stop_accepting(self, name: str, *, kick: bool = False, spread: float | None = None) -> int:
        """
        Accept the clients in the queues of a frontend, then no more, and return its number of sessions.

        With `kick` these are ended as well, as `frontend` does. Raises `NoSuchPart`.
        """
        frontend = self._find_frontend(name)
        frontend.take_waiting()
        frontend.stop()
        self._suspend(frontend)
        live = sum(1 for _ in self._sessions_of_frontend(name))
        self._log_drained(name, live)
        if kick:
            self._kick(lambda: self._sessions_of_frontend(name), spread, f"frontend {name} is drained")
        return live

    def _suspend(self, frontend: Frontend) -> None:
        self._process_state.sockets.suspend(frontend.settings)

    def _log_drained(self, name: str, live: int) -> None:
        if not self._is_quiet:
            self._log.info(
                "frontend {frontend} accepts no clients, {sessions} sessions are left",
                event="frontend",
                frontend=name,
                state="drain",
                sessions=live,
            )

    def _log_ready(self, name: str) -> None:
        if not self._is_quiet:
            self._log.info("frontend {frontend} accepts clients again", event="frontend", frontend=name, state="ready")

    def frontend_ready(self, name: str) -> None:
        """Accept clients of a frontend again; `NoSuchPart`, or `StartError` if it cannot listen."""
        frontend = self._find_frontend(name)
        sockets = self._process_state.sockets
        if name in self._draining:
            self._draining[name].append(partial(self._enable_at_last, name))
        if name not in sockets.suspended:
            return
        sockets.resume(frontend.settings)
        frontend.start(sockets.by_frontend(self._generation().settings.frontends)[name])
        self._log_ready(name)

    def _enable_at_last(self, name: str) -> None:
        """Enable a frontend that was still being drained when that was asked for."""
        try:
            self.frontend_ready(name)
        except (NoSuchPart, StartError) as error:
            self._log.error("frontend {frontend} stays drained: {reason}", frontend=name, reason=str(error))

    def server(self, backend: str, name: str, *, kick: bool = False, spread: float | None = None) -> int:
        """
        Send no new clients to a server, in any protocol, and return its number of sessions.

        With `kick` these are ended as well, spread over `spread` seconds (None: `drain-spread`), and at the latest
        `hard-stop-after` later. Raises `NoSuchPart`.
        """
        now = self._loop.poller.look_at_clock()
        found: list[BackendServer] = []
        for made in self._generation().backends.values():
            for server in made.pool.servers:
                if (made.name, server.name) == (backend, name):
                    if not found:
                        self._process_state.overrides.set_state(backend, server, "drain")
                    found.append(server)
                    made.pool.set_state(server, "drain", now, "by hand")
        if not found:
            raise NoSuchPart(f"there is no server {backend}/{name}")
        live = sum(1 for _ in self._sessions_of_server(backend, name))
        if kick:
            reason = f"server {backend}/{name} is drained"
            self._kick(lambda: self._sessions_of_server(backend, name), spread, reason)
        return live

    def _find_frontend(self, name: str) -> Frontend:
        for frontend in self._generation().frontends:
            if frontend.name == name:
                return frontend
        raise NoSuchPart(f"there is no frontend {name}")

    def _sessions_of_frontend(self, name: str) -> Iterator[Session]:
        return (session for session in self._generation().sessions if session.terms.frontend == name)

    def _sessions_of_server(self, backend: str, name: str) -> Iterator[Session]:
        for session in self._generation().sessions:
            server = session.held_server
            if (
                server is not None
                and server.name == name
                and (session.backend or session.terms.backend).name == backend
            ):
                yield session

    def _kick(self, sessions: Callable[[], Iterator[Session]], spread: float | None, reason: str) -> None:
        settings = self._generation().settings
        how = GoodbyeSettings(
            settings.drain_spread if spread is None else spread, settings.hard_stop_after, reason=reason
        )
        goodbyes = Goodbyes(sessions, how, clock=self._loop.reactor, poller=self._loop.poller)
        self._kicks.add(goodbyes)
        goodbyes.begin().addCallback(lambda _: self._kicks.discard(goodbyes))

    @property
    def draining(self) -> frozenset[str]:
        """The names of the frontends that still accept clients, and are about to refuse them."""
        return frozenset(self._draining)

    @property
    def emptying(self) -> frozenset[str]:
        """The names of the frontends that take the clients in their queues, and then refuse clients."""
        return frozenset(self._draining.keys() - self._pauses.keys())

    def stop(self) -> None:
        """Stop draining, and ending sessions: the process stops and ends them all."""
        while self._pauses:
            name, pause = self._pauses.popitem()
            pause.cancel()
            for frontend in self._generation().settings.frontends:
                if frontend.name == name:
                    self._process_state.sockets.let_in(frontend)
        while self._kicks:
            self._kicks.pop().stop()
