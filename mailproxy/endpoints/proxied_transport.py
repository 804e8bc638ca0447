"""
The transport of a protocol behind a PROXY header: the client's address, and the bytes that came with the header.

The protocol may pause its transport before it gets these bytes, or close the connection, or begin TLS.
"""

from __future__ import annotations

from functools import cached_property

from twisted.internet.interfaces import IAddress, IOpenSSLContextFactory, IProtocol, IReactorTime
from zope.interface import implementer

from mailproxy.endpoints.addresses import twisted_address
from mailproxy.endpoints.interfaces import IProxiedTransport
from mailproxy.endpoints.wrapper import WrappedTransport, Wrapper, abort
from mailproxy.proxyprotocol import Header


class WrapperWithRest(Wrapper):
    """A wrapper that may have bytes for the protocol above."""

    rest = b""
    """The undelivered bytes that came after the header."""


@implementer(IProxiedTransport)
class ProxiedTransport(WrappedTransport):
    """The transport of a protocol whose connection may have begun with a header."""

    def __init__(self, wrapper: WrapperWithRest, header: Header | None, clock: IReactorTime) -> None:
        """Show the addresses of a header, or the connection's own without one; `clock` delivers bytes later."""
        super().__init__(wrapper)
        self._below = wrapper
        self.proxyHeader = header
        self._addresses = header and header.stream_addresses
        self._clock = clock
        self._isPaused = False
        self._receiver: IProtocol = wrapper

    @cached_property
    def _peer(self) -> IAddress:
        return twisted_address(self._addresses[0]) if self._addresses else self.getProxyPeer()

    @cached_property
    def _host(self) -> IAddress:
        return twisted_address(self._addresses[1]) if self._addresses else self.getProxyHost()

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Return the address that the client has connected to."""
        return self._host

    def getProxyPeer(self) -> IAddress:
        """Return the real address of the peer."""
        return self.transport.getPeer()  # type: ignore[no-any-return]  # every transport's is one

    def getProxyHost(self) -> IAddress:
        """Return the real address on this side."""
        return self.transport.getHost()  # type: ignore[no-any-return]  # every transport's is one

    def startTLS(self, contextFactory: IOpenSSLContextFactory, normal: bool = True) -> IProtocol:
        """Begin TLS, with the undelivered bytes that came with the header."""
        self._receiver = super().startTLS(contextFactory, normal)
        return self._receiver

    def pauseProducing(self) -> None:
        """Stop receiving."""
        self._isPaused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Receive again, beginning with the undelivered bytes that came with the header, but not from inside this call.
        """
        self._isPaused = False
        if self._below.rest:
            self._clock.callLater(0, self._resume)
        else:
            self.transport.resumeProducing()

    def _resume(self) -> None:
        if self.protocol is None or self._isPaused:
            return
        self.deliver()
        if not self._isPaused:
            self.transport.resumeProducing()

    def loseConnection(self) -> None:
        """Close the connection when all is written. Only TLS below still needs the bytes that came with the header."""
        if self._receiver is self._below:
            self._below.rest = b""
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        """End the connection now."""
        self._below.rest = b""
        abort(self.transport)

    def deliver(self) -> None:
        """Deliver the bytes that came with the header, unless the protocol has paused its transport."""
        # A protocol may pause in connectionMade, or close the connection there, or begin TLS: then these bytes belong
        # to TLS.
        rest = self._below.rest
        if rest and not self._isPaused:
            self._below.rest = b""
            self._receiver.dataReceived(rest)
