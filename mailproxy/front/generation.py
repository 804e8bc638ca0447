"""
A generation: one reading of the configuration at work.

It is made of what was prepared, begins with `start`, and stops accepting with `retire`, by itself or because another
one starts after it. Its sessions live on, on the terms and with the backends that they have. When the last one has
ended it is over, and nothing refers to it any more.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator
from functools import partial

from twisted.logger import Logger

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.capabilities import Learner
from mailproxy.checks.check import Check
from mailproxy.checks.factory import make_check
from mailproxy.checks.look import FirstLook
from mailproxy.checks.monitor import Monitor
from mailproxy.front.frontend import Frontend
from mailproxy.front.loop import Loop
from mailproxy.front.prepare import Prepared, PreparedFrontend
from mailproxy.profiles import PROFILES
from mailproxy.session.session import Session
from mailproxy.session.termination import Ending

# Not the class's: an event would have the generation in it, and events may be kept.
_log = Logger(namespace="mailproxy")


class Generation:
    """What a configuration asks for, running: frontends, and who looks after the servers of their backends."""

    def __init__(self, prepared: Prepared, loop: Loop) -> None:
        """Get ready to start; the sockets have to be bound by then."""
        self._prepared = prepared
        self._loop = loop
        self.settings = prepared.settings
        self.backends = prepared.backends
        self.frontends = [self._make_frontend(frontend) for frontend in prepared.frontends]
        self._names = loop.names(self.settings.resolvers)
        self._monitors = [self._make_monitor(backend) for backend in self.backends.values()]
        self._looks = [
            FirstLook(backend, poller=loop.poller, timeouts=loop.timeouts) for backend in self.backends.values()
        ]
        self._learners = [
            self._make_learner(frontend, prepared_one.host)
            for frontend, prepared_one in zip(self.frontends, prepared.frontends, strict=True)
            if frontend.learns
        ]
        self._earlier: list[Generation] = []
        """Those that have sessions yet."""
        self._is_retired = False
        self._over: Callable[[], None] | None = None

    def _make_frontend(self, prepared: PreparedFrontend) -> Frontend:
        lasting = self._prepared.lasting
        name = prepared.settings.name
        return Frontend(
            prepared.settings,
            prepared.terms,
            loop=self._loop,
            counters=lasting.counters(name),
            bounds=(lasting.capacity(name), lasting.total),
        )

    def _make_monitor(self, backend: Backend) -> Monitor:
        loop = self._loop
        return Monitor(
            backend,
            partial(_make_check, backend, loop),
            self._names,
            self._end_sessions_with,
            clock=loop.reactor,
            poller=loop.poller,
            pace=loop.pace,
        )

    def _make_learner(self, frontend: Frontend, host: str) -> Learner:
        loop = self._loop
        settings = frontend.settings
        return Learner(
            frontend.terms.backend,
            settings.protocol,
            host,
            with_tls=settings.tls == "starttls",
            destination=settings.destination,
            interval=self.settings.backends[settings.backend].learn_interval,
            learned=frontend.learn,
            clock=loop.reactor,
            poller=loop.poller,
            timeouts=loop.timeouts,
        )

    def start(self, after: Generation | None = None) -> None:
        """Begin to accept, in place of another generation that retires now; what was prepared is adopted by then."""
        prepared = self._prepared
        if after is not None:
            self._succeed(after)
        sockets = prepared.lasting.sockets.by_frontend(self.settings.frontends)
        for frontend in self.frontends:
            frontend.start(sockets[frontend.name])
            settings = frontend.settings
            _log.info(
                "frontend {frontend} listens on {where}, protocol {protocol}, tls {tls}, backend {backend}",
                event="listening",
                frontend=frontend.name,
                where=", ".join(frontend.addresses),
                protocol=settings.protocol,
                tls=settings.tls,
                backend=settings.backend,
            )
        prepared.lasting.sockets.close_others(self.settings.frontends)
        for monitor in self._monitors:
            monitor.start()
        for look in self._looks:
            look.start()
        for learner in self._learners:
            learner.start()

    def _succeed(self, former: Generation) -> None:
        earlier = [former, *former._earlier]
        while former._earlier:
            former._part_from(former._earlier[-1])
        former.retire()
        self._remember(former)
        for one in earlier:
            if one.is_over:
                continue
            self._earlier.append(one)
            for key in self.backends.keys() & one.backends.keys():
                self.backends[key].succeed(one.backends[key])
            one.when_over(partial(self._part_from, one))

    def _remember(self, former: Generation) -> None:
        """Announce what the backends were last known to offer, until they are asked again."""
        known = {frontend.name: frontend.terms for frontend in former.frontends if frontend.learns}
        for frontend in self.frontends:
            before = known.get(frontend.name)
            if frontend.learns and before is not None and frontend.terms.learns_as(before):
                assert before.dialogue is not None
                if before.dialogue.capabilities is not None:
                    frontend.learn(before.dialogue.capabilities)

    def _part_from(self, earlier: Generation) -> None:
        self._earlier.remove(earlier)
        for key in self.backends.keys() & earlier.backends.keys():
            self.backends[key].part_from(earlier.backends[key])

    def retire(self) -> None:
        """Stop accepting, checking and learning; the sessions live on."""
        for learner in self._learners:
            learner.stop()
        for look in self._looks:
            look.stop()
        for monitor in self._monitors:
            monitor.stop()
        self._loop.leave(self._names)
        # What they call belongs to this generation: it is not to know them, too.
        self._learners, self._looks, self._monitors = [], [], []
        self._is_retired = True
        for frontend in self.frontends:
            frontend.retire(self._emptied)

    @property
    def is_over(self) -> bool:
        """True when it has retired, as far as the last session."""
        return self._is_retired and not any(frontend.sessions for frontend in self.frontends)

    def when_over(self, over: Callable[[], None]) -> None:
        """Call this, and nothing else, when the last session of a retired generation ends."""
        self._over = over

    def _emptied(self) -> None:
        if self._over is not None and self.is_over:
            over, self._over = self._over, None
            over()

    @property
    def sessions(self) -> Iterator[Session]:
        """Those of this generation, and of earlier ones that have some yet."""
        for generation in (self, *self._earlier):
            for frontend in generation.frontends:
                yield from frontend.sessions

    def _end_sessions_with(self, servers: Collection[BackendServer], ending: Ending, reason: str) -> None:
        for session in [session for session in self.sessions if session.held_server in servers]:
            session.shut_down(ending, reason)


def _make_check(backend: Backend, loop: Loop, server: BackendServer) -> Check | None:
    settings = server.origin.settings.check
    if settings.type == "none":
        return None
    return make_check(
        settings,
        backend.protocol,
        send_proxy=backend.settings.send_proxy,
        policy=backend.header,
        host=socket.gethostname(),
        reactor=loop.reactor,
        poller=loop.poller,
        timeouts=loop.timeouts,
        remedy=PROFILES[backend.settings.profile].takes_headers,
        distrusts=PROFILES[backend.settings.profile].distrusts,
    )
