"""
A server endpoint whose connections begin with a PROXY header.

How it works: every connection gets an `AcceptProxyProtocol`, which is the transport of the protocol above it. Where a
header is expected, that is a `HeaderReader` at first. When the header is in, the wrapped factory is asked for its
protocol, with the client's address, and the reader is replaced by it.
"""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IListeningPort,
    IOpenSSLContextFactory,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.endpoints.addresses import header_address, twisted_address
from mailproxy.endpoints.interfaces import IProxiedTransport
from mailproxy.endpoints.wrapper import Wrapper
from mailproxy.proxyprotocol import (
    AcceptPolicy,
    Decoder,
    Expectation,
    Header,
    InetAddress,
    NotProxyProtocol,
    ProxyProtocolError,
    UnixAddress,
)

_log = Logger()


@implementer(IStreamServerEndpoint)
@frozen
class AcceptProxyServerEndpoint:
    """
    Listens on another endpoint for connections that begin with a PROXY header, by the rules of an `AcceptPolicy`.

    The factory given to `listen` is asked for a protocol once the header is in; the protocol's transport provides
    `IProxiedTransport`. Connections with a bad header, or without the one that must be there, are aborted and logged.
    `clock` counts the policy's timeout; by default it is the reactor.
    """

    endpoint: IStreamServerEndpoint
    policy: AcceptPolicy
    clock: IReactorTime | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen, as the endpoint does."""
        return self.endpoint.listen(AcceptProxyFactory(protocolFactory, self.policy, self.clock or _reactor()))


def _reactor() -> IReactorTime:
    from twisted.internet import reactor

    return IReactorTime(reactor)


def _expectation(policy: AcceptPolicy, address: IAddress | None) -> Expectation:
    match header_address(address):
        case InetAddress(host=host):
            return policy.expectation(host)
        case UnixAddress():
            return policy.expectation(None)
    return Expectation.REFUSED if policy.refuse_others else Expectation.DIRECT


class AcceptProxyFactory(WrappingFactory["AcceptProxyProtocol"]):
    """Makes the protocols that read a header and then hand over to those of the wrapped factory."""

    noisy = False

    def __init__(self, wrappedFactory: IProtocolFactory, policy: AcceptPolicy, clock: IReactorTime) -> None:
        """Take the factory to ask when a header is in."""
        super().__init__(wrappedFactory)  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        self._policy = policy
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> AcceptProxyProtocol | None:  # type: ignore[override]  # None: refuse
        """Decide by the peer's real address what its connection must begin with; None for nothing."""
        expectation = _expectation(self._policy, addr)
        if expectation is Expectation.REFUSED:
            _log.info("no connection is accepted from {peer}", peer=addr)
            return None
        first = HeaderReader(self._policy, expectation, self._clock)
        if expectation is Expectation.DIRECT:
            first = self.wrappedFactory.buildProtocol(addr)
        return None if first is None else AcceptProxyProtocol(self, first, self._clock)


