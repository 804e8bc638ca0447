"""
Learning what the servers of a backend offer, so that mailproxy can announce it before STARTTLS.

A server is asked on the way that clients take: the same address, a PROXY header by the same rules. The header tells of
our own connection, and for clients that will be on TLS it says TLS, because servers offer more then.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IAddress, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.mail.probe import CapabilityProbe
from mailproxy.session.backend import Backend, Server
from mailproxy.session.ends import PackedAddress
from mailproxy.tls.facts import TlsFacts

# A backend of which nothing is known is asked again so soon: it may just be starting.
RETRY_SECONDS = 10.0

# What a header says of a connection that is to be treated like one with TLS.
_TLS = TlsFacts(
    version="TLSv1.3",
    cipher="TLS_AES_128_GCM_SHA256",
    group=None,
    server_name=None,
    alpn=None,
    resumed=False,
    certificate_sig_alg=None,
    certificate_key_alg=None,
    client_certificate=None,
    client_common_names=(),
    verify=1,
)


@frozen
class Lesson:
    """What one server said it offers; without capabilities, why it did not."""

    server: str
    capabilities: tuple[bytes, ...] | None
    failure: str = ""
    still_offers_starttls: bool = False


class _Visit(Protocol):
    """One connection that asks and leaves."""

    transport: ITCPTransport

    def __init__(self, probe: CapabilityProbe, backend: Backend, facts: TlsFacts | None) -> None:
        self._probe = probe
        self._backend = backend
        self._facts = facts
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Write the header, in one piece."""
        header = self._backend.header.build(
            _packed(self.transport.getHost()),
            _packed(self.transport.getPeer()),
            self._facts,
        )
        if header.data:
            self.transport.write(header.data)

    def dataReceived(self, data: bytes) -> None:
        """Go on with the questions."""
        reply = self._probe.receive(data)
        if reply:
            self.transport.write(reply)
        if self._probe.done:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Be done."""
        self._probe.end()
        self.over.callback(None)


class _Visits(Factory):
    """Makes one visit."""

    noisy = False

    def __init__(self, visit: _Visit) -> None:
        self._visit = visit

    def buildProtocol(self, addr: IAddress | None) -> _Visit:
        """Return the visit."""
        return self._visit


def _packed(address: Any) -> PackedAddress | None:
    if not hasattr(address, "host"):
        return None  # a UNIX socket
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.inet_pton(family, address.host), address.port


def _endpoint(server: Server, seconds: float, reactor: Any) -> IStreamClientEndpoint:
    if server.target.family == socket.AF_UNIX:
        return UNIXClientEndpoint(reactor, server.target.address, timeout=seconds)
    host, port = server.target.address
    make = TCP4ClientEndpoint if server.target.family == socket.AF_INET else TCP6ClientEndpoint
    return make(reactor, host, port, timeout=seconds)


async def ask(backend: Backend, server: Server, protocol: str, host: str, *, with_tls: bool, reactor: Any) -> Lesson:
    """Ask one server what it offers to clients with or without TLS, within the backend's connect deadline."""
    seconds = backend.connect_seconds
    probe = CapabilityProbe(protocol, host.encode())
    visit = _Visit(probe, backend, _TLS if with_tls else None)
    try:
        await _endpoint(server, seconds, reactor).connect(_Visits(visit))
    except Exception as error:
        return Lesson(server.name, None, str(error))
    deadline = reactor.callLater(seconds, visit.transport.abortConnection)
    await visit.over
    if deadline.active():
        deadline.cancel()
    elif probe.capabilities is None:
        return Lesson(server.name, None, f"no list within {seconds:g} s")
    return Lesson(server.name, probe.capabilities, probe.failure, with_tls and probe.still_offers_starttls)


class Learner:
    """Keeps learning what a backend offers in one protocol, and tells it on; the last good answer stays."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        backend: Backend,
        protocol: str,
        host: str,
        *,
        with_tls: bool,
        interval: float,
        learned: Callable[[tuple[bytes, ...]], None],
        reactor: Any,
    ) -> None:
        self._backend = backend
        self._protocol = protocol
        self._host = host
        self._with_tls = with_tls
        self._interval = interval
        self._learned = learned
        self._reactor = reactor
        self._known: Lesson | None = None
        self._loop = LoopingCall(self._learn)
        self._loop.clock = reactor

    def start(self) -> None:
        """Ask now, and from time to time."""
        self._loop.start(min(self._interval, RETRY_SECONDS), now=True)

    def stop(self) -> None:
        """Ask no more."""
        if self._loop.running:
            self._loop.stop()

    def _learn(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._ask_around())

    async def _ask_around(self) -> None:
        """Take the first answer that there is, in the servers' order."""
        for server in self._backend.servers:
            lesson = await ask(
                self._backend, server, self._protocol, self._host, with_tls=self._with_tls, reactor=self._reactor
            )
            if lesson.capabilities is not None:
                self._loop.interval = self._interval
                self._take(lesson, lesson.capabilities)
                return
        self._loop.interval = min(self._interval, RETRY_SECONDS)

    def _take(self, lesson: Lesson, capabilities: tuple[bytes, ...]) -> None:
        if self._known is not None and self._known.capabilities == capabilities:
            return
        self._known = lesson
        self._learned(capabilities)
        self._log.info(
            "backend {backend} offers {protocol} clients {count} capabilities, by server {server}",
            event="learned",
            backend=self._backend.name,
            protocol=self._protocol,
            count=len(capabilities),
            server=lesson.server,
        )
        if lesson.still_offers_starttls:
            self._log.warn(
                "backend {backend}, server {server}: {advice}",
                event="advice",
                backend=self._backend.name,
                server=lesson.server,
                advice=STARTTLS_ADVICE,
            )


STARTTLS_ADVICE = (
    "still offers STARTTLS to clients that are on TLS already; set ssl = no on Dovecot 2.3's listener for mailproxy, "
    "or whatever turns TLS off there"
)
