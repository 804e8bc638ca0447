"""A sink for syslog over TCP, with octet counting: the length precedes each line (RFC 6587, 3.4.1)."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from mailproxy.log.sink import Progress, Sink, first_lines, wait_until_writable

_SEND_BYTES = 64 * 1024

CONNECT_SECONDS = 5.0

# A peer that acknowledges nothing for this long is gone; a peer that only does not read is not.
_GONE_MILLISECONDS = 30_000


class StreamSink(Sink):
    """
    Sends lines over a connection; after a failure, it sends an unfinished line again, whole, over the next connection.

    Lines that the peer's kernel took and the peer never read are lost without a notice: TCP does not report that.
    """

    def __init__(self, name: str, family: int, address: tuple[str, int]) -> None:
        self.name = name
        self._family = family
        self._address = address
        self._socket: socket.socket | None = None
        self._progress = Progress()

    def write(self, lines: Sequence[bytes]) -> int:
        """Send as many bytes as the connection takes."""
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
        """Return whether the peer has closed: a send would still succeed, but the peer would not read the line."""
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
        """Close the inherited connection; the next line opens a new one."""
        super().forget()
        self.close()
