"""
One connected socket in a relay.

Theory of operation. Two streams are each other's `peer`. What one reads goes into the one shared buffer and is written
to the other at once, within the same event; the buffer is free again when `put` returns. Only what the kernel refuses
is kept (`backlog`), and while a stream has a backlog its peer is not read: so what a connection can hold in memory is
bounded by one filling of the buffer each way. Reading and writing end separately (half-close), in this order::

    reading ends (FIN or close_notify) -> the peer's backlog drains -> the peer's writing ends -> ... -> relay_over

`on_event`, `pull` and `put` are the hot path: no logging, no allocation beyond the bytes, nothing that is not needed
for every chunk. All else, in `on_unusual` and below, is rare.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Protocol

from mailproxy.tls import openssl
from mailproxy.transport.poller import BYTES, END, GONE, READ, WRITE, Poller

# How much one event reads at most: big enough that system calls vanish beside encryption, and the bound of a backlog.
BUFFER_BYTES = 256 * 1024

_END_OR_ERROR = END | select.EPOLLERR

_TCP, _CORK = int(socket.IPPROTO_TCP), int(socket.TCP_CORK)

BUFFER = openssl.ffi.new("char[]", BUFFER_BYTES)
VIEW = memoryview(openssl.ffi.buffer(BUFFER))


FLOOD = "more than 500 reads within a second brought no payload"
"""The reason of `Stream.fail` when the other side sends TLS records without payload, again and again."""

RENEGOTIATION = "TLS renegotiation"
"""The reason of `Stream.fail` when a client of TLS 1.2 begins another handshake."""

MESSAGE_IN_PIECES = "TLS message in more than one record"
"""The reason of `Stream.fail` when a server of TLS 1.3 sends a session ticket or a key update so."""


class Owner(Protocol):
    """The owner of a stream, which the stream calls for each event."""

    def stream_ended(self, stream: Stream) -> None:
        """Nothing more will be read from a stream: its peer's writing will end."""

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """A stream is broken both ways."""

    def relay_over(self) -> None:
        """Both streams have ended both ways and everything is delivered."""

    def broke(self) -> None:
        """Give up both streams, because of a bug of ours while handling an event of one."""


class _Nobody:
    """The owner of a stream without one."""

    def stream_ended(self, stream: Stream) -> None:
        """Nothing."""

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """Nothing."""

    def relay_over(self) -> None:
        """Nothing."""

    def broke(self) -> None:
        """Nothing."""


NOBODY: Owner = _Nobody()
"""
The owner of a stream before it is taken, and after it is closed.

Keeping the real owner beyond the end would leave a cycle to the garbage collector.
"""


