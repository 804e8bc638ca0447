"""
The wrappers among others: every nesting of them with TLS and Twisted's own wrappers, three deep.

What a protocol sees must be what it sees in the same nesting without ours, but for the addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_network
from itertools import product
from typing import Any

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS, wrapServerTLS
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import (
    LimitTotalConnectionsFactory,
    ProtocolWrapper,
    ThrottlingFactory,
    TimeoutFactory,
    WrappingFactory,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.endpoints import AcceptProxyServerEndpoint, IProxiedTransport, SendProxyClientEndpoint
from mailproxy.endpoints.addresses import twisted_address
from mailproxy.proxyprotocol import AcceptPolicy, Header, InetAddress
from tests.endpoints.network import ClientTls, ServerTls
from tests.endpoints.protocols import LISTENING, PROXY, result
from tests.endpoints.sockets import ClientEnd, End, Sockets

KINDS = ("accept", "tls", "tls-factory", "wrapping", "timeout", "throttling", "limit")
NESTINGS = [
    layers
    for depth in (1, 2, 3)
    for layers in product(KINDS, repeat=depth)
    if "accept" in layers and "limit" not in layers[:-1]
]
"""Bottom up: the first is the one on the socket. Twisted's limit wraps nothing but a program's own protocol."""

# The second of two headers is judged by the address in the first.
TRUST = AcceptPolicy(trusted=(ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24")))

MUCH = bytes(range(256)) * 2048


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class App(Protocol):
    """Records its calls, and acts for the test."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.received = bytearray()

    def connectionMade(self) -> None:
        self.happened.append("made")

    def handshakeCompleted(self) -> None:
        self.happened.append("handshake")

    def dataReceived(self, data: bytes) -> None:
        if not self.received:
            self.happened.append("data")
        self.received += data

    def readConnectionLost(self) -> None:
        self.happened.append("no more data")

    def writeConnectionLost(self) -> None:
        self.happened.append("cannot write")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.happened.append(f"lost: {type(reason.value).__name__}")

    @property
    def its(self) -> Any:
        """Its transport."""
        return self.transport


@implementer(IStreamServerEndpoint)
@frozen
class WrappingServer:
    """Wraps factories and not endpoints."""

    endpoint: IStreamServerEndpoint
    wrap: Callable[[IProtocolFactory], IProtocolFactory]

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        return self.endpoint.listen(self.wrap(protocolFactory))


@implementer(IStreamClientEndpoint)
@frozen
class WrappingClient:
    """The same for clients."""

    endpoint: IStreamClientEndpoint
    wrap: Callable[[IProtocolFactory], IProtocolFactory]

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self.endpoint.connect(self.wrap(protocolFactory)).addCallback(inner)


def inner(wrapper: IProtocol) -> IProtocol:
    assert isinstance(wrapper, ProtocolWrapper)
    return wrapper.wrappedProtocol


