"""A client endpoint whose connections begin with a PROXY header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from mailproxy.endpoints.wrapper import WrappedTransport, Wrapper
from mailproxy.profiles import INTENDED_SIZE
from mailproxy.proxyprotocol import Header, encode

_log = Logger()

HeaderMaker = Callable[[ITransport], Header]
"""Makes a header from the transport of the client that it tells of: `ClientHeader`, or a function of your own."""


@implementer(IStreamClientEndpoint)
@frozen
class SendProxyClientEndpoint:
    """
    Connects another endpoint and writes a PROXY header first, in one piece, before the protocol is connected.

    `header` is what every connection begins with, or makes it from the client's transport: see `forClient`. Without a
    client, the program is its own one: what `header` is called with then has our end of the new connection as its peer
    and the server's as its host, and no TLS.

    The header has at most `budget` bytes; what does not fit is left out and logged. If it cannot be made, connecting
    fails, with ValueError if its mandatory part does not fit.
    """

    endpoint: IStreamClientEndpoint
    header: Header | HeaderMaker
    budget: int = INTENDED_SIZE

    def forClient(self, client: ITransport) -> SendProxyClientEndpoint:
        """Return this endpoint for connections on behalf of one client, whose header is made here and now."""
        return self if isinstance(self.header, Header) else evolve(self, header=self.header(client))

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, as the endpoint does; fires with the factory's protocol when the header is written."""
        connecting = self.endpoint.connect(SendProxyFactory(protocolFactory, self.header, self.budget))
        return connecting.addCallback(_outcome)


def _outcome(wrapper: IProtocol) -> IProtocol:
    assert isinstance(wrapper, SendProxyProtocol)
    return wrapper.outcome()


class SendProxyFactory(WrappingFactory[Any]):
    """Makes the protocols that write a header before those of the wrapped factory are connected."""

    def __init__(self, wrappedFactory: IProtocolFactory, header: Header | HeaderMaker, budget: int) -> None:
        """Take the factory whose protocols are to be connected."""
        super().__init__(wrappedFactory)  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        self._header = header
        self._budget = budget

    def buildProtocol(self, addr: IAddress | None) -> SendProxyProtocol | None:
        """Ask the wrapped factory, which may refuse."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else SendProxyProtocol(self, protocol)

    def headerBytes(self, transport: ITransport) -> bytes:
        """Return what a connection begins with."""
        own = cast(ITransport, _OwnClient(transport))
        header = self._header if isinstance(self._header, Header) else self._header(own)
        encoded = encode(header, budget=self._budget)
        if encoded.left_out:
            names = ", ".join(tlv.name for tlv in encoded.left_out)
            _log.info("left out of the PROXY header to fit {budget} bytes: {names}", budget=self._budget, names=names)
        return encoded.data


class SendProxyProtocol(Wrapper):
    """The protocol of a connection that begins with a header of ours."""

    _failure: Failure | None = None

    def __init__(self, factory: SendProxyFactory, protocol: IProtocol) -> None:
        """Take the protocol to connect behind the header."""
        self.factory = factory
        self._protocol: IProtocol | None = protocol
        # Twisted's client endpoints look at this before anything is connected.
        for interface in (IHalfCloseableProtocol, IHandshakeListener):
            if interface.providedBy(protocol):
                alsoProvides(self, interface)

    def connectionMade(self) -> None:
        """Write the header, then connect the protocol; without a header there is no connection."""
        try:
            data = self.factory.headerBytes(self.transport)
        except Exception:
            # Whatever the caller's function raises is for the one who connects.
            self._failure = Failure()
            self.transport.abortConnection()  # type: ignore[attr-defined]  # every stream has it
            return
        self.transport.write(data)
        protocol, self._protocol = self._protocol, None
        assert protocol is not None
        self.connectWrapped(protocol, WrappedTransport(self))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol, if it was connected."""
        self._failure = self._failure or reason
        super().connectionLost(reason)

    def outcome(self) -> IProtocol:
        """Return the connected protocol, or raise what kept the header from being made or ended the connection."""
        if self._failure is not None:
            self._failure.raiseException()
        assert self.wrappedProtocol is not None
        return self.wrappedProtocol


class _OwnClient:
    """Shows a program's own connection as an accepted one: the program is the client, its server is the host."""

    def __init__(self, connection: ITransport) -> None:
        self.getPeer = connection.getHost
        self.getHost = connection.getPeer
