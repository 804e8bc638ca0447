"""
A protocol between a transport and another protocol, invisible to both.

It is two objects: `Wrapper` is the protocol of the transport below, `WrappedTransport` is the transport of the protocol
above. One object for both would be wrong: Twisted's wrappers (`ProtocolWrapper`, and TLS, which is one) provide every
interface of the transport below them, and so would provide the listener interfaces of the protocol, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IOpenSSLContextFactory,
    IProtocol,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementedBy, implementer, providedBy
from zope.interface.declarations import Declaration


@implementer(ILoggingContext)
class Wrapper(Protocol):
    """A transport's protocol that passes events on to another protocol."""

    transport: ITransport
    wrappedProtocol: IProtocol | None = None
    """The protocol above; None before there is one, and after the connection has ended."""
    _isHandshakeDone = False

    def connectWrapped(self, protocol: IProtocol, transport: WrappedTransport) -> None:
        """Connect the protocol that this wrapper is for."""
        self.wrappedProtocol = protocol
        protocol.makeConnection(cast(ITransport, transport))  # zope's check takes longer than everything else here
        if self._isHandshakeDone:
            self.handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """Pass the received bytes on."""
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol above, and release it: each refers to the other."""
        protocol, self.wrappedProtocol = self.wrappedProtocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    def handshakeCompleted(self) -> None:
        """Tell the protocol above, if it listens, that the TLS below this one is up."""
        self._isHandshakeDone = True
        if IHandshakeListener.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.handshakeCompleted()

    def readConnectionLost(self) -> None:
        """Tell the protocol above that the peer has stopped sending; called only if it knows half-closes."""
        IHalfCloseableProtocol(self.wrappedProtocol).readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Tell the protocol above that this side has stopped sending; called only if it knows half-closes."""
        IHalfCloseableProtocol(self.wrappedProtocol).writeConnectionLost()

    def __conform__(self, interface: Any) -> Any:
        """Half-closes are for the protocol above, if it knows them: Twisted's transports adapt their protocol."""
        return interface(self.wrappedProtocol, None) if interface is IHalfCloseableProtocol else None

    def logPrefix(self) -> str:
        """Name the protocol above, which is the one to look for in a log."""
        return type(self if self.wrappedProtocol is None else self.wrappedProtocol).__name__


@lru_cache(maxsize=64)
def _both(own: Declaration, below: Declaration) -> Declaration:
    return Declaration(own, below)


class WrappedTransport:
    """
    The transport of a protocol above a `Wrapper`: it behaves like the one below, except for the methods here.

    It provides the current interfaces of the one below, which becomes an ISSLTransport by `startTLS`.
    """

    def __init__(self, wrapper: Wrapper) -> None:
        """Wrap the transport of the wrapper."""
        self.transport: Any = wrapper.transport
        self._wrapper = wrapper

    @property
    def __providedBy__(self) -> Declaration:
        return _both(implementedBy(type(self)), providedBy(self.transport))  # type: ignore[no-untyped-call]  # zope's

    def __getattr__(self, name: str) -> Any:
        """Pass other attributes on to the transport below."""
        return getattr(self.transport, name)

    @property
    def protocol(self) -> IProtocol | None:
        """The protocol above. It can be replaced, as with Twisted's own transports."""
        return self._wrapper.wrappedProtocol

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self._wrapper.wrappedProtocol = protocol

    def write(self, data: bytes) -> None:
        """Send."""
        self.transport.write(data)

    def getPeer(self) -> IAddress:
        """Return the peer's address."""
        return self.transport.getPeer()  # type: ignore[no-any-return]  # every transport's is one

    def getHost(self) -> IAddress:
        """Return the address on this side."""
        return self.transport.getHost()  # type: ignore[no-any-return]  # every transport's is one

    def startTLS(self, contextFactory: IOpenSSLContextFactory, normal: bool = True) -> IProtocol:
        """
        Begin TLS on the lowest transport; return the protocol that gets its received bytes from now on.

        Twisted's own transports return nothing: then it is their protocol.
        """
        receiver: IProtocol | None = self.transport.startTLS(contextFactory, normal)
        return self.transport.protocol if receiver is None else receiver


def abort(transport: ITransport) -> None:
    """Abort a connection; on transports that cannot, those of stdio and processes, close it."""
    end: Callable[[], object] = getattr(transport, "abortConnection", transport.loseConnection)
    end()