# It listens to the handshake of TLS below it in any case: that may be done before its protocol is there.
@implementer(IProxiedTransport, IHandshakeListener)
class AcceptProxyProtocol(Wrapper):
    """The transport of a connection that may begin with a header."""

    factory: AcceptProxyFactory

    def __init__(self, factory: AcceptProxyFactory, first: IProtocol, clock: IReactorTime) -> None:
        """Begin with a `HeaderReader`, which calls `proceed`, or at once with the wrapped factory's protocol."""
        super().__init__(factory, first)
        self.proxyHeader: Header | None = None
        self._clock = clock
        self._rest = b""
        self._isPaused = False
        self._tls: IProtocol | None = None

    def proceed(self, header: Header | None, rest: bytes) -> None:
        """Connect the wrapped factory's protocol, and deliver the bytes that came with the header."""
        self.proxyHeader = header
        protocol = self.factory.wrappedFactory.buildProtocol(self.getPeer())
        if protocol is None:
            self.abortConnection()
            return
        self._rest = rest
        self.connectWrapped(protocol)
        # A protocol may pause its transport in connectionMade until it has somewhere to put the bytes.
        if rest and not self._isPaused:
            self._deliverRest()

    def _deliverRest(self) -> None:
        rest, self._rest = self._rest, b""
        # A protocol may begin TLS in connectionMade: then these are TLS's bytes, and its protocol is below this one.
        receiver = self.wrappedProtocol if self._tls is None else self._tls
        receiver.dataReceived(rest)

    def startTLS(self, contextFactory: IOpenSSLContextFactory, normal: bool = True) -> None:
        """Begin TLS, with the bytes that came with the header and are not delivered yet."""
        super().startTLS(contextFactory, normal)
        self._tls = self.transport.protocol  # type: ignore[attr-defined]  # every transport with TLS has it

    def _resume(self) -> None:
        if self.wrappedProtocol is None or self._isPaused:
            return
        if self._rest:
            self._deliverRest()
        if not self._isPaused:
            self.transport.resumeProducing()  # type: ignore[attr-defined]  # every stream has it

    def pauseProducing(self) -> None:
        """Stop receiving."""
        self._isPaused = True
        self.transport.pauseProducing()  # type: ignore[attr-defined]  # every stream has it

    def resumeProducing(self) -> None:
        """Receive again: first, and not from inside this call, what came with the header and is not delivered yet."""
        self._isPaused = False
        if self._rest:
            self._clock.callLater(0, self._resume)
        else:
            self.transport.resumeProducing()  # type: ignore[attr-defined]  # every stream has it

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        addresses = self.proxyHeader and self.proxyHeader.stream_addresses
        return twisted_address(addresses[0]) if addresses else self.getProxyPeer()

    def getHost(self) -> IAddress:
        """Return the address that the client has connected to."""
        addresses = self.proxyHeader and self.proxyHeader.stream_addresses
        return twisted_address(addresses[1]) if addresses else self.getProxyHost()

    def getProxyPeer(self) -> IAddress:
        """Return the real address of the peer."""
        return self.transport.getPeer()

    def getProxyHost(self) -> IAddress:
        """Return the real address on this side."""
        return self.transport.getHost()


class HeaderReader(Protocol):
    """Reads the header of one connection within the policy's timeout, and aborts the connection if there is none."""

    transport: AcceptProxyProtocol

    def __init__(self, policy: AcceptPolicy, expectation: Expectation, clock: IReactorTime) -> None:
        """Expect a header, or one that may be missing."""
        self._decoder = Decoder(policy.strictness)
        self._isOptional = expectation is Expectation.MAYBE
        self._timeout = policy.timeout
        self._clock = clock
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the clock."""
        self._deadline = self._clock.callLater(self._timeout, self._expired)

    def dataReceived(self, data: bytes) -> None:
        """Read on; hand over when the header is complete."""
        if self._deadline is None:
            return  # refused, and what was on its way still comes
        try:
            header = self._decoder.feed(data)
        except NotProxyProtocol as error:
            if self._isOptional:
                self._proceed(None)
            else:
                self._refuse(str(error))
        except ProxyProtocolError as error:
            self._refuse(str(error))
        else:
            if header is not None:
                self._proceed(header)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Log a header that breaks off; a connection without any bytes is only somebody looking whether we are up."""
        if self._deadline is None:
            return
        self._stop()
        try:
            self._decoder.end()
        except ProxyProtocolError as error:
            log = _log.info if self._decoder.received else _log.debug
            log("no PROXY header from {peer}: {reason}", peer=self.transport.getPeer(), reason=str(error))

    def _expired(self) -> None:
        self._deadline = None
        received = self._decoder.received
        if received or not self._isOptional:
            self._abort(f"{received} bytes of it within {self._timeout:g} s")
            return
        try:
            self.transport.proceed(None, b"")
        except BaseException:
            # What the factory raises here reaches nobody who would close the connection.
            self.transport.abortConnection()
            raise

    def _proceed(self, header: Header | None) -> None:
        self._stop()
        self.transport.proceed(header, self._decoder.unused)

    def _refuse(self, reason: str) -> None:
        self._stop()
        self._abort(reason)

    def _abort(self, reason: str) -> None:
        _log.info("no PROXY header from {peer}: {reason}", peer=self.transport.getPeer(), reason=reason)
        self.transport.abortConnection()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
