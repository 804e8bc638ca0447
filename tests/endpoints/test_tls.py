"""Headers below TLS and inside it, over a pretended network with real OpenSSL."""

from __future__ import annotations

from typing import cast

from twisted.internet.endpoints import wrapClientTLS, wrapServerTLS
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport, ITransport
from zope.interface import implementer

from mailproxy.endpoints import AcceptProxyServerEndpoint, IProxiedTransport, SendProxyClientEndpoint
from mailproxy.proxyprotocol import Header

from .network import ClientTls, Network, ServerTls
from .protocols import DESTINATION, SOURCE, TRUST_PROXY, Made, Told, result

HEADER = Header.proxy(SOURCE, DESTINATION)


@implementer(IHandshakeListener)
class Listening(Told):
    """Counts the handshakes it is told of, and greets after one."""

    def handshakeCompleted(self) -> None:
        self.handshakes += 1
        ITransport(self.transport).write(b"* OK")


class TestHeaderBelowTls:
    """The header is in clear, then comes the ClientHello, often in the same segment."""

    def connected(self, served: type[Told]) -> tuple[Told, Told]:
        network = Network()
        clock = network.reactor
        made = Made(served)
        outcome, _ = network.connect(
            wrapServerTLS(ServerTls(), AcceptProxyServerEndpoint(network.server, TRUST_PROXY, clock), clock),
            made,
            wrapClientTLS(ClientTls(), SendProxyClientEndpoint(network.client, HEADER), clock),
            Made(),
        )
        return cast(Told, made.protocols[0]), cast(Told, result(outcome))

    def test_addresses_are_the_headers_in_connection_made(self) -> None:
        server, _ = self.connected(Told)
        assert getattr(server.peer, "host", None) == "192.0.2.1"

    def test_header_is_reachable_from_the_tls_transport(self) -> None:
        server, _ = self.connected(Told)
        assert ISSLTransport.providedBy(server.transport)
        assert IProxiedTransport(server.transport).proxyHeader == HEADER

    def test_handshake_is_done_and_data_flows(self) -> None:
        server, client = self.connected(Listening)
        assert (server.handshakes, client.received) == (1, b"* OK")


class TestHeaderInsideTls:
    """The header is the first thing that TLS protects."""

    def connected(self, served: type[Told], greeting: bool = True) -> tuple[Made, Told]:
        network = Network()
        clock = network.reactor
        made = Made(served)
        outcome, pump = network.connect(
            AcceptProxyServerEndpoint(wrapServerTLS(ServerTls(), network.server, clock), TRUST_PROXY, clock),
            made,
            SendProxyClientEndpoint(wrapClientTLS(ClientTls(), network.client, clock), HEADER),
            Made(Listening),
        )
        clock.advance(0)
        pump.flush()
        return made, cast(Told, result(outcome))

    def test_addresses_are_the_headers_in_connection_made(self) -> None:
        made, _ = self.connected(Told)
        assert getattr(cast(Told, made.protocols[0]).peer, "host", None) == "192.0.2.1"

    def test_transport_is_a_tls_one(self) -> None:
        made, client = self.connected(Told)
        assert ISSLTransport.providedBy(made.protocols[0].transport)
        assert ISSLTransport.providedBy(client.transport)

    def test_handshake_before_the_header_is_told_once_the_protocol_is_there(self) -> None:
        made, client = self.connected(Listening)
        assert (cast(Told, made.protocols[0]).handshakes, client.received) == (1, b"* OK")

    def test_handshake_is_told_to_the_connecting_protocol(self) -> None:
        _, client = self.connected(Told)
        assert client.handshakes == 1
