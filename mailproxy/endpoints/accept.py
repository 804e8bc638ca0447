"""
A server endpoint whose connections begin with a PROXY header.

Theory of operation. Every connection gets an `AcceptProxyProtocol`, which reads the header if one is expected. When the
header is complete, the wrapped factory makes its protocol, with the client's address, and that protocol gets a
`ProxiedTransport` as its transport.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IProtocolNegotiationFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from mailproxy.endpoints.arguments import check_factory, is_able
from mailproxy.endpoints.hooks import HeaderCheck, RefusalHook, check_hooks, ignore_refusal, log_refusal, why_refused
from mailproxy.endpoints.proxied_transport import ProxiedTransport, WrapperWithRest
from mailproxy.endpoints.wrapper import abort
from mailproxy.proxyprotocol import (
    AcceptPolicy,
    Decoder,
    Expectation,
    Header,
    NotProxyProtocol,
    ProxyProtocolError,
)

_KNOWN_PEERS = 1024

NOT_A_PROXY = "its address is not allowed to connect"
"""The reason of a refusal by `AcceptPolicy.refuse_others`."""


def _reactor() -> IReactorTime:
    from twisted.internet import reactor

    return IReactorTime(reactor)


@implementer(IStreamServerEndpoint)
@frozen
class AcceptProxyServerEndpoint:
    """
    Listens on another endpoint for connections that begin with a PROXY header, by the rules of an `AcceptPolicy`.

    The factory given to `listen` makes a protocol when the header is complete; the protocol's transport provides
    `IProxiedTransport`. Connections with a bad header, or without a required one, are aborted.

    - `clock` runs the policy's timeout; by default it is the global reactor, whatever reactor `endpoint` has.
    - `check` gets each header before the factory is called, and raises `HeaderRefused` to refuse it.
    - `on_refusal` is called for each refused connection; by default it logs it; None turns that off.

    ValueError for a policy under which no peer sends a header, and for arguments of a wrong kind.
    """

    endpoint: IStreamServerEndpoint
    policy: AcceptPolicy
    clock: IReactorTime | None = None
    check: HeaderCheck | None = None
    on_refusal: RefusalHook | None = log_refusal

    def __attrs_post_init__(self) -> None:
        """Refuse arguments that cannot work with any connection."""
        if not is_able(self.endpoint, "listen"):
            raise ValueError(f"{self.endpoint!r} is not a server endpoint; serverFromString makes one from a string")
        _check_arguments(self.policy, self.check, self.on_refusal)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen, as the endpoint does."""
        factory = AcceptProxyFactory(protocolFactory, self.policy, self.clock, self.check, self.on_refusal)
        return self.endpoint.listen(factory)


def _check_arguments(policy: AcceptPolicy, check: HeaderCheck | None, on_refusal: RefusalHook | None) -> None:
    check_hooks(check, on_refusal)
    if not isinstance(policy, AcceptPolicy):
        raise ValueError(f"policy {policy!r} is not an AcceptPolicy")
    if not policy.expects_headers:
        raise ValueError("under this policy no peer sends a header: name your proxies, or use AcceptPolicy.everybody()")


class AcceptProxyFactory(WrappingFactory[Any]):
    """
    `AcceptProxyServerEndpoint` for connections that do not come from an endpoint.

    For example those of `adoptStreamConnection`, of the services in `twisted.application.internet`, or of a test's
    transports. The arguments are the endpoint's, with the factory to wrap in place of the endpoint.
    """

    noisy = False

    def __init__(
        self,
        wrappedFactory: IProtocolFactory,
        policy: AcceptPolicy,
        clock: IReactorTime | None = None,
        check: HeaderCheck | None = None,
        on_refusal: RefusalHook | None = log_refusal,
    ) -> None:
        """Wrap a factory, which is called when a header is complete; ValueError as for the endpoint."""
        check_factory(wrappedFactory)
        _check_arguments(policy, check, on_refusal)
        super().__init__(wrappedFactory)  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        self.policy = policy
        self.clock = clock or _reactor()
        self.check = check
        self.on_refusal = on_refusal or ignore_refusal
        # There are few proxies, and parsing an address is a quarter of a connection's cost here.
        self._expected = lru_cache(maxsize=_KNOWN_PEERS)(self._look_up)
        if IProtocolNegotiationFactory.providedBy(wrappedFactory):
            directlyProvides(self, IProtocolNegotiationFactory)

    def acceptableProtocols(self) -> list[bytes]:
        """Return the wrapped factory's protocols for ALPN in the TLS below, if it has any."""
        protocols: list[bytes] = self.wrappedFactory.acceptableProtocols()
        return protocols

    def buildProtocol(self, addr: IAddress | None) -> AcceptProxyProtocol | None:
        """Decide by the peer's real address whether its connection must begin with a header; None refuses it."""
        expectation = self._expectation(addr)
        if expectation is Expectation.REFUSED:
            self.on_refusal(NOT_A_PROXY, addr)
            return None
        if expectation is not Expectation.DIRECT:
            return AcceptProxyProtocol(self, expectation is Expectation.MAYBE)
        direct = self.wrappedFactory.buildProtocol(addr)
        return None if direct is None else AcceptProxyProtocol(self, direct=direct)

    def _expectation(self, peer: IAddress | None) -> Expectation:
        if isinstance(peer, (IPv4Address, IPv6Address)):
            return self._expected(peer.host)
        return self.policy.expectation(None) if isinstance(peer, UNIXAddress) else self.policy.others

    def _look_up(self, host: str) -> Expectation:
        try:
            address = ip_address(host)
        except ValueError:  # a test's address
            return self.policy.others
        return self.policy.expectation(address)


