"""
The checks, addresses and capabilities of the servers of one reading of the configuration.

One process does this for all processes that accept clients; it need not accept any itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.capability_monitor import CapabilityMonitor
from mailproxy.checks.check import Check
from mailproxy.checks.factory import make_check
from mailproxy.checks.look import FirstLook
from mailproxy.checks.monitor import Monitor
from mailproxy.config.place import NamedServer, SrvServer
from mailproxy.front.loop import Loop
from mailproxy.front.prepare import Prepared, PreparedFrontend
from mailproxy.profiles import PROFILES

Learned = Callable[[str, tuple[bytes, ...]], None]
"""Called with a frontend's name, and its backend's capabilities."""


class Monitoring:
    """Monitors servers, tests their PROXY header once, and learns their capabilities, from `start` to `stop`."""

    def __init__(self, prepared: Prepared, loop: Loop, learned: Learned) -> None:
        self._loop = loop
        backends = prepared.backends
        self._names = loop.names(prepared.settings.resolvers) if _has_names(backends.values()) else None
        self.monitors = {key: self._make_monitor(backend) for key, backend in backends.items()}
        self._components: list[Monitor | FirstLook | CapabilityMonitor] = [
            *self.monitors.values(),
            *(FirstLook(backend, poller=loop.poller, timeouts=loop.timeouts) for backend in backends.values()),
            *(
                self._make_capability_monitor(frontend, partial(learned, frontend.settings.name))
                for frontend in prepared.frontends
                if frontend.settings.learns
            ),
        ]

    def _make_monitor(self, backend: Backend) -> Monitor:
        loop = self._loop
        return Monitor(
            backend,
            partial(_make_check, backend, loop),
            self._names,
            clock=loop.reactor,
            poller=loop.poller,
            pace=loop.pace,
        )

    def _make_capability_monitor(
        self, frontend: PreparedFrontend, learned: Callable[[tuple[bytes, ...]], None]
    ) -> CapabilityMonitor:
        loop = self._loop
        settings, backend = frontend.settings, frontend.terms.backend
        return CapabilityMonitor(
            backend,
            settings.protocol,
            frontend.host,
            with_tls=settings.tls == "starttls",
            destination=settings.destination,
            interval=backend.settings.learn_interval,
            learned=learned,
            clock=loop.reactor,
            poller=loop.poller,
            timeouts=loop.timeouts,
        )

    def start(self) -> None:
        """Begin."""
        for part in self._components:
            part.start()

    def stop(self) -> None:
        """Stop; the servers keep their state."""
        for part in reversed(self._components):
            part.stop()
        if self._names is not None:
            self._loop.leave(self._names)


def _has_names(backends: Iterable[Backend]) -> bool:
    servers = (server for backend in backends for server in backend.settings.servers)
    return any(isinstance(server.address, NamedServer | SrvServer) for server in servers)


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
