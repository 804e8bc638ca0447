"""Headers below TLS and inside it, over a pretended network with real OpenSSL."""

from __future__ import annotations

from ipaddress import ip_network
from typing import cast

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS, wrapServerTLS
from twisted.internet.interfaces import (
    IHandshakeListener,
    INegotiated,
    IProtocolNegotiationFactory,
    ISSLTransport,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITLSTransport,
    ITransport,
)
from twisted.internet.ssl import PrivateCertificate
from zope.interface import implementer

from mailproxy.endpoints import AcceptProxyServerEndpoint, IProxiedTransport, SendProxyClientEndpoint
from mailproxy.proxyprotocol import AcceptPolicy, Header
from tests.endpoints.network import SERVER_NAME, ClientTls, Network, ServerTls, identity
from tests.endpoints.protocols import DESTINATION, SOURCE, TRUST_PROXY, Made, Recording, result
from tests.endpoints.sockets import Sockets

HEADER = Header.proxy(SOURCE, DESTINATION)

# The second of two headers is judged by the address in the first.
TRUST = AcceptPolicy(trusted=(ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24")))


@implementer(IHandshakeListener)
class Listening(Recording):
    """Counts completed handshakes, and greets after one."""

    def handshakeCompleted(self) -> None:
        self.handshakes += 1
        ITransport(self.transport).write(b"* OK")


class TestHeaderBelowTls:
    """The header is in plaintext, then comes the ClientHello, often in the same segment."""

    def connected(self, served: type[Recording]) -> tuple[Recording, Recording]:
        network = Network()
        clock = network.reactor
        made = Made(served)
        outcome, _ = network.connect(
            wrapServerTLS(ServerTls(), AcceptProxyServerEndpoint(network.server, TRUST_PROXY, clock), clock),
            made,
            wrapClientTLS(ClientTls(), SendProxyClientEndpoint(network.client, HEADER), clock),
            Made(),
        )
        return cast(Recording, made.protocols[0]), cast(Recording, result(outcome))

    def test_addresses_are_the_headers_in_connection_made(self) -> None:
        server, _ = self.connected(Recording)
        assert getattr(server.peer, "host", None) == "192.0.2.1"

    def test_header_is_reachable_from_the_tls_transport(self) -> None:
        server, _ = self.connected(Recording)
        assert ISSLTransport.providedBy(server.transport)
        assert IProxiedTransport(server.transport).proxyHeader == HEADER

    def test_handshake_is_done_and_data_flows(self) -> None:
        server, client = self.connected(Listening)
        assert (server.handshakes, client.received) == (1, b"* OK")


class TestTlsBegunBehindTheHeader:
    """The protocol begins TLS in connectionMade, and the ClientHello has come with the header."""

    @pytest.mark.parametrize("depth", [1, 2])
    def test_client_hello_is_for_tls(self, depth: int) -> None:
        class Securing(Listening):
            def connectionMade(self) -> None:
                super().connectionMade()
                ITLSTransport(self.transport).startTLS(ServerTls())

        reactor = Sockets()
        made = Made(Securing)
        server: IStreamServerEndpoint = TCP4ServerEndpoint(reactor, 143)
        client: IStreamClientEndpoint = TCP4ClientEndpoint(reactor, "10.0.0.1", 143)
        for _ in range(depth):
            server = AcceptProxyServerEndpoint(server, TRUST, reactor)
            client = SendProxyClientEndpoint(client, HEADER)
        server.listen(made)
        wrapClientTLS(ClientTls(), client, reactor).connect(Made())
        ends = reactor.join()
        (protocol,) = made.protocols
        assert cast(Recording, protocol).handshakes == 1
        assert ISSLTransport.providedBy(protocol.transport)
        for end in ends:
            end.abortConnection()
        reactor.settle()


@implementer(IProtocolNegotiationFactory)
class Negotiating(Made):
    """Wants TLS to agree on IMAP."""

    def acceptableProtocols(self) -> list[bytes]:
        return [b"imap"]


class TestHeaderInsideTls:
    """The header is the first thing that TLS protects."""

    def connected(self, served: type[Recording], greeting: bool = True) -> tuple[Made, Recording]:
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
        return made, cast(Recording, result(outcome))

    def test_addresses_are_the_headers_in_connection_made(self) -> None:
        made, _ = self.connected(Recording)
        assert getattr(cast(Recording, made.protocols[0]).peer, "host", None) == "192.0.2.1"

    def test_transport_is_a_tls_one(self) -> None:
        made, client = self.connected(Recording)
        assert ISSLTransport.providedBy(made.protocols[0].transport)
        assert ISSLTransport.providedBy(client.transport)

    def test_handshake_before_the_header_is_reported_once_the_protocol_is_there(self) -> None:
        made, client = self.connected(Listening)
        assert (cast(Recording, made.protocols[0]).handshakes, client.received) == (1, b"* OK")

    def test_handshake_is_reported_to_the_connecting_protocol(self) -> None:
        _, client = self.connected(Recording)
        assert client.handshakes == 1

    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted does
    def test_application_protocol_is_agreed_on(self) -> None:
        network = Network()
        clock = network.reactor
        made = Negotiating()
        pem = identity(SERVER_NAME).private_key_and_cert_chain_pem.bytes()
        tls = PrivateCertificate.loadPEM(pem).options()
        network.connect(
            AcceptProxyServerEndpoint(wrapServerTLS(tls, network.server, clock), TRUST_PROXY, clock),
            made,
            SendProxyClientEndpoint(wrapClientTLS(ClientTls(alpn=b"imap"), network.client, clock), HEADER),
            Made(Listening),
        )
        clock.advance(0)
        (protocol,) = made.protocols
        assert INegotiated(protocol.transport).negotiatedProtocol == b"imap"
