"""
A stream whose TLS is done by OpenSSL on the socket itself.

After the handshake there is no memory BIO and no buffer of ours between OpenSSL and the kernel: records are read from
and written to the descriptor. Without read-ahead OpenSSL holds at most the rest of one record, and a read that asks for
more than a record leaves nothing in OpenSSL; so waiting for the socket is enough.

A read handles one record without payload (a key update, a session ticket), and then reports that it wants to read, even
if the kernel has more: the other connections get their turn before the next record. A peer that sends hardly anything
else is disconnected (`FLOOD`). OpenSSL reads a message to its end, in any number of records: so a client that begins
another handshake is disconnected as well (`RENEGOTIATION`), and so is a server that sends a message in more than one
record (`MESSAGE_IN_PIECES`).
"""

from __future__ import annotations

import os
import socket
from typing import Any

from attrs import frozen

from mailproxy.tls import openssl
from mailproxy.tls.dns_name import is_dns_name
from mailproxy.tls.failure import Kind, kind_of
from mailproxy.tls.flight import Flight
from mailproxy.tls.hello import HEAD_BYTES, lacks
from mailproxy.tls.late_messages import IN_PIECES, RENEGOTIATES, end_renegotiation, error_code
from mailproxy.tls.openssl import (
    RECORD_BYTES,
    SYSCALL,
    WANT_READ,
    WANT_WRITE,
    ZERO_RETURN,
    ffi,
)
from mailproxy.tls.presented import Presented
from mailproxy.tls.server import TlsServer
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import Poller
from mailproxy.transport.stream import (
    BUFFER,
    BUFFER_BYTES,
    FLOOD,
    MESSAGE_IN_PIECES,
    RENEGOTIATION,
    VIEW,
    Owner,
    Stream,
)

_read = openssl.read
_write = openssl.write
_LAST_FULL_READ = BUFFER_BYTES - RECORD_BYTES
_GOES_ON = (WANT_READ, WANT_WRITE)

# The bytes of a handshake that one turn handles: most handshakes need one or two turns. As empty records they take 1
# ms.
HANDSHAKE_READ_BYTES = 16384

# OpenSSL accepts a ClientHello of 128 KiB and certificates of 100 KiB, in any number of records.
HANDSHAKE_BYTES = 256 * 1024

# A ServerHello whose random number is this one asks for another ClientHello (RFC 8446 section 4.1.3); where the random
# number stands in our first flight, behind the heads of record and message and the version.
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_RANDOM = slice(11, 43)

# More reads in a row without payload, within this time, are a flood. A full record in the smallest segments that Linux
# sends (48 bytes) makes 342 of them; a session changes its keys only a few times. Below this rate such records cost no
# more than records of one byte, which any peer may send.
EMPTY_READS = 500
EMPTY_READS_SECONDS = 1.0

# The alerts of a client that refuses our certificate (RFC 8446 section 6.2).
_OBJECTIONS = {
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    48: "unknown CA",
}


# OpenSSL's reason for a certificate that it refuses; its verdict has the details.
_NOT_VERIFIED = "certificate verify failed"

# What OpenSSL says when our answer to a server name is a refusal.
_CALLBACK_FAILED = "callback failed"


def _asked_name(name: str | None) -> str:
    if name is None:
        return "the client asks for no server name"
    shown = name if is_dns_name(name) else "something that is no host name"
    return f"the client asks for {shown}, which no certificate is for"


class HandshakeError(Exception):
    """
    A handshake that failed, with the reason and its kind; `is_theirs` if the client closed or refused.

    `presented` is the client's certificate if it was refused for that.
    """

    def __init__(self, reason: str, *, kind: Kind, is_theirs: bool, presented: Presented | None = None) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.is_theirs = is_theirs
        self.presented = presented


@frozen
class _Failure:
    """A `HandshakeError` that is not an exception yet: one in a local variable is a cycle with its own traceback."""

    reason: str
    kind: Kind
    is_theirs: bool
    presented: Presented | None = None

    @property
    def error(self) -> HandshakeError:
        return HandshakeError(self.reason, kind=self.kind, is_theirs=self.is_theirs, presented=self.presented)


