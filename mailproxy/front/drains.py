"""Takes one frontend or one server out of service while the rest continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from mailproxy.backend.server import BackendServer
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.goodbyes import Goodbyes, GoodbyeSettings
from mailproxy.front.loop import Loop
from mailproxy.front.process_state import ProcessState
from mailproxy.session.session import Session


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

    def frontend(self, name: str, *, kick: bool = False, spread: float | None = None) -> int:
        """
        Refuse new clients of a frontend, after those in the kernel's queue, and return its number of sessions.

        With `kick` these are ended as well, spread over `spread` seconds (None: `drain-spread`), and at the latest
        `hard-stop-after` later. Raises `NoSuchPart`.
        """
        frontend = self._find_frontend(name)
        frontend.take_waiting()
        frontend.stop()
        self._suspend(frontend)
        live = sum(1 for _ in self._sessions_of_frontend(name))
        self._say_drained(name, live)
        if kick:
            self._kick(lambda: self._sessions_of_frontend(name), spread, f"frontend {name} is drained")
        return live

    def drained(self, name: str) -> Deferred[None]:
        """Return a Deferred that fires when a frontend that is being drained refuses new clients."""
        return succeed(None)

    def _suspend(self, frontend: Frontend) -> None:
        self._process_state.sockets.suspend(frontend.settings)

    def _say_drained(self, name: str, live: int) -> None:
        if not self._is_quiet:
            self._log.info(
                "frontend {frontend} accepts no clients, {sessions} sessions are left",
                event="frontend",
                frontend=name,
                state="drain",
                sessions=live,
            )

    def _say_ready(self, name: str) -> None:
        if not self._is_quiet:
            self._log.info("frontend {frontend} accepts clients again", event="frontend", frontend=name, state="ready")

    def frontend_ready(self, name: str) -> None:
        """Accept clients of a frontend again; `NoSuchPart`, or `StartError` if it cannot listen."""
        frontend = self._find_frontend(name)
        sockets = self._process_state.sockets
        if name not in sockets.suspended:
            return
        sockets.resume(frontend.settings)
        frontend.start(sockets.by_frontend(self._generation().settings.frontends)[name])
        self._say_ready(name)

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
            if server is not None and server.name == name and session.terms.backend.name == backend:
                yield session

    def _kick(self, sessions: Callable[[], Iterator[Session]], spread: float | None, reason: str) -> None:
        settings = self._generation().settings
        how = GoodbyeSettings(
            settings.drain_spread if spread is None else spread, settings.hard_stop_after, reason=reason
        )
        goodbyes = Goodbyes(sessions, how, clock=self._loop.reactor, poller=self._loop.poller)
        self._kicks.add(goodbyes)
        goodbyes.begin().addCallback(lambda _: self._kicks.discard(goodbyes))

    def stop(self) -> None:
        """Stop ending sessions: the process stops and ends them all."""
        while self._kicks:
            self._kicks.pop().stop()