class Nesting:
    """Both ends of a connection with the same layers, and an `App` on top of each."""

    def __init__(self, layers: tuple[str, ...]) -> None:
        self.layers = layers
        self.reactor = Sockets()
        self.headers: list[Header] = []
        server: IStreamServerEndpoint = TCP4ServerEndpoint(self.reactor, 143)
        client: IStreamClientEndpoint = TCP4ClientEndpoint(self.reactor, "10.0.0.1", 143)
        for number, layer in enumerate(layers, 1):
            server, client = self.around(server, client, layer, number)
        made: list[App] = []
        server.listen(self.factory(made))
        outcome = client.connect(self.factory([]))
        self.ends: tuple[End, ClientEnd] = self.reactor.join()
        (self.server,) = made
        self.client: App = result(outcome)

    @staticmethod
    def factory(made: list[App]) -> IProtocolFactory:
        def build() -> App:
            made.append(App())
            return made[-1]

        factory = Factory.forProtocol(build)
        factory.noisy = False
        return factory

    def around(
        self, server: IStreamServerEndpoint, client: IStreamClientEndpoint, layer: str, number: int
    ) -> tuple[IStreamServerEndpoint, IStreamClientEndpoint]:
        clock = self.reactor
        match layer:
            case "accept":
                source, destination = (InetAddress.parse(f"{net}.{number}:993") for net in ("192.0.2", "198.51.100"))
                header = Header.proxy(source, destination)
                self.headers.append(header)
                self.addresses = twisted_address(source), twisted_address(destination)
                return AcceptProxyServerEndpoint(server, TRUST, clock), SendProxyClientEndpoint(client, header)
            case "tls":
                return wrapServerTLS(ServerTls(), server, clock), wrapClientTLS(ClientTls(), client, clock)
            case "tls-factory":
                return (
                    WrappingServer(server, lambda factory: TLSMemoryBIOFactory(ServerTls(), False, factory, clock)),
                    WrappingClient(client, lambda factory: TLSMemoryBIOFactory(ClientTls(), True, factory, clock)),
                )
            case "limit":
                return WrappingServer(server, limited), client
        wrap = {"wrapping": WrappingFactory, "timeout": TimeoutFactory, "throttling": ThrottlingFactory}[layer]

        def wrapped(factory: IProtocolFactory) -> IProtocolFactory:
            wrapping: Any = wrap(factory)
            wrapping.noisy = False
            wrapping.callLater = clock.callLater
            return wrapping  # type: ignore[no-any-return]

        return WrappingServer(server, wrapped), WrappingClient(client, wrapped)

    @property
    def happened(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(self.server.happened), tuple(self.client.happened)

    def end(self) -> None:
        for end in self.ends:
            end.abortConnection()
        self.reactor.settle()


def limited(factory: IProtocolFactory) -> IProtocolFactory:
    """Twisted's limit is no wrapper, but the factory of the protocols: here those are the wrapped factory's."""
    limit: Any = LimitTotalConnectionsFactory()
    limit.noisy = False
    limit.connectionLimit = 10
    limit.protocol = lambda: factory.buildProtocol(PROXY)
    return limit  # type: ignore[no-any-return]


@contextmanager
def nesting(layers: tuple[str, ...]) -> Iterator[Nesting]:
    made = Nesting(layers)
    try:
        yield made
    except AssertionError as error:
        error.add_note(f"nested, bottom up: {', '.join(layers)}")
        raise
    finally:
        made.end()


def others(layers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(layer for layer in layers if layer != "accept")


def on(bottom: str) -> list[tuple[str, ...]]:
    """The nestings with this layer on the socket."""
    return [layers for layers in NESTINGS if layers[0] == bottom]


every = pytest.mark.parametrize("bottom", [kind for kind in KINDS if on(kind)])
"""A test of each nesting would cost more than the nestings do."""


@every
def test_data_flows_both_ways(bottom: str) -> None:
    for layers in on(bottom):
        with nesting(layers) as both:
            both.server.its.write(b"* OK")
            both.client.its.writeSequence([b"a ", b"LOGIN"])
            both.reactor.settle()
            assert (bytes(both.client.received), bytes(both.server.received)) == (b"* OK", b"a LOGIN")


@every
def test_addresses_and_header_are_the_topmost_ones(bottom: str) -> None:
    for layers in on(bottom):
        with nesting(layers) as both:
            transport = both.server.its
            assert (transport.getPeer(), transport.getHost()) == both.addresses
            assert IProxiedTransport(transport).proxyHeader == both.headers[-1]
            assert (both.client.its.getHost(), both.client.its.getPeer()) == (PROXY, LISTENING)


def spoken(both: Nesting) -> None:
    both.client.its.write(b"hello")
    both.reactor.settle()


def half_closed(both: Nesting) -> None:
    spoken(both)
    both.ends[1].loseWriteConnection()
    both.reactor.settle()


def closed(both: Nesting) -> None:
    spoken(both)
    both.server.its.write(b"goodbye")
    both.server.its.loseConnection()
    both.reactor.settle()


def aborted(both: Nesting) -> None:
    spoken(both)
    both.server.its.abortConnection()
    both.reactor.settle()


def aborted_by_the_client(both: Nesting) -> None:
    both.client.its.abortConnection()
    both.reactor.settle()


def begins_tls(both: Nesting) -> None:
    if not {"tls", "tls-factory"} & set(both.layers):
        both.server.its.startTLS(ServerTls())
        both.client.its.startTLS(ClientTls())
        both.reactor.settle()
        # Twisted gathers small writes for the time of the global reactor; these are not small.
        both.client.its.write(MUCH)
        both.server.its.write(MUCH)
        both.reactor.settle()
        assert both.server.received == both.client.received == MUCH


SCENES = (half_closed, closed, aborted, aborted_by_the_client, begins_tls)


@cache
def expected(scene: Callable[[Nesting], None], layers: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    with nesting(layers) as both:
        scene(both)
        return both.happened


@pytest.mark.parametrize("scene", SCENES)
@every
def test_protocols_see_what_they_see_without(bottom: str, scene: Callable[[Nesting], None]) -> None:
    for layers in on(bottom):
        with nesting(layers) as both:
            scene(both)
            assert both.happened == expected(scene, others(layers))


@implementer(IPushProducer)
class Source:
    """A producer that records pauses and resumptions."""

    def __init__(self) -> None:
        self.recording: list[str] = []

    def pauseProducing(self) -> None:
        self.recording.append("pause")

    def resumeProducing(self) -> None:
        self.recording.append("resume")

    def stopProducing(self) -> None:
        self.recording.append("stop")


@every
def test_producers_are_stopped_while_the_other_side_does_not_read(bottom: str) -> None:
    for layers in on(bottom):
        with nesting(layers) as both:
            source = Source()
            both.client.its.pauseProducing()
            both.server.its.registerProducer(source, True)
            both.server.its.write(MUCH)
            both.reactor.settle()
            assert source.recording[-1:] == ["pause"]
            assert len(both.client.received) < len(MUCH)
            both.client.its.resumeProducing()
            both.reactor.settle()
            assert source.recording[-1:] == ["resume"]
            both.server.its.unregisterProducer()
            assert both.client.received == MUCH
