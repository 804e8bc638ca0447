"""The service: everything that a configuration asks for, running on a reactor."""

from __future__ import annotations

import gc
import itertools
import os
import platform
import resource
import socket
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any

from attrs import asdict
from OpenSSL import SSL
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mailproxy import __version__, config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.capabilities import Learner
from mailproxy.checks.look import FirstLook
from mailproxy.checks.make import make_check
from mailproxy.checks.prober import Pace
from mailproxy.checks.timeouts import Timeouts
from mailproxy.checks.upkeep import Upkeep
from mailproxy.checks.visiting import Check
from mailproxy.names import Names
from mailproxy.profiles import PROFILES
from mailproxy.session.capacity import Capacity
from mailproxy.session.counters import counted
from mailproxy.session.frontend import Frontend
from mailproxy.session.prepare import prepare, warnings
from mailproxy.session.record import SessionLog
from mailproxy.session.termination import Ending
from mailproxy.tls.files import CertificatesByProfile
from mailproxy.transport.bound import Bound, bind_inet, bind_unix
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.listener import Listener
from mailproxy.transport.poller import Poller

# What a process needs beside its sessions: standard streams, epoll objects, the reactor's waker, log files.
SPARE_DESCRIPTORS = 24

# A session has one to its client and one to its server.
DESCRIPTORS_PER_SESSION = 2

# How often a stopping service looks for sessions that it can end without interrupting anything.
STOP_INTERVAL_SECONDS = 0.1


class StartError(Exception):
    """Why the service cannot listen: a sentence for each socket, one a line."""


