"""
One session's way to a server: pick, connect, write the header, wait for the greeting; on failure the next.

An attempt has succeeded once the server has shown signs of life: it has greeted, in protocols whose server speaks
first, or it has accepted the connection. Until then nothing of the client has reached it, so that the next server can
take over without anyone noticing. One deadline, ``timeout.connect``, covers an attempt as a whole.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from mailproxy.session.backend import Backend, Server
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import READ, WRITE, Poller
from mailproxy.transport.stream import VIEW, Owner

# As HAProxy: before the same server is tried again, it gets so long to come back, or the connect timeout if shorter.
TURNAROUND_SECONDS = 1.0

_NO_MORE_SOCKETS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Dialler(Owner, Protocol):
    """For whom a dial is made: it keeps the dial's deadline, and hears how it went."""

    def wait(self, seconds: float, late: Callable[[], None]) -> None:
        """Call this in so many seconds, unless there is something else to wait for by then."""

    def dialled(self, stream: PlainStream, greeting: int) -> None:
        """Take the server's stream; so many bytes of its greeting are in the shared buffer."""

    def no_server(self, letter: str, reason: str) -> None:
        """Hear that no attempt succeeded: why the last did not, and HAProxy's letter for it (S, s or R)."""


class Dial:
    """The attempts of one session; `begin` starts them, `cancel` ends them without a word."""

    __slots__ = (
        "_backend",
        "_header",
        "_letter",
        "_owner",
        "_poller",
        "_reason",
        "_socket",
        "_speaks_first",
        "_stage",
        "_tried",
    )

    def __init__(self, owner: Dialler, backend: Backend, header: bytes, poller: Poller, *, speaks_first: bool) -> None:
        self._owner = owner
        self._backend = backend
        self._header = header
        self._speaks_first = speaks_first
        self._poller = poller
        self._tried: list[Server] = []
        self._socket: socket.SocketType | None = None
        self._stage = ""
        self._letter = "S"
        self._reason = "no server"

    @property
    def server(self) -> Server | None:
        """The server of the last attempt."""
        return self._tried[-1] if self._tried else None

    @property
    def retries(self) -> int:
        """How many attempts there were beyond the first."""
        return max(len(self._tried) - 1, 0)

    def begin(self) -> None:
        """Make the next attempt; tell the owner when there is none left."""
        server = self._backend.pick(self._tried)
        if server is None:
            self._owner.no_server(self._letter, self._reason)
            return
        if server is self.server and self._stage != "turnaround":
            self._stage = "turnaround"
            self._owner.wait(min(TURNAROUND_SECONDS, self._backend.connect_seconds), self.begin)
            return
        self._tried.append(server)
        self._stage = "connection"
        try:
            self._connect(server)
        except OSError as error:
            self._failed(error)

    def cancel(self) -> None:
        """Give up."""
        self._drop()

    def _connect(self, server: Server) -> None:
        sock = self._socket = socket.SocketType(server.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if server.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._header:
                # The header follows at once and carries the handshake's last ACK: one packet less.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        code = sock.connect_ex(server.address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._owner.wait(self._backend.connect_seconds, self._give_up)
        # A connection on the same machine is there already, though the kernel says that it is in progress.
        if (code == 0 or self._header) and self._write_header(sock):
            self._poller.add(sock.fileno(), self._on_greeting, READ)
            self._connected(sock)
        else:
            self._poller.add(sock.fileno(), self._on_connected, WRITE)

    def _write_header(self, sock: socket.SocketType) -> bool:
        """Write the header whole, in one piece; tell whether the connection was there to take it."""
        if not self._header:
            return True
        try:
            taken = sock.send(self._header)
        except BlockingIOError:
            return False
        if taken != len(self._header):
            raise OSError(errno.EMSGSIZE, f"took {taken} of the header's {len(self._header)} bytes")
        return True

    def _on_connected(self, events: int) -> None:
        sock = self._socket
        assert sock is not None
        try:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            if not self._write_header(sock):
                return
        except OSError as error:
            self._failed(error)
            return
        self._poller.change(sock.fileno(), READ)
        self._poller.ready[sock.fileno()] = self._on_greeting
        self._connected(sock)

    def _connected(self, sock: socket.SocketType) -> None:
        self._stage = "greeting"
        if not self._speaks_first:
            self._done(sock, 0)

    def _on_greeting(self, events: int) -> None:
        sock = self._socket
        assert sock is not None
        try:
            count = sock.recv_into(VIEW)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error)
            return
        if count:
            self._done(sock, count)
        else:
            self._failed(ConnectionError("closed without a greeting"))

    def _done(self, sock: socket.SocketType, count: int) -> None:
        stream = PlainStream(sock, self._poller, self._owner)
        stream.events = READ
        stream.received = count
        self._socket = None
        self._owner.dialled(stream, count)

    def _give_up(self) -> None:
        self._letter = "s"
        self._next(f"no {self._stage} within {self._backend.connect_seconds:g} s")

    def _failed(self, error: OSError) -> None:
        self._letter = "S"
        if error.errno in _NO_MORE_SOCKETS:
            self.cancel()
            self._owner.no_server("R", str(error.strerror))
            return
        self._next(error.strerror or str(error))

    def _next(self, reason: str) -> None:
        self._reason = reason
        self._drop()
        self.begin()

    def broke(self) -> None:
        """Hear of a bug of ours while handling an event: the session ends."""
        self.cancel()
        self._owner.broke()

    def _drop(self) -> None:
        if self._socket is not None:
            self._poller.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None
