"""
Takes over the listening sockets of a running service, so that an upgrade of the program refuses no client.

Theory of operation. The new process asks the running one for its sockets over the admin socket, and gets them with the
rows of the answer (SCM_RIGHTS, unix(7)). From then on both may accept. When the new process serves, it tells the old
one to leave: the old one stops accepting and lets its sessions end. If the new process fails before, the old one
continues unchanged. The kernel's queues belong to the sockets, so no waiting client is lost.
"""

from __future__ import annotations

import array
import socket
from contextlib import suppress

from mailproxy.control.call import Call, NoService
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.front.prepare import Prepared

_PIECE = 4096
_MOST_DESCRIPTORS = 16
"""The most descriptors in one message; the service sends one with each row."""


def take_over(prepared: Prepared) -> Takeover:
    """Get the sockets of the service behind the configured admin socket for `prepared`; `NoService` if that fails."""
    path = prepared.settings.admin.socket
    if path is None:
        raise NoService("admin.socket: is missing; --take-over needs it to reach the running service")
    takeover = Takeover(path)
    prepared.lasting.offer(takeover.sockets, path)
    return takeover


class Takeover:
    """A running service whose sockets this process has taken, until that service leaves."""

    def __init__(self, path: str) -> None:
        """Connect, and get the sockets; raise `NoService` if that fails."""
        self.sockets: list[socket.socket] = []
        """Its listening sockets: those of all frontends, and the admin socket."""
        self.process = 0
        """Its process id."""
        self._call = Call(path)
        try:
            self.process = self._call.pid
            self.sockets = self._receive()
        except BaseException:
            self._call.close()
            raise

    def _receive(self) -> list[socket.socket]:
        descriptors: list[int] = []
        received = _Receiver(self._call.socket, descriptors)
        try:
            rows = self._call.ask_through(Request(BY_NAME["hand over"], {}), received.readline)
            if len(rows) != len(descriptors):
                raise NoService(f"the service names {len(rows)} sockets and has sent {len(descriptors)}")
        except BaseException:
            for descriptor in descriptors:
                socket.close(descriptor)
            raise
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def finish(self) -> None:
        """Tell the service to leave; raise `NoService` if it does not answer. May run in a thread."""
        try:
            for line in self._call.ask(Request(BY_NAME["leave"], {})):
                if line.get("type") == "error":
                    raise NoService(str(line.get("error")))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection: the service continues, unless `finish` told it to leave."""
        with suppress(OSError):
            self._call.close()


class _Receiver:
    """Reads lines, and collects the descriptors that arrive with them."""

    def __init__(self, sock: socket.socket, descriptors: list[int]) -> None:
        self._socket = sock
        self._descriptors = descriptors
        self._data = b""

    def readline(self, limit: int) -> bytes:
        """Return the next line, or the rest of the data if the peer has closed."""
        while b"\n" not in self._data and len(self._data) < limit:
            size = array.array("i").itemsize
            data, ancillary, _, _ = self._socket.recvmsg(
                _PIECE, socket.CMSG_SPACE(_MOST_DESCRIPTORS * size), socket.MSG_CMSG_CLOEXEC
            )
            for level, kind, packed in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    found = array.array("i")
                    found.frombytes(packed[: len(packed) - len(packed) % size])
                    self._descriptors.extend(found)
            if not data:
                break
            self._data += data
        line, end, self._data = self._data.partition(b"\n")
        return line + end
