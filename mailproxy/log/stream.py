"""A TCP connection that takes lines with their length in front: syslog with octet counting (RFC 6587, 3.4.1)."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from mailproxy.log.sink import Progress, Sink, first_lines, wait_until_writable

_SEND_BYTES = 64 * 1024

CONNECT_SECONDS = 5.0

# A peer that acknowledges nothing for this long is gone; one that only does not read is waited for.
_GONE_MILLISECONDS = 30_000


class StreamSink(Sink):
    """
    Sends lines over a connection, and the one that was under way again, whole, over the next connection.

    What the peer's kernel took and the peer never read is lost without a trace: TCP does not tell.
    """

    def __init__(self, name: str, family: int, address: tuple[str, int]) -> None:
        self.name = name
        self._family = family
        self._address = address
        self._socket: socket.socket | None = None
        self._progress = Progress()

    def write(self, lines: Sequence[bytes]) -> int:
        """Send what the connection takes."""
        sock = self._socket
        if sock is None or self._has_ended(sock):
            self.close()
            sock = self._connect()
        offset = self._progress.offset
        chunk = first_lines(lines, _SEND_BYTES)
        frames = [b"%d %b" % (len(line), line) for line in chunk]
        try:
            count = sock.send(b"".join(frames)[offset:])
        except BlockingIOError:
            wait_until_writable(sock)
            return 0
        except OSError:
            self.close()
            raise
        return self._progress.advance(frames, count)

    def _connect(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_MILLISECONDS)
            sock.connect(self._address)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        return sock

    def _has_ended(self, sock: socket.socket) -> bool:
        """Tell whether the peer has closed: a line could still be sent then, and nobody would read it."""
        try:
            return not sock.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the connection."""
        self._progress.offset = 0
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def forget(self) -> None:
        """Get a connection of its own."""
        super().forget()
        self.close()
