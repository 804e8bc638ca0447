"""A stream of which we are the TLS client."""

from __future__ import annotations

import socket
from collections.abc import Hashable

from mailproxy.tls import openssl
from mailproxy.tls.client import ClientTls
from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.flight import Flight
from mailproxy.tls.late_messages import end_messages_in_pieces, forget
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure_handshake import HandshakeStream
from mailproxy.transport.stream import Owner


class SecureClientStream(HandshakeStream):
    """A connection to a server that is verified by its `handshake`, before which nothing is read or written."""

    __slots__ = ("_address", "_is_verified", "_server_name", "_tls")

    peer_name = "server"

    def __init__(
        self,
        sock: socket.SocketType,
        poller: Poller,
        owner: Owner,
        tls: ClientTls,
        server_name: str,
        address: Hashable,
    ) -> None:
        """Be the client on a socket that is connected to an address; send a server name unless it is ""."""
        super().__init__(sock, poller, owner)
        self._tls = tls
        self._server_name = server_name
        self._address = address
        self._is_verified = False
        self.ssl = tls.connect(server_name, address)
        self._flight = Flight(self.ssl)
        self._handshake_bytes = 0

    def handshake(self) -> int:
        """
        Continue the handshake, and verify the server.

        Return 0 when it is done, else the error code that says what it waits for (`openssl.WANT_READ` or
        `openssl.WANT_WRITE`); OSError with the reason when it failed.
        """
        flight = self._flight
        assert flight is not None
        try:
            return self._go_on(flight)
        except HandshakeError as error:
            raise self._tls.failure(self.ssl, str(error)) from None

    def _secured(self) -> None:
        self._tls.verify(self.ssl)
        self._is_verified = True
        end_messages_in_pieces(self.ssl, self.fd)

    def close(self) -> None:
        """Release the socket and OpenSSL's state, after a close_notify if none was sent, and keep the TLS session."""
        if self._is_verified and self.ssl is not None:
            if not self.write_ended:
                # Without it, servers log an error, and OpenSSL makes the session unusable.
                openssl.shutdown(self.ssl)
                openssl.clear_errors()
            self._tls.keep_session(self.ssl, self._server_name, self._address)
        if self.ssl is not None:
            forget(self.ssl)
        super().close()