class Stream:
    """
    A connected non-blocking socket, watched by a poller; `PlainStream` and `SecureStream` are its kinds.

    Attributes of interest: `received` and `sent` count bytes of payload; `active` is when the last of them moved, by
    the poller's clock; `last_byte` is the last one that was read, and a line end before there was any.
    """

    __slots__ = (
        "active",
        "backlog",
        "events",
        "fd",
        "finishing",
        "is_held",
        "last_byte",
        "owner",
        "peer",
        "poller",
        "read_ended",
        "received",
        "sent",
        "socket",
        "write_ended",
        "write_waits",
    )

    def __init__(self, sock: socket.SocketType, poller: Poller, owner: Owner) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.poller = poller
        self.owner = owner
        self.peer: Stream | None = None
        self.events = 0
        self.backlog: bytes | bytearray = b""
        self.received = 0
        self.sent = 0
        self.active = poller.now
        self.last_byte = 0x0A
        self.read_ended = False
        self.write_ended = False
        self.write_waits = False
        """True while writing has to wait for a read: TLS is in the middle of a message of its own."""
        self.finishing = False
        self.is_held = False
        """True while nothing is read, for a limit on bandwidth."""

    # The hot path: the kinds implement these three.

    def on_event(self, events: int) -> None:
        """Handle readiness while relaying."""
        if events == BYTES:
            self.pull()
        else:
            self.on_unusual(events)

    def pull(self) -> None:
        """Read once and write the bytes to the peer."""
        raise NotImplementedError

    def put(self, count: int) -> None:
        """Write `count` bytes of the shared buffer; keep those that the kernel refuses."""
        raise NotImplementedError

    # Other differences between the kinds.

    def pull_end(self) -> None:
        """Read once after the other side has ended; its end may be noticed now or at the next event."""
        self.pull()

    def write_some(self, data: bytes | bytearray | memoryview) -> int:
        """Write and return the number of bytes taken, 0 if none now; OSError if the connection is broken."""
        raise NotImplementedError

    def read_some(self) -> int:
        """
        Read once into the shared buffer, for a stage that is not relaying.

        Return the count, 0 if there are none, -1 at the end; OSError if the connection is broken.
        """
        raise NotImplementedError

    def has_left(self) -> bool:
        """Return whether the other side, whose end was reported, has closed without sending anything."""
        raise NotImplementedError

    def end_write(self) -> bool:
        """End our side of the stream; False if there is no room for that now."""
        raise NotImplementedError

    # Rare.

    def on_unusual(self, events: int) -> None:
        """Handle all events but plain readability."""
        if events & self.events & WRITE:
            self.drain()
        if self.events & BYTES:
            # Also after an error or a hang-up: the data before it comes first, and the read reports the error.
            if events & _END_OR_ERROR == END:
                self.pull_end()
            else:
                self.pull()
        elif events & GONE and self.events:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.fail(os.strerror(code) if code else "connection closed")

    def keep(self, count: int, taken: int) -> None:
        """Keep the bytes of the shared buffer that the kernel did not take, and stop reading the peer."""
        self.backlog = bytes(VIEW[taken:count])
        self.watch()
        if self.peer is not None:
            self.peer.watch()

    def drain(self) -> None:
        """Write as much of the backlog as possible; after it, end writing if that is due, and read the peer again."""
        if self.backlog:
            try:
                taken = self.write_some(self.backlog)
            except OSError as error:
                self.fail(error.strerror or str(error))
                return
            if not taken:
                if self.write_waits:
                    self.watch()
                return
            self.sent += taken
            self.active = self.poller.now
            self.backlog = self.backlog[taken:]
            if self.backlog:
                return
        if self.finishing:
            self.finish()
        self.watch()
        if self.peer is not None:
            self.peer.watch()

    def put_own(self, line: bytes) -> None:
        """Write a few bytes of our own, after the backlog."""
        if self.backlog:
            self.backlog = bytes(self.backlog) + line
        else:
            VIEW[: len(line)] = line
            self.put(len(line))

    def put_last(self, count: int) -> None:
        """Write `count` bytes of the shared buffer; the kernel sends them when writing ends, in one packet with FIN."""
        try:  # noqa: SIM105  # suppress() takes 0.4 µs
            self.socket.setsockopt(_TCP, _CORK, 1)
        except OSError:
            pass  # a UNIX socket has no packets to save
        self.put(count)

    def watch(self) -> None:
        """Watch for the useful events: reading unless ended or the peer is full, writing while there is a backlog."""
        if self.fd < 0:
            return
        events = 0
        if not self.read_ended and not self.is_held and (self.peer is None or not self.peer.backlog):
            events = READ
        if (self.backlog or (self.finishing and not self.write_ended)) and not self.write_waits:
            events |= WRITE
        if events == self.events:
            return
        # Not watched at all, rather than with an empty mask: an unread hang-up would be reported for ever.
        if not events:
            self.poller.pause(self.fd)
        elif not self.events:
            self.poller.resume(self.fd, events)
        else:
            self.poller.change(self.fd, events)
        self.events = events

    def ended(self) -> None:
        """Handle the end of reading: the peer's writing ends after its backlog."""
        self.read_ended = True
        self.active = self.poller.now
        peer = self.peer
        has_looked = False
        if peer is not None and not peer.write_ended:
            peer.finish()  # it has looked whether the relay is over
            has_looked = True
        if self.fd >= 0:
            self.watch()
            self.owner.stream_ended(self)
            if not has_looked:
                self._over()

    def finish(self) -> None:
        """End writing, once the backlog is written."""
        self.finishing = True
        if self.backlog or self.write_ended:
            return
        if not self.end_write():
            self.watch()
            return
        self.write_ended = True
        self.active = self.poller.now  # the remaining work has its full time from now on
        self._over()

    def _over(self) -> None:
        peer = self.peer
        if self.read_ended and self.write_ended and (peer is None or (peer.read_ended and peer.write_ended)):
            self.owner.relay_over()

    def fail(self, reason: str) -> None:
        """Handle a broken connection: nothing more is read or written."""
        if self.read_ended and self.write_ended:
            return
        self.read_ended = self.write_ended = True
        self.owner.stream_failed(self, reason)
        self.backlog = b""
        self.watch()

    def linger(self) -> None:
        """
        End writing; from then on `on_last_event` handles events, until the other side ends, too.

        A socket closed with unread data sends a reset, which can destroy our last words before the peer reads them. The
        owner's `relay_over` is called, and the owner limits the wait with a deadline.
        """
        self.peer = None
        self.finish()
        self.watch()

    def on_last_event(self, events: int) -> None:
        """Handle readiness after `linger`: read and drop."""
        try:
            if events & self.events & WRITE:
                self.drain()
            if self.fd < 0 or not self.events & BYTES:
                return
            count = self.read_some()
        except OSError:
            count = -1
        if count < 0:
            self.read_ended = self.write_ended = True
            self.backlog = b""
            self.watch()
            self._over()

    def close(self) -> None:
        """Close the socket at once; idempotent."""
        if self.fd >= 0:
            self.poller.ready.pop(self.fd, None)  # as Poller.remove does, without a call
            self.fd = -1
            self.events = 0
            self.read_ended = self.write_ended = True
            self.backlog = b""
            self.peer = None
            self.owner = NOBODY
            self.socket.close()

    def broke(self) -> None:
        """End the owner's session: a bug of ours was raised in an event."""
        self.owner.broke()
