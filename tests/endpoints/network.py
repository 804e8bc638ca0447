"""A pretended network with one server and one client, and certificates for TLS over it."""

from __future__ import annotations

from functools import cache

import trustme
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.test.iosim import FakeTransport, IOPump, connect
from zope.interface import implementer

from tests.endpoints.protocols import LISTENING, PROXY

SERVER_NAME = "mail.example.test"


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def identity(name: str, common_name: str | None = None, issuer: trustme.CA | None = None) -> trustme.LeafCert:
    """A certificate with its key, of our authority unless another one issues it."""
    return (issuer or authority()).issue_cert(name, common_name=common_name)


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """A server with optional client certificates, which refuses one of another authority."""

    def __init__(self, alpn: bytes = b"") -> None:
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        identity(SERVER_NAME).configure_cert(self.context)
        authority().configure_trust(self.context)
        self.context.set_verify(SSL.VERIFY_PEER)
        self.context.set_session_id(b"tests")
        if alpn:
            self.context.set_alpn_select_callback(lambda connection, offered: alpn)

    def serverConnectionForTLS(self, tlsProtocol: IProtocol) -> SSL.Connection:
        return SSL.Connection(self.context)


@implementer(IOpenSSLClientConnectionCreator)
class ClientTls:
    """A client, optionally with a certificate, an ALPN protocol, or a session to resume."""

    def __init__(self, certificate: trustme.LeafCert | None = None, alpn: bytes = b"") -> None:
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        authority().configure_trust(self.context)
        if certificate:
            certificate.configure_cert(self.context)
        if alpn:
            self.context.set_alpn_protos([alpn])
        self.session: SSL.Session | None = None

    def clientConnectionForTLS(self, tlsProtocol: IProtocol) -> SSL.Connection:
        connection = SSL.Connection(self.context)
        connection.set_tlsext_host_name(SERVER_NAME.encode())
        if self.session:
            connection.set_session(self.session)
        return connection


class Network:
    """Both ends of one TCP connection, from the proxy's address to the listening one."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.server: IStreamServerEndpoint = TCP4ServerEndpoint(self.reactor, 143)
        self.client: IStreamClientEndpoint = TCP4ClientEndpoint(self.reactor, "10.0.0.1", 143)

    def connect(
        self,
        server: IStreamServerEndpoint,
        served: IProtocolFactory,
        client: IStreamClientEndpoint,
        connecting: IProtocolFactory,
    ) -> tuple[Deferred[IProtocol], IOPump]:
        """Connect two endpoints over these endpoints of the network, and deliver all bytes."""
        server.listen(served)
        outcome = client.connect(connecting)
        accepted = self.reactor.tcpServers[0][1].buildProtocol(PROXY)
        connected = self.reactor.tcpClients[0][2].buildProtocol(LISTENING)
        pump = connect(
            accepted,
            FakeTransport(accepted, isServer=True, hostAddress=LISTENING, peerAddress=PROXY),
            connected,
            FakeTransport(connected, isServer=False, hostAddress=PROXY, peerAddress=LISTENING),
            clock=self.reactor,
        )
        pump.flush()
        return outcome, pump
