"""
Takes over the listening sockets of a running service, so that an upgrade of the program refuses no client.

Theory of operation. The new process asks the running one for its sockets over the admin socket, and gets them with the
rows of the answer (SCM_RIGHTS, unix(7)), and then the state of its frontends and servers. From then on both may accept,
and the running one refuses to change what the new one has asked for. When the new process serves, it tells the old
one to leave: the old one stops accepting and lets its sessions end. If the new process fails before, the old one
continues unchanged. The kernel's queues belong to the sockets, so no waiting client is lost.

One process takes over at a time: the old one refuses its sockets to a second process until the connection of the first
is closed. It closes a connection without requests after a minute. A new process that is later than that finds the
connection closed, and leaves the sockets to the old one.
"""

from __future__ import annotations

import array
import os
import select
import socket
import time
from contextlib import suppress
from typing import Any

from mailproxy.control.call import Call, Closed, NoService
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.control.takeover_state import take_over_state
from mailproxy.front.prepare import Prepared

_PIECE = 4096
_MAX_DESCRIPTORS = 16
"""The most descriptors in one message; the service sends one with each row."""


class StillServes(NoService):
    """The service keeps its sockets, and continues to accept."""


def take_over(prepared: Prepared) -> Takeover:
    """Get the sockets of the service behind the configured admin socket for `prepared`; `NoService` if that fails."""
    path = prepared.settings.admin.socket
    if path is None:
        raise NoService("admin.socket: is missing; --take-over needs it to reach the running service")
    takeover = Takeover(path)
    try:
        prepared.process_state.offer(takeover.sockets, prepared.settings.admin)
        now = time.monotonic()  # the clock of the poller, which is not there yet
        takeover.inherited = take_over_state(
            prepared, takeover.ask("show frontends"), takeover.ask("show servers"), now
        )
    except BaseException:
        takeover.close()
        raise
    return takeover


class Takeover:
    """A running service whose sockets this process has taken, until that service leaves."""

    end_seconds = 5.0
    """How long a service that has closed the connection may take to end."""

    def __init__(self, path: str) -> None:
        """Connect, and get the sockets; raise `NoService` if that fails."""
        self.sockets: list[socket.socket] = []
        """Its listening sockets: those of all frontends, and those for administrators."""
        self.process = 0
        """Its process id."""
        self.inherited: list[str] = []
        """Differences from a process that starts anew, in words."""
        self._call = Call(path)
        self._end_of_process = -1
        """A descriptor that is readable when the process has ended (pidfd_open(2)); -1: it is not known here."""
        try:
            self.process = self._call.pid
            with suppress(OSError):
                self._end_of_process = os.pidfd_open(self.process)
            self.sockets = self._receive()
        except BaseException:
            self.close()
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

    def ask(self, command: str) -> list[dict[str, Any]]:
        """Return the rows of the answer to a command; raise `NoService` if there are none."""
        return self._call.rows(Request(BY_NAME[command], {}))

    def finish(self) -> float | None:
        """
        Tell the service to leave, and return the longest time that its sessions still have; None: it does not say.

        Raise `NoService` if it does not answer, `StillServes` if it continues to accept. May run in a thread.
        """
        seconds = None
        try:
            for line in self._call.ask(Request(BY_NAME["leave"], {})):
                if line.get("type") == "error":
                    raise NoService(str(line.get("error")))
                if line.get("type") == "row":
                    seconds = line.get("left_s")
            return seconds
        except Closed as error:
            if self._is_alive():
                raise StillServes(str(error)) from None
            raise
        finally:
            self.close()

    def _is_alive(self) -> bool:
        if self._end_of_process < 0:
            return False
        poll = select.poll()
        poll.register(self._end_of_process, select.POLLIN)
        return not poll.poll(self.end_seconds * 1000)

    def close(self) -> None:
        """Close the connection: the service continues, unless `finish` told it to leave."""
        with suppress(OSError):
            self._call.close()
        if self._end_of_process >= 0:
            os.close(self._end_of_process)
            self._end_of_process = -1


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
                _PIECE, socket.CMSG_SPACE(_MAX_DESCRIPTORS * size), socket.MSG_CMSG_CLOEXEC
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