class ProxyService(Service):
    """
    The front of one configuration.

    `bind` opens the sockets, which may need privileges. Starting the service accepts from them. Stopping it stops
    accepting, ends each session as soon as it is quiet, and the rest once `hard-stop-after` has passed.
    """

    name = "mailproxy"
    _log = Logger(namespace="mailproxy")

    def __init__(self, settings: config.Config, reactor: Any, source: str = "the configuration") -> None:
        """Make ready everything but the sockets; `ConfigError`, as if from `source`, with everything that is wrong."""
        ready = prepare(settings, source)
        self._settings = settings
        self._source = source
        self._reactor = reactor
        # In front of the reactor if it is ours, else inside it.
        own = getattr(reactor, "poller", None)
        self._poller: Poller = own or Poller()
        self._is_inside = own is None
        deadlines = Deadlines(reactor, self._poller)
        self._session_log = SessionLog(reactor)
        self._total = Capacity("maxconn", settings.maxconn or _affordable_sessions(settings))
        number = itertools.count(1)
        # Not the same in two processes that were forked: they start at different times.
        process = f"{time.time_ns() // 1000:x}"
        self._grace = settings.hard_stop_after
        self._stop_at = 0.0
        self._next_look: IDelayedCall | None = None
        self._warnings = warnings(settings, ready, datetime.now(UTC))
        self.frontends = [
            Frontend(
                frontend,
                backend,
                tls,
                host=frontend.hostname or _host_name(frontend, ready.certificates),
                poller=self._poller,
                deadlines=deadlines,
                total=self._total,
                process=process,
                identify=number.__next__,
                log=self._session_log,
            )
            for frontend, backend, tls in ready.frontends
        ]

        self._names = Names(settings.resolvers, reactor)
        pace = Pace()
        self._timeouts = Timeouts(reactor)
        self._upkeeps = [
            Upkeep(
                backend,
                partial(self._make_check, backend),
                self._names,
                partial(self._end_sessions_with, backend),
                clock=reactor,
                poller=self._poller,
                pace=pace,
            )
            for backend in dict.fromkeys(frontend.terms.backend for frontend in self.frontends)
        ]
        self._looks = [
            FirstLook(upkeep.backend, poller=self._poller, timeouts=self._timeouts) for upkeep in self._upkeeps
        ]
        self._learners = [
            Learner(
                frontend.terms.backend,
                frontend.settings.protocol,
                frontend.host,
                with_tls=frontend.settings.tls == "starttls",
                interval=settings.backends[frontend.settings.backend].learn_interval,
                learned=frontend.learn,
                clock=reactor,
                poller=self._poller,
                timeouts=self._timeouts,
            )
            for frontend in self.frontends
            if frontend.learns
        ]

    def bind(self) -> None:
        """Open every listening socket; `StartError` with every one that cannot be, and then none stays open."""
        problems = []
        for frontend in self.frontends:
            for bind in frontend.settings.bind:
                try:
                    bound = _listen(bind)
                except OSError as error:
                    reason = error.strerror or str(error)
                    problems.append(f"frontend.{frontend.name}.bind: cannot listen on {bind}: {reason}")
                else:
                    frontend.listen(Listener(bound, frontend.accepted))
        if problems:
            for frontend in self.frontends:
                frontend.stop()
            raise StartError("\n".join(problems))

    def startService(self) -> None:
        """Begin to accept."""
        super().startService()
        if self._is_inside:
            self._poller.attach(self._reactor)
        self._introduce()
        for warning in self._warnings:
            self._log.warn("{warning}", event="warning", warning=warning)
        for frontend in self.frontends:
            frontend.start(self._reactor)
            settings = frontend.settings
            self._log.info(
                "frontend {frontend} listens on {where}, protocol {protocol}, tls {tls}, backend {backend}",
                event="listening",
                frontend=frontend.name,
                where=", ".join(frontend.addresses),
                protocol=settings.protocol,
                tls=settings.tls,
                backend=settings.backend,
            )

        for upkeep in self._upkeeps:
            upkeep.start()
        for look in self._looks:
            look.start()
        for learner in self._learners:
            learner.start()
        self._log.info("ready", event="ready")

    def _introduce(self) -> None:
        """Log what an admin, or who reads a report of theirs, wants to know first."""
        self._log.info(
            "mailproxy {version} starts: pid {pid}, Python {python}, {openssl}, configuration {configuration}, "
            "maxconn {maxconn}, {descriptors} descriptors",
            event="start",
            version=__version__,
            pid=os.getpid(),
            python=platform.python_version(),
            openssl=SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii"),
            configuration=self._source,
            maxconn=self._total.maximum,
            descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )

    def stopService(self) -> Deferred[None]:
        """Stop accepting and end the sessions politely; the Deferred fires when there are none."""
        super().stopService()
        for learner in self._learners:
            learner.stop()
        for look in self._looks:
            look.stop()
        for upkeep in self._upkeeps:
            upkeep.stop()
        self._names.stop()
        live = sum(len(frontend.sessions) for frontend in self.frontends)
        seconds = self._grace
        self._log.info(
            f"stopping, with up to {{seconds:g}} s for {counted(live, 'sessions')}",
            event="stopping",
            sessions=live,
            seconds=seconds,
        )
        for frontend in self.frontends:
            frontend.stop()
        stopped: Deferred[None] = Deferred()
        self._stop_at = self._reactor.seconds() + seconds
        self._end_sessions(stopped)
        return stopped

    def stop_now(self) -> None:
        """End all sessions at once, in a stop that is under way or still to come."""
        self._grace = 0.0
        self._stop_at = self._reactor.seconds()
        if self._next_look is not None:
            self._next_look.reset(0)

    def _make_check(self, backend: Backend, server: BackendServer) -> Check | None:
        settings = server.origin.settings.check
        if settings.type == "none":
            return None
        return make_check(
            settings,
            backend.protocol,
            send_proxy=backend.settings.send_proxy,
            policy=backend.header,
            host=socket.gethostname(),
            reactor=self._reactor,
            poller=self._poller,
            timeouts=self._timeouts,
            remedy=PROFILES[backend.settings.profile].takes_headers,
        )

    def _end_sessions_with(
        self, backend: Backend, servers: Collection[BackendServer], ending: Ending, reason: str
    ) -> None:
        """End the sessions that some servers of a backend have."""
        for frontend in self.frontends:
            if frontend.terms.backend is backend:
                for session in [session for session in frontend.sessions if session.place in servers]:
                    session.shut_down(ending, reason)

    def _end_sessions(self, stopped: Deferred[None]) -> None:
        self._next_look = None
        live = [session for frontend in self.frontends for session in frontend.sessions]
        left = self._stop_at - self._reactor.seconds()
        # Inside another reactor the poller's time stands still while nothing happens, and goodbyes have deadlines.
        self._poller.look_at_clock()
        for session in live:
            if left <= 0:
                session.abort()
            elif session.is_quiet:
                session.shut_down()
        if live and left > 0:
            self._next_look = self._reactor.callLater(min(STOP_INTERVAL_SECONDS, left), self._end_sessions, stopped)
            return
        self._session_log.flush()
        for frontend in self.frontends:
            self._log.info(
                "frontend {frontend} is closed: {counts}",
                event="closed",
                frontend=frontend.name,
                counts=frontend.counters,
                **asdict(frontend.counters),
            )
        if self._is_inside:
            self._poller.detach(self._reactor)
            self._poller.close()
        stopped.callback(None)


def _host_name(frontend: config.Frontend, certificates: CertificatesByProfile) -> str:
    """Return what a frontend calls itself: the first name in its certificates, or else the machine's."""
    found = certificates.get(frontend.tls_profile or "", ())
    names = (name for certificate in found for name in certificate.names if "*" not in name)
    return next(names, None) or socket.gethostname()


def _listen(bind: config.Bind) -> Bound:
    if isinstance(bind, config.UnixBind):
        return bind_unix(bind.path)
    family = socket.AF_INET if bind.host.version == 4 else socket.AF_INET6
    return bind_inet(family, str(bind.host), bind.port)


def _affordable_sessions(settings: config.Config) -> int:
    """Return how many sessions the limit on open files has room for, after raising it as far as is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listening = sum(len(frontend.bind) for frontend in settings.frontends)
    return max((hard - SPARE_DESCRIPTORS - listening) // DESCRIPTORS_PER_SESSION, 1)


def quiet_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and off connections, which leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
