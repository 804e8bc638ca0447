"""Two streams that are each other's peer, between a client and a server that a test plays."""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from typing import Self

from mailproxy.tls.server import TlsServer
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import READ, Poller
from mailproxy.transport.secure_client import SecureClientStream
from mailproxy.transport.secure_server import SecureServerStream
from mailproxy.transport.stream import Stream
from tests.tls.servers import NAME, client_tls, server_context, tls_server
from tests.transport.peers import Peer, TlsPeer, TlsServerPeer, client_context

# The kernel hands loopback packets over at once, or a moment later when it is busy.
_MOMENT_MS = 20
_PATIENCE = 250
_TURNS = 20_000


class NotYet(AssertionError):
    """What a test waited for has not come."""


def pump(poller: Poller, peers: list[Peer], is_there: Callable[[], object]) -> None:
    """Run all parties until a condition holds."""
    idle = 0
    for _ in range(_TURNS):
        if is_there():
            return
        busy = is_ready(poller)
        poller.poll(0)
        moved = [peer.pull() for peer in peers]
        if not busy and not any(moved):
            idle += 1
            if idle > _PATIENCE:
                raise NotYet("nothing moves any more")
            is_ready(poller, _MOMENT_MS)
    raise NotYet("something moves for ever")


def settle(poller: Poller, peers: list[Peer]) -> None:
    """Run all parties until nothing happens; fail if that never occurs."""
    for _ in range(_TURNS):
        busy = is_ready(poller)
        poller.poll(0)
        moved = [peer.pull() for peer in peers]
        if not busy and not any(moved):
            return
    raise NotYet("something moves for ever")


def is_ready(poller: Poller, milliseconds: int = 0) -> bool:
    """Return whether a poller has an event."""
    waiting = select.poll()
    waiting.register(poller.fileno(), select.POLLIN)
    return bool(waiting.poll(milliseconds))


def waiting_in(stream: Stream) -> int:
    """Return how many bytes wait in the kernel to be read."""
    return int(struct.unpack("i", fcntl.ioctl(stream.fd, termios.FIONREAD, bytes(4)))[0])


def linger(stream: Stream) -> None:
    """End a stream as a session does when it parts."""
    stream.poller.ready[stream.fd] = stream.on_last_event
    stream.linger()


def tcp_pair(buffer_bytes: int | None = None) -> tuple[socket.socket, socket.socket]:
    """
    Connect two sockets over loopback; the first one is ours, perhaps with a small buffer to send from.

    A small buffer to receive into would overflow, and then the kernel waits longer and longer before it sends again.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.socket()
        if buffer_bytes is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * buffer_bytes)
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    return ours, theirs


def unix_pair(buffer_bytes: int | None = None) -> tuple[socket.socket, socket.socket]:
    """Connect two UNIX sockets; the first one is ours."""
    ours, theirs = socket.socketpair()
    if buffer_bytes is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    ours.setblocking(False)
    return ours, theirs


def raw(sock: socket.socket) -> socket.SocketType:
    """Take the socket below Python's class for it, as a listener makes it."""
    made = socket.SocketType(sock.family, socket.SOCK_STREAM, 0, sock.detach())
    made.setblocking(False)
    return made


class Relay:
    """
    A relay of a client's stream and a server's, and their owner, which records its calls.

    `client` and `server` are the test's ends, `near` and `far` the streams towards them.
    """

    def __init__(
        self,
        *,
        tls: TlsServer | bool = False,
        server_tls: ssl.SSLContext | bool = False,
        pair: Callable[[], tuple[socket.socket, socket.socket]] = tcp_pair,
        connect: Callable[[socket.socket], TlsPeer] | None = None,
    ) -> None:
        self.now = 1000.0
        self.poller = Poller(lambda: self.now)
        self.calls: list[str] = []
        ours, theirs = pair()
        if tls:
            server = tls_server() if isinstance(tls, bool) else tls
            self._tls = server  # its contexts have to live as long as the connection
            self.secure = SecureServerStream(raw(ours), self.poller, self, server)
            self.near: Stream = self.secure
            client = TlsPeer(theirs, client_context(), NAME) if connect is None else connect(theirs)
            self.client: Peer = client
            self._shake_hands(client)
        else:
            self.near = PlainStream(raw(ours), self.poller, self)
            self.client = Peer(theirs)
        ours, theirs = pair()
        if server_tls:
            context = server_context() if isinstance(server_tls, bool) else server_tls
            self.far: Stream = self._far(ours, theirs, context)
        else:
            self.far = PlainStream(raw(ours), self.poller, self)
            self.server = Peer(theirs)
        self.near.peer, self.far.peer = self.far, self.near
        for stream in (self.near, self.far):
            self.poller.add(stream.fd, stream.on_event, READ)
            stream.events = READ

    @property
    def tls_client(self) -> TlsPeer:
        """The client, which speaks TLS."""
        assert isinstance(self.client, TlsPeer)
        return self.client

    @property
    def tls_server(self) -> TlsServerPeer:
        """The server, which speaks TLS."""
        assert isinstance(self.server, TlsServerPeer)
        return self.server

    def _shake_hands(self, client: TlsPeer) -> None:
        waits = self.secure.handshake()
        while waits:
            client.pull()
            waits = self.secure.handshake()
        client.pull()

    def _far(self, ours: socket.socket, theirs: socket.socket, context: ssl.SSLContext) -> Stream:
        server = self.server = TlsServerPeer(theirs, context)
        stream = SecureClientStream(raw(ours), self.poller, self, client_tls(), "", "")
        while stream.handshake():
            server.pull()
        server.pull()
        return stream

    def until(self, is_there: Callable[[], object]) -> None:
        """Run all parties until a condition holds."""
        pump(self.poller, [self.client, self.server], is_there)

    def settle(self) -> None:
        """Run all parties until nothing happens."""
        settle(self.poller, [self.client, self.server])

    def name(self, stream: Stream) -> str:
        """Say which stream this is."""
        return "near" if stream is self.near else "far"

    def stream_ended(self, stream: Stream) -> None:
        self.calls.append(f"{self.name(stream)} ended")

    def stream_failed(self, stream: Stream, reason: str) -> None:
        self.calls.append(f"{self.name(stream)} failed: {reason}")

    def relay_over(self) -> None:
        self.calls.append("over")

    def broke(self) -> None:
        self.calls.append("broke")

    def close(self) -> None:
        """Give everything back."""
        for stream in (self.near, self.far):
            stream.close()
        for peer in (self.client, self.server):
            peer.socket.close()
        self.poller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