class SecureStream(Stream):
    """A connection that has TLS from its first byte on; `handshake` comes before any relaying."""

    __slots__ = (
        "_empty_reads",
        "_empty_since",
        "_flight",
        "_handshake_bytes",
        "_hello",
        "_received_before",
        "_server",
        "ssl",
    )

    def __init__(self, sock: socket.SocketType, poller: Poller, owner: Owner, tls: TlsServer) -> None:
        """Serve TLS on a socket."""
        super().__init__(sock, poller, owner)
        self._server = tls
        self.ssl: Any = None
        self._flight: Flight | None = None
        self._hello = b""
        self._count()

    def _count(self) -> None:
        self._handshake_bytes = 0
        self._empty_reads = 0
        self._empty_since = self.poller.now
        self._received_before = 0

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
        waits_for = self._follow(flight, flight.go_on(BUFFER, count)[0])
        if waits_for == WANT_READ and VIEW[_RANDOM] != _RETRY and self._server.awaits_finished(ssl, hello):
            # One short message remains, which costs less on the socket.
            flight.land(self.fd)
            self._flight = None
        return waits_for

    def _go_on(self, flight: Flight) -> int:
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
        result, left = flight.go_on(BUFFER, count)
        if count > left:
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
        failure = None if code == 0 or code in _GOES_ON else self._failure(code)
        outgoing = flight.outgoing(BUFFER, BUFFER_BYTES)
        if outgoing > 0:
            try:
                self._send_flight(VIEW[:outgoing])
            except HandshakeError:
                if failure is None:
                    raise
        if failure is not None:
            raise failure.error
        if self.backlog:
            return WANT_WRITE
        return 0 if result == 1 else WANT_READ

    def _finish(self) -> int:
        """Read the rest of the handshake from the socket."""
        result = openssl.do_handshake(self.ssl)
        if result == 1:
            self._secured()
            return 0
        code: int = openssl.get_error(self.ssl, result)
        if code in _GOES_ON:
            return code
        raise self._failure(code).error

    def _secured(self) -> None:
        """Set up the stream once, after the handshake."""
        end_renegotiation(self.ssl)

    def _send_flight(self, data: bytes | bytearray | memoryview) -> bool:
        """Send a part of the handshake; keep the bytes that the kernel refuses, and return whether it took all."""
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise HandshakeError(error.strerror or str(error), kind="closed", is_theirs=True) from None
        self.backlog = bytes(data[taken:])
        return not self.backlog

    def _failure(self, code: int) -> _Failure:
        """Return why the handshake failed, whether the other side caused it, and its certificate if that is why."""
        presented = None
        objection = _OBJECTIONS.get(openssl.alert())
        reason = self._reason(code)
        if objection is not None:
            return _Failure(f"the client does not trust our certificate ({objection})", "distrusted", is_theirs=True)
        is_theirs = code in (ZERO_RETURN, SYSCALL)
        kind = "closed" if is_theirs else kind_of(reason)
        if reason == _CALLBACK_FAILED:
            kind = "strict-sni"
            reason = f"{_asked_name(openssl.server_name(self.ssl))}, and the profile has strict-sni"
        if reason == _NOT_VERIFIED:
            verdict, certificate = openssl.verify_result(self.ssl), openssl.refused_certificate(self.ssl)
            reason = f"the client's {reason}: {openssl.verify_words(verdict)}"
            presented = None if certificate is None else Presented(certificate, verdict)
        return _Failure(reason, kind, is_theirs=is_theirs, presented=presented)

    def _reason(self, code: int) -> str:
        # errno is read first: any other call could change it.
        number = ffi.errno
        reason = openssl.reason()
        if code == RENEGOTIATES:
            return RENEGOTIATION
        if code == IN_PIECES:
            return MESSAGE_IN_PIECES
        if reason:
            return reason
        if code == SYSCALL and number:
            return os.strerror(number)
        return "connection closed"

    def pull(self) -> None:
        """Fill the shared buffer, record by record, and write it to the peer in one go."""
        count = _read(self.ssl, BUFFER, BUFFER_BYTES)
        if count < RECORD_BYTES:
            if count > 0:
                self.received += count
                self.last_byte = VIEW[count - 1]
                self.active = self.poller.now
                self.peer.put(count)  # type: ignore[union-attr]  # a relay has two ends; no check on the hot path
                return
            code = error_code(self.ssl, count)
            if code not in _GOES_ON:
                self._stopped(code, self._reason(code))
            elif self._is_flood():
                self.fail(FLOOD)
            elif self.write_waits:
                self.write_waits = False
                self.drain()
            return
        # A full record: more are likely to be there.
        total = count
        while total <= _LAST_FULL_READ:
            count = _read(self.ssl, BUFFER + total, BUFFER_BYTES - total)
            if count <= 0:
                break
            total += count
            if count < RECORD_BYTES:
                break
        # Called before anything else on this connection, which a failing peer may close: then nothing would empty the
        # error queue.
        code = WANT_READ if count > 0 else error_code(self.ssl, count)
        reason = "" if code in _GOES_ON else self._reason(code)
        self.received += total
        self.last_byte = VIEW[total - 1]
        self.active = self.poller.now
        self.peer.put(total)  # type: ignore[union-attr]
        if code not in _GOES_ON and self.fd >= 0:
            self._stopped(code, reason)

    def _is_flood(self) -> bool:
        """Count one more read without payload; return whether these are too many."""
        now = self.poller.now
        if self.received != self._received_before or now - self._empty_since >= EMPTY_READS_SECONDS:
            self._received_before = self.received
            self._empty_since = now
            self._empty_reads = 0
        self._empty_reads += 1
        return self._empty_reads > EMPTY_READS

    def _stopped(self, code: int, reason: str) -> None:
        if code == ZERO_RETURN:
            self.ended()
        else:
            self.fail(reason)

    def put(self, count: int) -> None:
        """Write `count` bytes of the shared buffer, record by record; keep those that the kernel refuses."""
        taken = _write(self.ssl, BUFFER, count)
        if taken == count:
            self.sent += count
            self.active = self.poller.now
            return
        total = 0
        while taken > 0:
            total += taken
            if total == count:
                self.sent += count
                self.active = self.poller.now
                return
            taken = _write(self.ssl, BUFFER + total, count - total)
        code = error_code(self.ssl, taken)
        if code not in _GOES_ON:
            self.fail(self._reason(code))
            return
        self.write_waits = code == WANT_READ
        self.sent += total
        self.keep(count, total)

    def write_some(self, data: bytes | bytearray | memoryview) -> int:
        """Write and return the number of bytes taken, 0 if none now; OSError if the connection is broken."""
        source = ffi.from_buffer(data)
        size = len(data)
        total = 0
        while total < size:
            taken = _write(self.ssl, source + total, size - total)
            if taken <= 0:
                code = error_code(self.ssl, taken)
                if code in _GOES_ON:
                    self.write_waits = code == WANT_READ
                    break
                raise ConnectionError(self._reason(code))
            total += taken
        return total

    def read_some(self) -> int:
        """Read once into the shared buffer; return the count, 0 if there are none, -1 at the end; OSError if broken."""
        count: int = _read(self.ssl, BUFFER, BUFFER_BYTES)
        if count > 0:
            self._empty_reads = 0
            return count
        code = error_code(self.ssl, count)
        if code in _GOES_ON:
            if self._is_flood():
                raise ConnectionError(FLOOD)
            return 0
        if code == ZERO_RETURN:
            return -1
        raise ConnectionError(self._reason(code))

    def has_left(self) -> bool:
        """Return whether the other side, whose end was reported, has closed without sending anything."""
        count = openssl.peek(self.ssl, BUFFER, 1)
        if count > 0 or error_code(self.ssl, count) in _GOES_ON:
            return False
        openssl.clear_errors()
        return True

    def end_write(self) -> bool:
        """Send close_notify, and half-close unless the whole socket is about to be closed; False without room."""
        result = openssl.shutdown(self.ssl)
        if result < 0:
            code = openssl.get_error(self.ssl, result)
            openssl.clear_errors()
            if code == WANT_WRITE:
                return False
        if not self.read_ended:
            try:  # noqa: SIM105  # suppress() takes 0.4 µs
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the other side has closed already; the next read reports it
        return True

    def without_tls(self) -> PlainStream:
        """Return the stream below, for the close after TLS has failed."""
        if self.ssl is not None:
            openssl.free(self.ssl)
            self.ssl = None
        below = PlainStream(self.socket, self.poller, self.owner)
        below.events = self.events
        return below

    def close(self) -> None:
        """Release the socket and OpenSSL's state, at once; idempotent."""
        if self.ssl is not None:
            openssl.free(self.ssl)
            self.ssl = None
        super().close()
