"""
The connection of one request, with bounds: Twisted's client has none for what a server may send.

Two layers count. One stands on the socket, below TLS, and counts bytes. The other stands below Twisted's parser and
counts the lines before the body: the parser gets them one by one, because it copies the rest of what it has for each.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

MAX_BYTES = 64 * 1024
"""How much is read of a connection, TLS included: the longest status lists of doveadm have a quarter of it."""

READ_BYTES = 8192
"""How much is read at a time: 64 KiB of chunks of one byte take 30 ms, and others must not wait for all of them."""

MAX_LINE_BYTES = 8192
"""How long a line before the body may be: as long as servers take one themselves."""

MAX_LINES = 128
"""How many lines may come before the body: ten times what servers send; each costs 10 µs."""

MAX_INTERIM = 4
"""How many 1xx answers may come before the answer (RFC 9110 section 15.2): Twisted logs each."""

LEFT_BYTES = 256 * 1024
"""
After how many bytes the young objects are collected: Twisted's parser leaves a cycle of references for each chunked
body, which may hold all that came. The service's own collections are hundreds of checks apart.
"""

CLOSE_SECONDS = 1.0
"""How long a connection may take to close once the answer is there."""

# One check asks at one URL; `{host}` in it changes as often as the server's address does.
_HOSTS = 4


class Shared:
    """What all requests of one check share (mutable)."""

    def __init__(self) -> None:
        # Once for each host: reading the system's authorities takes milliseconds.
        self.creator_for: Callable[[bytes, int], IOpenSSLClientConnectionCreator] = lru_cache(maxsize=_HOSTS)(
            BrowserLikePolicyForHTTPS().creatorForNetloc
        )
        self._left = 0

    def collect_after(self, count: int) -> None:
        """Note that a connection is over on which `count` bytes came, and collect what such connections have left."""
        self._left += count
        if self._left >= LEFT_BYTES:
            self._left = 0
            gc.collect(1)


@implementer(IAgentEndpointFactory)
class Connections:
    """The connections of one request (mutable); Twisted leaves those open whose other side does not close."""

    def __init__(
        self,
        reactor: Any,
        seconds: float,
        shared: Shared,
        closing_seconds: float = CLOSE_SECONDS,
        most_bytes: int = MAX_BYTES,
    ) -> None:
        """Open each within `seconds`, and give each `closing_seconds` to close once the answer is there."""
        self.most_bytes = most_bytes
        self.excess = ""
        """Which bound the server has passed, in words for the log; empty if none."""
        self.is_in_body = False
        """Whether the lines before the body are over; the client says it."""
        self._reactor = reactor
        self._seconds = seconds
        self._closing_seconds = closing_seconds
        self.shared = shared
        self._open: list[ITCPTransport] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the way to a host."""
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._seconds)
        endpoint = _Layered(endpoint, self, _Bytes)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self.shared.creator_for(uri.host, uri.port), endpoint)
        return _Layered(endpoint, self, _Lines)

    def opened(self, transport: ITCPTransport) -> None:
        """Note a connection."""
        self._open.append(transport)

    def exceeded(self, bound: str) -> None:
        """End the request: the server has sent more than it may."""
        self.excess = self.excess or bound
        self._abort()

    def close(self, *, at_once: bool) -> None:
        """Close what is still open."""
        if at_once:
            self._abort()
        elif self._open:
            self._reactor.callLater(self._closing_seconds, self._abort)

    def _abort(self) -> None:
        for transport in self._open:
            transport.abortConnection()
        self._open.clear()


class _Layer(Protocol):
    """A protocol that counts what another one receives."""

    def __init__(self, connections: Connections, inner: Protocol) -> None:
        self._connections = connections
        self.inner: Protocol | None = inner

    def connectionMade(self) -> None:
        assert self.inner is not None
        assert self.transport is not None
        self.inner.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # No reference stays that closes a cycle.
        inner, self.inner = self.inner, None
        if inner is not None:
            inner.connectionLost(reason)


class _Bytes(_Layer):
    """Counts bytes, on the socket."""

    _count = 0

    def connectionMade(self) -> None:
        transport = cast(Any, self.transport)
        transport.bufferSize = READ_BYTES
        self._connections.opened(transport)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        self._count += len(data)
        if self._count > self._connections.most_bytes:
            self._connections.exceeded(f"more than {self._connections.most_bytes} bytes")
        elif self.inner is not None:
            self.inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._connections.shared.collect_after(self._count)


class _Lines(_Layer):
    """Counts the lines before the body, and hands them on one by one."""

    _lines = 0
    _line_bytes = 0
    _interim = 0

    def dataReceived(self, data: bytes) -> None:
        while data and not self._connections.is_in_body:
            line, end, data = data.partition(b"\n")
            self._line_bytes += len(line)
            is_blank = bool(end) and self._line_bytes <= 1
            if self._line_bytes > MAX_LINE_BYTES:
                return self._connections.exceeded(f"a line of more than {MAX_LINE_BYTES} bytes")
            if end:
                self._lines += 1
                self._line_bytes = 0
            if self._lines > MAX_LINES:
                return self._connections.exceeded(f"more than {MAX_LINES} lines before the body")
            self._hand_on(line + end)
            if is_blank and not self._connections.is_in_body:
                self._interim += 1
                if self._interim > MAX_INTERIM:
                    return self._connections.exceeded(f"more than {MAX_INTERIM} 1xx responses")
        if data:
            self._hand_on(data)
        return None

    def _hand_on(self, data: bytes) -> None:
        if self.inner is not None and not cast(Any, self.transport).disconnecting:
            self.inner.dataReceived(data)


@implementer(IStreamClientEndpoint)
class _Layered:
    """An endpoint whose connections have a layer."""

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        connections: Connections,
        layer: Callable[[Connections, Protocol], _Layer],
    ) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._layer = layer

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, without logging."""
        cast(Any, protocolFactory).noisy = False
        factory = _LayerFactory(protocolFactory, lambda inner: self._layer(self._connections, inner))
        return self._endpoint.connect(factory).addCallback(_inner)


def _inner(layer: Any) -> IProtocol:
    protocol: IProtocol = layer.inner
    return protocol


@implementer(IProtocolFactory)
class _LayerFactory:
    """Puts a layer below what another factory builds."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, layer: Callable[[Protocol], _Layer]) -> None:
        self._factory = factory
        self._layer = layer

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress) -> _Layer | None:
        inner = self._factory.buildProtocol(addr)
        return None if inner is None else self._layer(cast(Protocol, inner))
