"""A stream without TLS."""

from __future__ import annotations

import socket
from contextlib import suppress

from mailproxy.transport.stream import BUFFER_BYTES, VIEW, Stream


class PlainStream(Stream):
    """A TCP or UNIX connection in the clear."""

    __slots__ = ()

    def pull(self) -> None:
        """Read once and put what came into the peer."""
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
        """Read once, knowing that the other side has ended: a read that leaves room has read everything."""
        try:
            count = self.socket.recv_into(VIEW)
        except BlockingIOError:
            return  # that was another connection's end, on a descriptor that was reused since
        except OSError as error:
            self.fail(error.strerror or str(error))
            return
        peer = self.peer
        if count and peer is not None:
            self.received += count
            self.last_byte = VIEW[count - 1]
            self.active = self.poller.now
            peer.hold()  # the last words and the end of them leave in one packet
            peer.put(count)
        if count < BUFFER_BYTES and self.fd >= 0:
            self.ended()

    def put(self, count: int) -> None:
        """Write `count` bytes of the shared buffer; keep what the kernel refuses."""
        try:
            taken = self.socket.send(VIEW[:count])
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
        """Write and return how much was taken, 0 if nothing can be now; OSError when the connection is broken."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    def read_some(self) -> int:
        """Read once into the shared buffer; the count, 0 if nothing is there, -1 at the end; OSError when broken."""
        try:
            return self.socket.recv_into(VIEW) or -1
        except BlockingIOError:
            return 0

    def has_left(self) -> bool:
        """Tell whether the other side, of which an end was reported, has left without having said anything."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return False

    def end_write(self) -> bool:
        """Half-close; needless when the whole socket is about to be closed."""
        if not self.read_ended:
            with suppress(OSError):  # the other side is gone already; reading will tell
                self.socket.shutdown(socket.SHUT_WR)
        return True
