"""The service: everything that a configuration asks for, running on a reactor."""

from __future__ import annotations

import gc
import os
import platform
import resource
from datetime import UTC, datetime
from typing import Any

from attrs import asdict
from OpenSSL import SSL
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mailproxy import __version__
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.loop import Loop
from mailproxy.front.prepare import Prepared
from mailproxy.front.role import ALONE
from mailproxy.session.counters import counted

# How often a stopping service looks for sessions that it can end without interrupting anything.
STOP_INTERVAL_SECONDS = 0.1


class ProxyService(Service):
    """
    The front as a service of Twisted: the generation that is at work, and its start and end with the process's.

    `bind` opens the sockets, which may need privileges. Starting the service accepts from them. Stopping it stops
    accepting, ends each session as soon as it is quiet, and the rest once `hard-stop-after` has passed.
    """

    name = "mailproxy"
    _log = Logger(namespace="mailproxy")

    role = ALONE
    """What this process does of the work."""

    def __init__(self, prepared: Prepared, reactor: Any) -> None:
        """Make ready everything but the sockets."""
        prepared.adopt()
        self._prepared = prepared
        self._lasting = prepared.lasting
        self._reactor = reactor
        self._loop = Loop(reactor)
        self._generation = self._make_generation(prepared)
        self._grace = prepared.settings.hard_stop_after
        self._stop_at = 0.0
        self._next_look: IDelayedCall | None = None
        self._warnings = prepared.warnings(datetime.now(UTC))

    def _make_generation(self, prepared: Prepared) -> Generation:
        """Make a reading of the configuration ready to start."""
        return Generation(prepared, self._loop, self.role)

    @property
    def frontends(self) -> list[Frontend]:
        """The frontends of the configuration, in its order."""
        return self._generation.frontends

    def bind(self) -> None:
        """Open every listening socket; `StartError` with every one that cannot be, and then none stays open."""
        self._prepared.bind()

    def startService(self) -> None:
        """Begin to accept."""
        super().startService()
        self._loop.start()
        self._introduce()
        for warning in self._warnings:
            self._log.warn("{warning}", event="warning", warning=warning)
        self._generation.start()
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
            configuration=os.path.abspath(self._prepared.source),
            maxconn=self._lasting.total.maximum,
            descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )

    def stopService(self) -> Deferred[None]:
        """Stop accepting and end the sessions politely; the Deferred fires when there are none."""
        super().stopService()
        live = self._lasting.total.sessions
        seconds = self._grace
        self._log.info(
            f"stopping, with up to {{seconds:g}} s for {counted(live, 'sessions')}",
            event="stopping",
            sessions=live,
            seconds=seconds,
        )
        self._generation.retire()
        self._lasting.sockets.close()
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

    def _end_sessions(self, stopped: Deferred[None]) -> None:
        self._next_look = None
        live = list(self._generation.sessions)
        left = self._stop_at - self._reactor.seconds()
        # Inside another reactor the poller's time stands still while nothing happens, and goodbyes have deadlines.
        self._loop.poller.look_at_clock()
        for session in live:
            if left <= 0:
                session.abort()
            elif session.is_quiet:
                session.shut_down()
        if live and left > 0:
            self._next_look = self._reactor.callLater(min(STOP_INTERVAL_SECONDS, left), self._end_sessions, stopped)
            return
        self._loop.stop()
        for frontend in self.frontends:
            self._log.info(
                "frontend {frontend} is closed: {counts}",
                event="closed",
                frontend=frontend.name,
                counts=frontend.counters,
                **asdict(frontend.counters),
            )
        stopped.callback(None)


def quiet_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and off connections, which leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
