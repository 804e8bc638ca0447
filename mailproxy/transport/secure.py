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

from mailproxy.tls import openssl
from mailproxy.tls.late_messages import IN_PIECES, RENEGOTIATES, error_code
from mailproxy.tls.openssl import (
    GOES_ON,
    RECORD_BYTES,
    SYSCALL,
    WANT_READ,
    WANT_WRITE,
    ZERO_RETURN,
    ffi,
)
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

# More reads in a row without payload, within this time, are a flood. A full record in the smallest segments that Linux
# sends (48 bytes) makes 342 of them; a session changes its keys only a few times. Below this rate such records cost no
# more than records of one byte, which any peer may send.
EMPTY_READS = 500
EMPTY_READS_SECONDS = 1.0


class SecureStream(Stream):
    """A connection with TLS, after its handshake; `SecureServerStream` and `SecureClientStream` are its kinds."""

    __slots__ = ("_empty_reads", "_empty_since", "_received_before", "ssl")

    def __init__(self, sock: socket.SocketType, poller: Poller, owner: Owner) -> None:
        Stream.__init__(self, sock, poller, owner)  # super() takes longer
        self.ssl: Any = None
        self._empty_reads = 0
        self._empty_since = poller.now
        self._received_before = 0

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
            if code == ZERO_RETURN:
                self.ended()  # the usual end has left no reason in the error queue
            elif code not in GOES_ON:
                self.fail(self._reason(code))
            else:
                self._read_no_payload()
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
        reason = "" if code in GOES_ON else self._reason(code)
        self.received += total
        self.last_byte = VIEW[total - 1]
        self.active = self.poller.now
        self.peer.put(total)  # type: ignore[union-attr]
        if code not in GOES_ON and self.fd >= 0:
            self._stopped(code, reason)

    def _read_no_payload(self) -> None:
        if self._count_empty_read():
            self.fail(FLOOD)
        elif self.write_waits:
            self.write_waits = False
            self.drain()

    def _count_empty_read(self) -> bool:
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
        if code not in GOES_ON:
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
                if code in GOES_ON:
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
        if code in GOES_ON:
            if self._count_empty_read():
                raise ConnectionError(FLOOD)
            return 0
        if code == ZERO_RETURN:
            return -1
        raise ConnectionError(self._reason(code))

    def has_left(self) -> bool:
        """Return whether the other side, whose end was reported, has closed without sending anything."""
        count = openssl.peek(self.ssl, BUFFER, 1)
        if count > 0 or error_code(self.ssl, count) in GOES_ON:
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

    def close(self) -> None:
        """Release the socket and OpenSSL's state, at once; idempotent."""
        if self.ssl is not None:
            openssl.free(self.ssl)
            self.ssl = None
        Stream.close(self)  # super() takes longer
