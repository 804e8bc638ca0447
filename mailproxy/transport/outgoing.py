"""
One attempt to reach a server: connect, write the header, and do the TLS handshake if the server speaks TLS.

Theory of operation::

    connection -> header, whole and in one write -> (TLS handshake, certificate and name verified) -> reached
                                                                     any of them fails, with reason -> unreached

The header is sent first, and in plaintext. The owner keeps the deadline, and calls `cancel` when it has passed; `stage`
is then the awaited step. On the same machine an attempt without TLS often succeeds before `begin` returns; any attempt
may fail before.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen

from mailproxy.proxyprotocol.address import host_port
from mailproxy.tls.client import ClientTls
from mailproxy.tls.openssl import WANT_WRITE
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import READ, WRITE, Poller
from mailproxy.transport.secure_client import SecureClientStream
from mailproxy.transport.stream import NOBODY, Stream

# Plain numbers: members of enumerations cost more, and every session uses these.
_KIND = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
_UNIX = int(socket.AF_UNIX)
_TCP, _NODELAY, _QUICKACK = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY), int(socket.TCP_QUICKACK)
_GOES_ON = (0, errno.EINPROGRESS)

HeaderSource = bytes | Callable[[socket.SocketType], bytes]
"""The PROXY header, empty for none; or a function that makes it for the connected socket, from our own addresses."""


@frozen(eq=False)
class Target:
    """The address of a server, with its TLS."""

    family: socket.AddressFamily
    address: Any
    """The argument of ``connect`` for the family."""
    tls: ClientTls | None = None
    make_socket: Callable[[int, int], socket.SocketType] = socket.SocketType
    """Makes a socket of the family and of a kind."""

    def __str__(self) -> str:
        """Write the address as the configuration does."""
        if self.family == socket.AF_UNIX:
            return str(self.address)
        return host_port(*self.address)


class OutgoingOwner(Protocol):
    """The owner of an attempt; one of its methods is called once, or none after `Outgoing.cancel`."""

    def reached(self, stream: Stream) -> None:
        """
        Take the stream to the server, which has no owner yet.

        It is watched for reading: the new owner sets `Poller.ready` for its events and `Stream.owner` for everything
        else.
        """

    def unreached(self, error: OSError) -> None:
        """The server was not reached, with the reason."""

    def broke(self) -> None:
        """Give up the attempt: a bug of ours was raised in an event."""


class Outgoing:
    """One attempt; `begin` starts it, `cancel` ends it without calling the owner."""

    __slots__ = ("_header", "_owner", "_poller", "_server_name", "_socket", "_stream", "_target", "stage")

    def __init__(
        self, owner: OutgoingOwner, target: Target, header: HeaderSource, poller: Poller, server_name: str | None = None
    ) -> None:
        """Connect to a target, with a header; `server_name` is the name that our client asked for, if any."""
        self._owner = owner
        self._target = target
        self._header = header
        self._poller = poller
        self._server_name = server_name
        self._stream: SecureClientStream | None = None
        self._socket: socket.SocketType | None = None
        self.stage = "connection"
        """The awaited step: "connection" or "TLS"."""

    def begin(self) -> None:
        """Connect; the owner may be called before this returns."""
        target = self._target
        try:
            sock = self._socket = target.make_socket(target.family, _KIND)
            if target.family != _UNIX:
                sock.setsockopt(_TCP, _NODELAY, 1)
                if self._header:
                    # The header follows at once and carries the last ACK of TCP's handshake: one packet less.
                    sock.setsockopt(_TCP, _QUICKACK, 0)
            code = sock.connect_ex(target.address)
            if code not in _GOES_ON:
                raise OSError(code, os.strerror(code))
        except OSError as error:
            self._fail(error)
            return
        if code:
            self._poller.at_end(self._write_early)
        else:
            self._write_first(sock, self._header)

    def _write_early(self) -> None:
        """
        Write the header of a connection that is in progress.

        On the same machine the connection exists already, although the kernel says that it is in progress. The header
        wakes the server: several in a row wake it once, one after each connect as often as there are connections.
        """
        sock, header = self._socket, self._header
        if sock is None:
            return  # canceled
        if header and isinstance(header, bytes):
            self._write_first(sock, header)
        else:
            self._poller.add(sock.fileno(), self._on_connected, WRITE)

    def _write_first(self, sock: socket.SocketType, header: HeaderSource) -> None:
        try:
            is_written = _write_header(sock, header)
        except OSError as error:
            self._fail(error)
            return
        self._poller.add(sock.fileno(), self._on_connected, READ if is_written else WRITE)
        if is_written:
            self._connected(sock)

    def cancel(self) -> None:
        """Give up."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._socket is not None:
            self._poller.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _on_connected(self, events: int) -> None:
        sock = self._socket
        assert sock is not None
        try:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            # The event may be for another connection, whose descriptor was reused.
            if not _is_there(sock) or not _write_header(sock, self._header):
                return
        except OSError as error:
            self._fail(error)
            return
        self._poller.change(sock.fileno(), READ)
        self._connected(sock)

    def _connected(self, sock: socket.SocketType) -> None:
        tls = self._target.tls
        if tls is not None:
            self._shake_hands(sock, tls)
            return
        stream = PlainStream(sock, self._poller, NOBODY)
        stream.events = READ
        self._socket = None
        self._owner.reached(stream)

    def _shake_hands(self, sock: socket.SocketType, tls: ClientTls) -> None:
        self.stage = "TLS"
        name = tls.server_name(self._server_name)
        stream = self._stream = SecureClientStream(sock, self._poller, NOBODY, tls, name, self._target.address)
        stream.events = READ
        self._socket = None
        self._poller.ready[stream.fd] = self._on_handshake
        self._on_handshake(READ)

    def _on_handshake(self, events: int) -> None:
        stream = self._stream
        assert stream is not None
        try:
            waits_for = stream.handshake()
        except OSError as error:
            self._fail(error)
            return
        wanted = WRITE if waits_for == WANT_WRITE else READ
        if wanted != stream.events:
            stream.events = wanted
            self._poller.change(stream.fd, wanted)
        if not waits_for:
            self._stream = None
            self._owner.reached(stream)

    def _fail(self, error: OSError) -> None:
        self.cancel()
        self._owner.unreached(error)

    def broke(self) -> None:
        """Give up, because of a bug of ours while handling an event."""
        self.cancel()
        self._owner.broke()


def _is_there(sock: socket.SocketType) -> bool:
    """Return whether a connection has been made."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _write_header(sock: socket.SocketType, header: HeaderSource) -> bool:
    """Write the header in one piece; return False if there is no connection yet."""
    if not header:
        return True
    data = header if isinstance(header, bytes) else header(sock)
    try:
        taken = sock.send(data)
    except BlockingIOError:
        return False
    if taken != len(data):
        raise OSError(errno.EMSGSIZE, f"took {taken} of the header's {len(data)} bytes")
    return True
