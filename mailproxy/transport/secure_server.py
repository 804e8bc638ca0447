"""A stream of which we are the TLS server."""

from __future__ import annotations

import socket

from mailproxy.tls import openssl
from mailproxy.tls.failed_handshake import HandshakeError, failed_handshake
from mailproxy.tls.flight import Flight
from mailproxy.tls.hello import HEAD_BYTES, lacks
from mailproxy.tls.late_messages import end_renegotiation
from mailproxy.tls.openssl import GOES_ON, WANT_READ
from mailproxy.tls.server import TlsServer
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure import SecureStream
from mailproxy.transport.secure_handshake import HANDSHAKE_READ_BYTES, HandshakeStream
from mailproxy.transport.stream import BUFFER, VIEW, Owner

# A ServerHello whose random number is this one asks for another ClientHello (RFC 8446 section 4.1.3); where the random
# number stands in our first flight, behind the heads of record and message and the version.
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_RANDOM = slice(11, 43)


class SecureServerStream(HandshakeStream):
    """A connection that has TLS from its first byte on; `handshake` comes before any relaying."""

    __slots__ = ("_hello", "_server")

    def __init__(self, sock: socket.SocketType, poller: Poller, owner: Owner, tls: TlsServer) -> None:
        """Serve TLS on a socket."""
        SecureStream.__init__(self, sock, poller, owner)  # super() takes longer
        self._server = tls
        self._flight = None
        self._handshake_bytes = 0
        self._hello = b""

    def handshake(self) -> int:
        """
        Continue the handshake.

        Return 0 when it is done, else the error code that says what it waits for (`openssl.WANT_READ` or
        `openssl.WANT_WRITE`); `HandshakeError` when it failed.
        """
        flight = self._flight
        if flight is not None:
            return self._go_on(flight)
        return self._answer() if self.ssl is None else self._finish()

    def _answer(self) -> int:
        """Read the ClientHello, and answer it."""
        try:
            # All bytes before our answer belong to the handshake.
            count = self.socket.recv_into(VIEW, HANDSHAKE_READ_BYTES)
        except BlockingIOError:
            return WANT_READ
        except OSError as error:
            raise HandshakeError(error.strerror or str(error), kind="closed", is_theirs=True) from None
        if not count:
            raise HandshakeError("connection closed", kind="closed", is_theirs=True)
        hello = bytes(VIEW[:count])
        if self._hello or count < HEAD_BYTES or hello[3] << 8 | hello[4] != count - HEAD_BYTES:
            hello = self._hello + hello
            if lacks(hello):
                self._hello = hello
                return WANT_READ
            self._hello = b""
            count = len(hello)
            VIEW[:count] = hello
        self._handshake_bytes = count
        ssl = self.ssl = self._server.connection(hello)
        flight = self._flight = Flight(ssl)
        waits_for = self._follow(flight, flight.go_on(BUFFER, count))
        if waits_for == WANT_READ and VIEW[_RANDOM] != _RETRY and self._server.awaits_finished(ssl, hello):
            # One short message remains, which costs less on the socket.
            flight.land(self.fd)
            self._flight = None
        return waits_for

    def _finish(self) -> int:
        """Read the rest of a TLS 1.3 handshake from the socket."""
        result = openssl.do_handshake(self.ssl)
        if result == 1:
            return 0  # without `_secured`: TLS 1.3 has no renegotiation
        code: int = openssl.get_error(self.ssl, result)
        if code in GOES_ON:
            return code
        raise failed_handshake(self.ssl, code, openssl.alert(), self._reason(code), self.peer_name).error

    def _secured(self) -> None:
        end_renegotiation(self.ssl)

    def without_tls(self) -> PlainStream:
        """Return the stream below, for the close after TLS has failed."""
        if self.ssl is not None:
            openssl.free(self.ssl)
            self.ssl = None
        below = PlainStream(self.socket, self.poller, self.owner)
        below.events = self.events
        return below
