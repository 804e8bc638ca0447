"""What clients connect to: its listeners, and everything that its sessions share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from attrs import asdict, define, evolve
from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config.model import UNIX, Network, Sender
from mailproxy.mail.dialogue import Settings
from mailproxy.mail.greeting import server_speaks_first
from mailproxy.mail.refusal import REFUSES_WHEN_ASKED, goodbye, refusal
from mailproxy.proxyprotocol import AcceptPolicy
from mailproxy.session.capacity import Capacity
from mailproxy.session.record import SessionLog
from mailproxy.session.session import Session
from mailproxy.tls.server import TlsServer
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.listener import Listener
from mailproxy.transport.poller import Poller


@define
class Counters:
    """What has happened on a frontend since the start (mutable)."""

    connections: int = 0
    headers: int = 0
    header_errors: int = 0
    handshake_errors: int = 0
    no_server: int = 0
    refused: int = 0
    sessions: int = 0
    injections: int = 0

    def __str__(self) -> str:
        """Write those that are not 0, in words."""
        counts = ((name.replace("_", " "), count) for name, count in asdict(self).items())
        return ", ".join(counted(count, words) for words, count in counts if count) or "no connections"


def counted(count: int, words: str) -> str:
    """Return a number of things, whose plural is given, in words."""
    return f"{count} {words.removesuffix('s') if count == 1 else words}"


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
        identify: Callable[[], int],
        log: SessionLog,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.backend = backend
        self.tls = tls
        self.poller = poller
        self.deadlines = deadlines
        self.timeout = settings.timeout
        self.silence = min(settings.timeout.client, settings.timeout.server)
        """How many seconds of silence a session bears at least."""
        self.refusal = refusal(settings.protocol)
        self.goodbye = goodbye(settings.protocol)
        self.refuses_when_asked = settings.protocol in REFUSES_WHEN_ASKED
        self.server_speaks_first = server_speaks_first(settings.protocol)
        self.host = host
        self.dialogue = _dialogue(settings, host)
        """What is said before STARTTLS; None on a frontend without."""
        self.accept = _accept_policy(settings)
        self.begins_in_clear = tls is None or self.dialogue is not None
        """True when a client's first bytes are no TLS."""
        self.accept_keys = "accept-proxy or accept-proxy-optional" if settings.accept_proxy_optional else "accept-proxy"
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

    def is_offloader(self, host: IPv4Address | IPv6Address | None) -> bool:
        """Tell whether TLS is ended by who connects from this address, None for a UNIX socket."""
        return any(
            host is None if isinstance(sender, str) else host is not None and host in sender
            for sender in self.settings.tls_offloaded_by
        )

    def dropped_ssl(self) -> None:
        """Log, once, that what a header said of the client's TLS is not passed on."""
        if not self._has_dropped_ssl:
            self._has_dropped_ssl = True
            self._events.warn(
                "frontend {frontend}: the headers that come in say that clients are on TLS (TLV SSL), and backend "
                '{backend} is not told what they say: its proxy-v2-pass-tlvs has no "ssl"',
                event="dropped-ssl",
                frontend=self.name,
                backend=self.backend.name,
            )

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            listener.start()

    @property
    def learns(self) -> bool:
        """True when what is announced before STARTTLS is for the backend to say, not for the configuration."""
        return self.dialogue is not None and not self.settings.capabilities

    def learn(self, capabilities: tuple[bytes, ...]) -> None:
        """Announce from now on what the backend offers."""
        if self.dialogue is not None:
            self.dialogue = evolve(self.dialogue, capabilities=capabilities)

    @property
    def addresses(self) -> list[str]:
        """Where this listens, in words."""
        return [listener.address for listener in self._listeners]

    def stop(self) -> None:
        """Stop accepting; the sessions go on."""
        for listener in self._listeners:
            listener.stop()

    def accepted(self, sock: socket.SocketType, peer: Any, listener: Listener) -> None:
        """Begin a session for a client."""
        session = Session(self, sock, peer, self._identify(), listener)
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
        self._log.add(self, session)


def _dialogue(settings: config.Frontend, host: str) -> Settings | None:
    if not settings.has_starttls:
        return None
    return Settings(
        host=host.encode(),
        capabilities=tuple(name.encode() for name in settings.capabilities) or None,
        optional=settings.tls == "starttls-optional",
    )


def _accept_policy(settings: config.Frontend) -> AcceptPolicy | None:
    """Return who sends a PROXY header here; None if nobody does and everybody is served."""
    if not (settings.accept_proxy or settings.accept_proxy_optional or settings.accept_proxy_only):
        return None
    return AcceptPolicy(
        trusted=_networks(settings.accept_proxy),
        optional=_networks(settings.accept_proxy_optional),
        refuse_others=settings.accept_proxy_only,
        unix=UNIX in settings.accept_proxy,
        optional_unix=UNIX in settings.accept_proxy_optional,
        timeout=settings.timeout.proxy_header,
    )


def _networks(senders: Iterable[Sender]) -> tuple[Network, ...]:
    return tuple(sender for sender in senders if not isinstance(sender, str))