@implementer(IHandshakeListener)
class AcceptProxyProtocol(WrapperWithRest):
    """
    Reads the header of one connection, or aborts the connection, and then serves the wrapped factory's protocol.

    It always listens to the handshake of TLS below it, which may be done before its protocol exists.
    """

    def __init__(self, factory: AcceptProxyFactory, isOptional: bool = False, direct: IProtocol | None = None) -> None:
        """Expect a header, an optional header, or none for a direct client."""
        self.factory = factory
        self._direct = direct
        self._isOptional = isOptional
        self._decoder: Decoder | None = None
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the clock, or connect a direct client."""
        if self._direct is not None:
            protocol, self._direct = self._direct, None
            self.connectWrapped(protocol, ProxiedTransport(self, None, self.factory.clock))
            return
        policy = self.factory.policy
        self._decoder = Decoder(policy.strictness)
        self._deadline = self.factory.clock.callLater(policy.timeout, self._expired)

    def dataReceived(self, data: bytes) -> None:
        """Continue reading; hand over when the header is complete."""
        if self.rest:
            # TLS below delivers decrypted bytes even if it is paused.
            self.rest += data
        elif self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)
        elif self._decoder is not None:  # otherwise it is refused, and late bytes still arrive
            self._read(self._decoder, data)

    def _read(self, decoder: Decoder, data: bytes) -> None:
        try:
            header = decoder.feed(data)
        except NotProxyProtocol as error:
            if not self._isOptional:
                self._refuse(str(error))
                return
            header = None
        except ProxyProtocolError as error:
            self._refuse(str(error))
            return
        else:
            if header is None or not self._is_accepted(header):
                return
        self._proceed(header, decoder.unused)

    def _is_accepted(self, header: Header) -> bool:
        check = self.factory.check
        reason = None if check is None else why_refused(check, header, self.transport.getPeer())
        if reason is not None:
            self._refuse(reason)
        return reason is None

    def _proceed(self, header: Header | None, rest: bytes) -> None:
        """Connect the wrapped factory's protocol, and deliver the bytes that came with the header."""
        self._stop()
        transport = ProxiedTransport(self, header, self.factory.clock)
        protocol = self.factory.wrappedFactory.buildProtocol(transport.getPeer())
        if protocol is None:
            abort(self.transport)
            return
        self.rest = rest
        self.connectWrapped(protocol, transport)
        transport.deliver()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report an incomplete header; a connection without a byte is a check whether we are up."""
        decoder = self._decoder
        if decoder is None:
            super().connectionLost(reason)
            return
        self._stop()
        try:
            decoder.end()
        except ProxyProtocolError as error:
            if decoder.received:
                self.factory.on_refusal(str(error), self.transport.getPeer())

    def _expired(self) -> None:
        decoder, self._deadline = self._decoder, None
        received = decoder.received if decoder is not None else 0
        if received or not self._isOptional:
            self._refuse(f"only {received} bytes of a PROXY header within {self.factory.policy.timeout:g} s")
            return
        try:
            self._proceed(None, b"")
        except BaseException:
            # An error of the factory here reaches no code that would close the connection.
            abort(self.transport)
            raise

    def _refuse(self, reason: str) -> None:
        self._stop()
        abort(self.transport)
        self.factory.on_refusal(reason, self.transport.getPeer())

    def _stop(self) -> None:
        self._decoder = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
