"""
A protocol that sits between a transport and another protocol, and is seen by neither.

It is two objects: `Wrapper` is the protocol that the transport below has, `WrappedTransport` is the transport that the
protocol above has. One object for both would be wrong: Twisted's wrappers (`ProtocolWrapper`, and TLS, which is one)
claim every interface of the transport that they stand on, and so would claim to listen to what the protocol listens to.
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
    """The protocol that a transport has, which is there for another one."""

    transport: ITransport
    wrappedProtocol: IProtocol | None = None
    """The protocol above; None until there is one, and when the connection has ended."""
    _isHandshakeDone = False

    def connectWrapped(self, protocol: IProtocol, transport: WrappedTransport) -> None:
        """Connect the protocol that this wrapper is for."""
        self.wrappedProtocol = protocol
        protocol.makeConnection(cast(ITransport, transport))  # to have zope look takes longer than all else here
        if self._isHandshakeDone:
            self.handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """Pass on what arrives."""
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol above, and let go of it: each of them holds the other."""
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
    The transport that a protocol above a `Wrapper` has: in all that is not said here, the one below.

    What it provides is what the one below provides at the time: that becomes an ISSLTransport by `startTLS`.
    """

    def __init__(self, wrapper: Wrapper) -> None:
        """Stand on the transport that the wrapper is connected to."""
        self.transport: Any = wrapper.transport
        self._wrapper = wrapper

    @property
    def __providedBy__(self) -> Declaration:
        return _both(implementedBy(type(self)), providedBy(self.transport))  # type: ignore[no-untyped-call]  # zope's

    def __getattr__(self, name: str) -> Any:
        """Be the transport below."""
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
        Begin TLS on the lowest transport; returns the protocol that gets what arrives there from now on.

        Twisted's own transports return nothing, their protocol is the one.
        """
        receiver: IProtocol | None = self.transport.startTLS(contextFactory, normal)
        return self.transport.protocol if receiver is None else receiver


def abort(transport: ITransport) -> None:
    """End a connection now; on transports that cannot, those of stdio and of processes, as soon as they do."""
    end: Callable[[], object] = getattr(transport, "abortConnection", transport.loseConnection)
    end()
