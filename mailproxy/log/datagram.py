"""Sinks that send each line as a datagram: to syslog on this machine or over UDP, and to the journal."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from mailproxy.log.sink import Sink, wait_until_writable

# The size that sd_journal_send(3) requests; the kernel may grant less.
_BUFFER_BYTES = 8 * 1024 * 1024

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class DatagramSink(Sink):
    """
    Sends a line as a datagram, and cuts lines that are too long for one.

    Without a receiver on this machine, a send fails at once, so no line is lost. Another machine may report an error
    after a line counted as sent: that line is counted as lost.
    """

    def __init__(
        self,
        name: str,
        family: int,
        address: str | tuple[str, int],
        *,
        make_socket: Callable[[int, int], socket.socket] = socket.socket,
    ) -> None:
        self.name = name
        self._make_socket = make_socket
        self._family = family
        self._address = address
        self._socket: socket.socket | None = None

    def write(self, lines: Sequence[bytes]) -> int:
        """Send the first line."""
        sock, is_new = self._socket, False
        if sock is None:
            sock, is_new = self._connect(), True
        try:
            if self._error(sock):
                self.lost += 1
            self._send(sock, lines[0])
            if error := self._error(sock):
                raise OSError(error, os.strerror(error))
        except BlockingIOError:
            wait_until_writable(sock)
            return 0
        except OSError:
            self.close()
            if is_new or self._family != socket.AF_UNIX:
                raise
            # A restarted receiver has a new socket at the same path.
            return 0
        return 1

    def _connect(self) -> socket.socket:
        sock = self._make_socket(self._family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            sock.connect(self._address)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        return sock

    def _error(self, sock: socket.socket) -> int:
        """Return the error that was reported for an earlier datagram; 0 if there is none."""
        return 0 if self._family == socket.AF_UNIX else sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _send(self, sock: socket.socket, line: bytes) -> None:
        while True:
            try:
                sock.send(line)
                return
            except OSError as error:
                if error.errno != errno.EMSGSIZE or len(line) < 2:
                    raise
            line = line[: len(line) // 2]

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def forget(self) -> None:
        """Close the inherited socket; the next line opens a new one."""
        super().forget()
        self.close()


class JournalSink(DatagramSink):
    """
    Sends entries to journald; an entry that is too long for a datagram is sent as a sealed memory file.

    The protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, socket.AF_UNIX, path)

    def _send(self, sock: socket.socket, line: bytes) -> None:
        try:
            sock.send(line)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_file(sock, line)

    def _send_file(self, sock: socket.socket, line: bytes) -> None:
        descriptor = os.memfd_create("mailproxy-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(descriptor, "wb") as file:
            file.write(line)
            file.flush()
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            # With a byte of payload, journald would parse that as an entry, and close the file.
            socket.send_fds(sock, [], [descriptor])
