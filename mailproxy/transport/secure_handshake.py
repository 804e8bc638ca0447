"""
The handshake of a stream with TLS, as far as it is the same for both sides.

It is done in memory (`Flight`): one turn reads no more than a limit of ours, and what the other side sends behind the
handshake stays in the kernel. Then OpenSSL works on the socket.
"""

from __future__ import annotations

import socket

from mailproxy.tls import openssl
from mailproxy.tls.failed_handshake import HandshakeError, failed_handshake
from mailproxy.tls.flight import Flight
from mailproxy.tls.openssl import GOES_ON, WANT_READ, WANT_WRITE
from mailproxy.transport.secure import SecureStream
from mailproxy.transport.stream import BUFFER, BUFFER_BYTES, VIEW

# The bytes of a handshake that one turn handles: most handshakes need one or two turns. As empty records they take 1
# ms.
HANDSHAKE_READ_BYTES = 16384

# OpenSSL accepts a ClientHello of 128 KiB and certificates of 100 KiB, in any number of records.
HANDSHAKE_BYTES = 256 * 1024


class HandshakeStream(SecureStream):
    """A connection that is secured by a handshake; the sides are `SecureServerStream` and `SecureClientStream`."""

    __slots__ = ("_flight", "_handshake_bytes")

    peer_name = "client"
    """What the other side is."""

    # Each side sets both itself: an __init__ here would be one more call.
    _flight: Flight | None
    _handshake_bytes: int

    def _secured(self) -> None:
        """Set up the stream once, after the handshake."""
        raise NotImplementedError

    def _go_on(self, flight: Flight) -> int:
        """
        Continue the handshake in memory.

        Return 0 when it is done, else the error code that says what it waits for (`openssl.WANT_READ` or
        `openssl.WANT_WRITE`); `HandshakeError` when it failed.
        """
        if self.backlog and not self._send_flight(self.backlog):
            return WANT_WRITE
        has_ended = False
        count = 0
        try:
            # Only peeked at: bytes that OpenSSL does not read belong to the relay, and stay in the kernel.
            count = self.socket.recv_into(VIEW, HANDSHAKE_READ_BYTES, socket.MSG_PEEK)
            has_ended = not count
        except BlockingIOError:
            pass  # perhaps we have to begin
        except OSError as error:
            raise HandshakeError(error.strerror or str(error), kind="closed", is_theirs=True) from None
        result = flight.go_on(BUFFER, count)
        if count and count > (left := flight.unread()):
            self._handshake_bytes += self.socket.recv_into(VIEW, count - left)
        waits_for = self._follow(flight, result)
        if not waits_for:
            flight.land(self.fd)
            self._flight = None
            self._secured()
        elif waits_for == WANT_READ:
            if has_ended:
                raise HandshakeError("connection closed", kind="closed", is_theirs=True)
            if self._handshake_bytes > HANDSHAKE_BYTES:
                reason = f"not done after {HANDSHAKE_BYTES // 1024} KiB"
                raise HandshakeError(reason, kind="too-long", is_theirs=False)
        return waits_for

    def _follow(self, flight: Flight, result: int) -> int:
        """Send OpenSSL's pending bytes after this result; return the awaited event, 0 if all is done and sent."""
        code: int = 0 if result == 1 else openssl.get_error(self.ssl, result)
        failed = None
        if code and code not in GOES_ON:
            failed = failed_handshake(self.ssl, code, openssl.alert(), self._reason(code), self.peer_name)
        outgoing = flight.outgoing(BUFFER, BUFFER_BYTES)
        if outgoing > 0:
            try:
                self._send_flight(VIEW[:outgoing])
            except HandshakeError:
                if failed is None:
                    raise
        if failed is not None:
            raise failed.error
        if self.backlog:
            return WANT_WRITE
        return 0 if result == 1 else WANT_READ

    def _send_flight(self, data: bytes | bytearray | memoryview) -> bool:
        """Send a part of the handshake; keep the bytes that the kernel refuses, and return whether it took all."""
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise HandshakeError(error.strerror or str(error), kind="closed", is_theirs=True) from None
        self.backlog = bytes(data[taken:]) if taken < len(data) else b""
        return not self.backlog
