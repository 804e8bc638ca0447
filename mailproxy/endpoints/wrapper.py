"""A protocol that sits between a transport and another protocol, and is seen by neither."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IOpenSSLContextFactory,
    IProtocol,
    ITransport,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import alsoProvides, directlyProvides, providedBy


class Wrapper(ProtocolWrapper):
    """
    Twisted's `ProtocolWrapper`, with what that leaves out.

    It lets through half-closes and the news of a TLS handshake, it shows that `startTLS` was called, and a protocol can
    be replaced by assigning to the transport's `protocol`, as with Twisted's own transports.
    """

    transport: ITransport
    wrappedProtocol: IProtocol
    _isHandshakeDone = False

    def __init__(self, factory: WrappingFactory[Any], wrappedProtocol: IProtocol) -> None:
        """Stand before a protocol, and provide what it does already when it is not connected."""
        super().__init__(factory, wrappedProtocol)
        self._provide()

    @property
    def protocol(self) -> IProtocol:
        """The protocol that gets what this transport receives."""
        return self.wrappedProtocol

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self.wrappedProtocol = protocol
        self._provide()

    def connectionMade(self) -> None:
        """Become what the transport is, before the wrapped protocol is connected."""
        self._provide()

    def connectWrapped(self, protocol: IProtocol) -> None:
        """Connect the protocol that this wrapper is for."""
        self.protocol = protocol
        protocol.makeConnection(ITransport(self))
        if self._isHandshakeDone:
            self.handshakeCompleted()

    def _provide(self) -> None:
        """Provide what the transport provides now, and what Twisted asks protocols for only if the protocol has it."""
        directlyProvides(self, providedBy(self.transport))
        for interface in (IHalfCloseableProtocol, IHandshakeListener):
            if interface.providedBy(self.wrappedProtocol):
                alsoProvides(self, interface)

    def startTLS(self, contextFactory: IOpenSSLContextFactory, normal: bool = True) -> None:
        """Begin TLS; the transport is an ISSLTransport from here on."""
        self.transport.startTLS(contextFactory, normal)  # type: ignore[attr-defined]  # only called if it is there
        self._provide()

    def handshakeCompleted(self) -> None:
        """Tell the protocol, if it listens, that the TLS below this transport is up."""
        self._isHandshakeDone = True
        if IHandshakeListener.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.handshakeCompleted()

    def readConnectionLost(self) -> None:
        """Tell the protocol that the peer has stopped sending."""
        self.wrappedProtocol.readConnectionLost()  # type: ignore[attr-defined]  # only called if it is there

    def writeConnectionLost(self) -> None:
        """Tell the protocol that this side has stopped sending."""
        self.wrappedProtocol.writeConnectionLost()  # type: ignore[attr-defined]  # only called if it is there
