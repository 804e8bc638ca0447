"""The server's side of TLS for administrators' HTTP: the certificates and settings of a profile, on twisted's TLS."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from mailproxy.tls.server import TlsServer


@implementer(IOpenSSLServerConnectionCreator)
class TlsConnections:
    """Makes the TLS connections of clients; renewed certificates are served from then on."""

    def __init__(self, server: TlsServer) -> None:
        self._server = server

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Any:
        """Return a connection for one client."""
        connection = SSL.Connection(self._server.contexts.first, None)
        # So each client's certificate is verified with today's authorities and lists.
        connection.set_options(SSL.OP_NO_TICKET)
        return connection
