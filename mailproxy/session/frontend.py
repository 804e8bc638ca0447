"""What clients connect to: its listeners, and everything that its sessions share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.session.capacity import Capacity
from mailproxy.session.counters import Counters
from mailproxy.session.record import SessionLog
from mailproxy.session.session import Session
from mailproxy.session.terms import Terms
from mailproxy.tls.server import TlsServer
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.listener import Listener
from mailproxy.transport.poller import Poller


class Frontend:
    """One frontend of the configuration, running."""

    _bugs = Logger()
    _events = Logger(namespace="mailproxy")

    def __init__(
        self,
        settings: config.Frontend,
        backend: Backend,
        tls: TlsServer | None,
        *,
        host: str,
        poller: Poller,
        deadlines: Deadlines,
        total: Capacity,
        process: str,
        identify: Callable[[], int],
        log: SessionLog,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.host = host
        self.terms = Terms.of(settings, backend, tls, host)
        """What holds for the sessions that begin from now on."""
        self.poller = poller
        self.deadlines = deadlines
        self.process = process
        self.counters = Counters()
        self.sessions: set[Session] = set()
        self.capacity = Capacity(f"maxconn of {settings.name}", settings.maxconn)
        self._total = total
        self._identify = identify
        self._log = log
        self._listeners: list[Listener] = []
        self._has_dropped_ssl = False

    def listen(self, listener: Listener) -> None:
        """Take the clients of one more listener."""
        self._listeners.append(listener)
        self.capacity.bound(listener)
        self._total.bound(listener)

    def dropped_ssl(self, backend: Backend) -> None:
        """Log, once, that what a header said of the client's TLS is not passed on."""
        if not self._has_dropped_ssl:
            self._has_dropped_ssl = True
            self._events.warn(
                "frontend {frontend}: the headers that come in say that clients are on TLS (TLV SSL), and backend "
                '{backend} is not told what they say: its proxy-v2-pass-tlvs has no "ssl"',
                event="dropped-ssl",
                frontend=self.name,
                backend=backend.name,
            )

    def start(self, clock: IReactorTime) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            listener.start(self.poller, clock)

    @property
    def learns(self) -> bool:
        """True when what is announced before STARTTLS is for the backend to say, not for the configuration."""
        return self.settings.has_starttls and not self.settings.capabilities

    def learn(self, capabilities: tuple[bytes, ...]) -> None:
        """Announce to later clients what the backend offers."""
        self.terms = self.terms.with_capabilities(capabilities)

    @property
    def addresses(self) -> list[str]:
        """Where this listens, in words."""
        return [listener.bound.address for listener in self._listeners]

    def stop(self) -> None:
        """Stop accepting, and close the sockets; the sessions go on."""
        for listener in self._listeners:
            listener.stop()
            listener.bound.close()

    def accepted(self, sock: socket.SocketType, peer: Any, listener: Listener) -> None:
        """Begin a session for a client."""
        session = Session(self, self.terms, sock, peer, self._identify(), listener)
        self.counters.connections += 1
        self.sessions.add(session)
        self.capacity.join()
        self._total.join()
        try:
            session.begin()
        except Exception:
            # Our bug: this client ends, the listener does not hear of it.
            self._bugs.failure("bug at the start of session {id}", id=session.id)
            session.broke()

    def leave(self, session: Session) -> None:
        """See a session off that is over."""
        self.sessions.discard(session)
        self.capacity.leave()
        self._total.leave()
        self._log.add(session)
