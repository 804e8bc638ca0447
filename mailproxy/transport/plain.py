"""A stream without TLS."""

from __future__ import annotations

import socket

from mailproxy.transport.stream import BUFFER_BYTES, VIEW, Stream

_MORE = int(socket.MSG_MORE)


class PlainStream(Stream):
    """A TCP or UNIX connection without TLS."""

    __slots__ = ()

    def pull(self) -> None:
        """Read once and write the bytes to the peer."""
        try:
            count = self.socket.recv_into(VIEW)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.strerror or str(error))
            return
        if count:
            self.received += count
            self.last_byte = VIEW[count - 1]
            self.active = self.poller.now
            self.peer.put(count)  # type: ignore[union-attr]  # a relay has two ends; no check on the hot path
        else:
            self.ended()

    def pull_end(self) -> None:
        """Read once after the other side has ended: a read that leaves room has read everything."""
        try:
            count = self.socket.recv_into(VIEW)
        except BlockingIOError:
            return  # the end was another connection's, whose descriptor was reused
        except OSError as error:
            self.fail(error.strerror or str(error))
            return
        peer = self.peer
        if count and peer is not None:
            self.received += count
            self.last_byte = VIEW[count - 1]
            self.active = self.poller.now
            peer.put_last(count)
        if count < BUFFER_BYTES and self.fd >= 0:
            self.ended()

    def put_last(self, count: int) -> None:
        """Write `count` bytes of the shared buffer; the kernel sends them when writing ends, in one packet with FIN."""
        self.put(count, _MORE)

    def put(self, count: int, flags: int = 0) -> None:
        """Write `count` bytes of the shared buffer; keep those that the kernel refuses."""
        try:
            taken = self.socket.send(VIEW[:count], flags)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self.fail(error.strerror or str(error))
            return
        self.sent += taken
        if taken == count:
            self.active = self.poller.now
        else:
            self.keep(count, taken)

    def write_some(self, data: bytes | bytearray | memoryview) -> int:
        """Write and return the number of bytes taken, 0 if none now; OSError if the connection is broken."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    def read_some(self) -> int:
        """Read once into the shared buffer; return the count, 0 if there are none, -1 at the end; OSError if broken."""
        try:
            return self.socket.recv_into(VIEW) or -1
        except BlockingIOError:
            return 0

    def has_left(self) -> bool:
        """Return whether the other side, whose end was reported, has closed without sending anything."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return False

    def end_write(self) -> bool:
        """Half-close; skipped if the whole socket is about to be closed."""
        if not self.read_ended:
            try:  # noqa: SIM105  # suppress() takes 0.4 µs
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the other side has closed already; the next read reports it
        return True
