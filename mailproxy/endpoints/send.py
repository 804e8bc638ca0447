"""A client endpoint whose connections begin with a PROXY header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import Factory, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
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

from mailproxy.endpoints.arguments import check_factory, is_able
from mailproxy.endpoints.wrapper import WrappedTransport, Wrapper, abort
from mailproxy.profiles import INTENDED_SIZE
from mailproxy.proxyprotocol import Encoded, Header, encode
from mailproxy.proxyprotocol.v2 import FIXED_SIZE

_log = Logger()

HeaderMaker = Callable[[ITransport], Header]
"""
Makes a header from the client's transport: `header_from_transport`, `ClientHeader`, or your own.

If it has a `budget`, as `ClientHeader` has, that is the endpoint's default.
"""


@implementer(IStreamClientEndpoint)
@frozen
class SendProxyClientEndpoint:
    """
    Connects another endpoint and writes a PROXY header first, in one piece, before the protocol is connected.

    `header` is the header of every connection, or a function that makes it from the client's transport: see
    `forClient`. Without `forClient`, the program itself is the client: `header` is then called with a transport whose
    peer is our address of the new connection and whose host is the server's, without TLS.

    The header has at most `budget` bytes; what does not fit is left out and logged. By default the budget is that of
    the function, otherwise 536 bytes. ValueError if a header's mandatory part does not fit: at once for a `Header`,
    else connecting fails with it, as with an error of the function. ValueError also for arguments of a wrong kind.

    With `tls`, for example from `optionsForClientTLS`, TLS begins after the header.
    """

    endpoint: IStreamClientEndpoint
    header: Header | HeaderMaker
    budget: int = field(default=Factory(lambda self: _budget(self.header), takes_self=True))
    tls: IOpenSSLClientConnectionCreator | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse arguments that cannot work with any connection."""
        if not is_able(self.endpoint, "connect"):
            raise ValueError(f"{self.endpoint!r} is not a client endpoint; clientFromString makes one from a string")
        if self.tls is not None and not is_able(self.tls, "clientConnectionForTLS"):
            raise ValueError(f"tls {self.tls!r} makes no TLS connections; optionsForClientTLS('…') does")
        _fixed(self.header, self.budget)

    def forClient(self, client: ITransport) -> SendProxyClientEndpoint:
        """Return this endpoint for connections on behalf of one client; its header is made now."""
        return self if isinstance(self.header, Header) else evolve(self, header=_made(self.header, client))

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, as the endpoint does; fires with the factory's protocol when the header is written."""
        if self.tls is not None:
            return wrapClientTLS(self.tls, evolve(self, tls=None)).connect(protocolFactory)
        connecting = self.endpoint.connect(SendProxyFactory(protocolFactory, self.header, self.budget))
        return connecting.addCallback(_outcome)


def _budget(header: Header | HeaderMaker) -> int:
    budget: int = getattr(header, "budget", INTENDED_SIZE)
    return budget


def _made(maker: HeaderMaker, client: ITransport) -> Header:
    header = maker(client)
    if not isinstance(header, Header):
        raise ValueError(f"the function for the header has returned {header!r}, not a Header")
    return header


def _fixed(header: Header | HeaderMaker, budget: int) -> Encoded | None:
    """Return the bytes of every connection's header, None if each has its own; ValueError if that cannot work."""
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise ValueError(f"budget {budget!r} is not a number of bytes")
    if isinstance(header, Header):
        return encode(header, budget=budget)
    if budget < FIXED_SIZE:
        raise ValueError(f"budget {budget} is less than the {FIXED_SIZE} bytes that every header of version 2 has")
    if not callable(header):
        raise ValueError(f"header {header!r} is neither a Header nor a function that makes one")
    return None


def _outcome(wrapper: IProtocol) -> IProtocol:
    assert isinstance(wrapper, SendProxyProtocol)
    return wrapper.outcome()


class SendProxyFactory(WrappingFactory[Any]):
    """
    `SendProxyClientEndpoint` for connections without an endpoint, for example by `connectTCP`.

    The arguments are the endpoint's, with the factory to wrap in place of the endpoint. If the header cannot be made,
    the connection is aborted and the wrapped factory's protocol is never connected.
    """

    noisy = False

    def __init__(
        self, wrappedFactory: IProtocolFactory, header: Header | HeaderMaker, budget: int | None = None
    ) -> None:
        """Wrap a factory; ValueError for arguments that cannot work with any connection."""
        check_factory(wrappedFactory)
        super().__init__(wrappedFactory)  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        self._make = cast(HeaderMaker, header)  # not called if it is a `Header`
        self._budget = _budget(header) if budget is None else budget
        self._encoded = _fixed(header, self._budget)

    def buildProtocol(self, addr: IAddress | None) -> SendProxyProtocol | None:
        """Ask the wrapped factory, which may refuse."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else SendProxyProtocol(self, protocol)

    def headerBytes(self, transport: ITransport) -> bytes:
        """Return the bytes of a connection's header."""
        encoded = self._encoded or encode(_made(self._make, _own_client(transport)), budget=self._budget)
        if encoded.left_out:
            names = ", ".join(tlv.name for tlv in encoded.left_out)
            _log.info("left out of the PROXY header to fit {budget} bytes: {names}", budget=self._budget, names=names)
        return encoded.data


class SendProxyProtocol(Wrapper):
    """The protocol of a connection that begins with our header."""

    _failure: Failure | None = None

    def __init__(self, factory: SendProxyFactory, protocol: IProtocol) -> None:
        """Wrap the protocol to connect after the header."""
        self.factory = factory
        self._protocol: IProtocol | None = protocol
        # Twisted's client endpoints read this before anything is connected.
        for interface in (IHalfCloseableProtocol, IHandshakeListener):
            if interface.providedBy(protocol):
                alsoProvides(self, interface)

    def connectionMade(self) -> None:
        """Write the header, then connect the protocol; without a header there is no connection."""
        try:
            data = self.factory.headerBytes(self.transport)
        except Exception:
            # An error of the caller's function goes to the code that connects.
            self._failure = Failure()
            abort(self.transport)
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
        """Return the connected protocol, or raise the error that prevented the header or ended the connection."""
        if self._failure is not None:
            self._failure.raiseException()
        assert self.wrappedProtocol is not None
        return self.wrappedProtocol


class _OwnClient:
    """Shows a program's own connection as an accepted one: the program is the client, its server is the host."""

    def __init__(self, connection: ITransport) -> None:
        self.getPeer = connection.getHost
        self.getHost = connection.getPeer


def _own_client(connection: ITransport) -> ITransport:
    return cast(ITransport, _OwnClient(connection))
