"""
Taking the listening sockets of a running service over, so that a new version of the program refuses nobody.

Theory of operation. The new process asks the running one for its sockets over the admin socket, and gets them beside
the rows of the answer (SCM_RIGHTS, unix(7)). From then on both may accept. When the new one serves, it tells the other
one to leave: that accepts nobody any more and lets its sessions end. If the new one fails before, the other one goes
on as if nothing had been. The kernel's queues belong to the sockets, so no client in them is lost.
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
"""In one piece; the service sends one with each."""


def take_over(prepared: Prepared) -> Takeover:
    """Offer the sockets of the service at a configuration's admin socket; `NoService` if that cannot be."""
    path = prepared.settings.admin.socket
    if path is None:
        raise NoService('admin.socket: is missing; --take-over asks the running service by it, so write its "socket"')
    takeover = Takeover(path)
    prepared.lasting.offer(takeover.sockets, path)
    return takeover


class Takeover:
    """A running service whose sockets we have, until it has left."""

    def __init__(self, path: str) -> None:
        """Connect, and get the sockets; `NoService` if that cannot be."""
        self.sockets: list[socket.socket] = []
        """What it listens on: all of its frontends' sockets, and the one for administrators."""
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
        """Tell the service to leave; `NoService` if it does not answer. May be called in a thread."""
        try:
            for line in self._call.ask(Request(BY_NAME["leave"], {})):
                if line.get("type") == "error":
                    raise NoService(str(line.get("error")))
        finally:
            self.close()

    def close(self) -> None:
        """Leave the service alone: it goes on as before unless it was told to leave."""
        with suppress(OSError):
            self._call.close()


class _Receiver:
    """Reads lines, and puts the descriptors that come with them aside."""

    def __init__(self, sock: socket.socket, descriptors: list[int]) -> None:
        self._socket = sock
        self._descriptors = descriptors
        self._data = b""

    def readline(self, limit: int) -> bytes:
        """Return the next line; what there is of it if the other side has ended."""
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
