"""
One session's way to a server: pick, reach it with the header, wait for the greeting; on failure the next.

An attempt has succeeded once the server has shown signs of life: it has greeted, in protocols whose server speaks
first, or it has accepted the connection. Until then nothing of the client has reached it, so that the next server can
take over without anyone noticing. One deadline, ``timeout.connect``, covers an attempt as a whole.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from mailproxy.mail.greeting import GreetingReader, Prelude
from mailproxy.session.backend import Backend, Server
from mailproxy.transport.outgoing import Outgoing
from mailproxy.transport.poller import Poller
from mailproxy.transport.stream import VIEW, Owner, Stream

# As HAProxy: before the same server is tried again, it gets so long to come back, or the connect timeout if shorter.
TURNAROUND_SECONDS = 1.0

_NO_MORE_SOCKETS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Dialler(Owner, Protocol):
    """For whom a dial is made: it keeps the dial's deadline, and hears how it went."""

    def wait(self, seconds: float, late: Callable[[], None]) -> None:
        """Call this in so many seconds, unless there is something else to wait for by then."""

    def dialled(self, stream: Stream, greeting: int) -> None:
        """Take the server's stream; so many bytes of its greeting are in the shared buffer."""

    def no_server(self, letter: str, reason: str) -> None:
        """Hear that no attempt succeeded: why the last did not, and HAProxy's letter for it (S, s or R)."""


class Dial:
    """The attempts of one session; `begin` starts them, `cancel` ends them without a word."""

    __slots__ = (
        "_backend",
        "_header",
        "_letter",
        "_make_reader",
        "_outgoing",
        "_owner",
        "_paused",
        "_poller",
        "_reader",
        "_reason",
        "_server_name",
        "_speaks_first",
        "_stream",
        "_tried",
    )

    def __init__(
        self,
        owner: Dialler,
        backend: Backend,
        header: bytes,
        poller: Poller,
        *,
        speaks_first: bool,
        server_name: str | None = None,
        make_reader: Callable[[], GreetingReader] | None = None,
    ) -> None:
        """
        Get ready to dial a backend with a header; `server_name` is what the client asked us for, if it did.

        Without `make_reader` the first bytes of a server are its greeting, and go to the client; a reader judges them
        and says what of them does.
        """
        self._owner = owner
        self._backend = backend
        self._header = header
        self._speaks_first = speaks_first
        self._server_name = server_name
        self._poller = poller
        self._make_reader = make_reader
        self._reader: GreetingReader | None = None
        self._tried: list[Server] = []
        self._outgoing: Outgoing | None = None
        self._stream: Stream | None = None
        self._paused = False
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
        if server is self.server and not self._paused:
            self._paused = True
            self._owner.wait(min(TURNAROUND_SECONDS, self._backend.connect_seconds), self.begin)
            return
        self._paused = False
        self._tried.append(server)
        self._owner.wait(self._backend.connect_seconds, self._give_up)
        outgoing = self._outgoing = Outgoing(self, server.target, self._header, self._poller, self._server_name)
        outgoing.begin()

    def cancel(self) -> None:
        """Give up."""
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def reached(self, stream: Stream) -> None:
        """Wait for the greeting, if there is one to come."""
        self._outgoing = None
        self._stream = stream
        if self._make_reader is not None:
            self._reader = self._make_reader()
        if self._speaks_first:
            self._poller.ready[stream.fd] = self._on_greeting
        else:
            self._done(stream, 0)

    def unreached(self, error: OSError) -> None:
        """Go on with the next server."""
        self._outgoing = None
        self._failed(error)

    def _on_greeting(self, events: int) -> None:
        stream = self._stream
        assert stream is not None
        try:
            count = stream.read_some()
        except OSError as error:
            self._failed(error)
            return
        if count < 0:
            self._failed(ConnectionError("closed without a greeting"))
        elif count:
            stream.received += count
            if self._reader is None:
                self._done(stream, count)
            else:
                self._read_greeting(stream, self._reader, count)

    def _read_greeting(self, stream: Stream, reader: GreetingReader, count: int) -> None:
        result = reader.receive(bytes(VIEW[:count]))
        if isinstance(result, Prelude):
            try:
                if stream.write_some(result.data) != len(result.data):
                    raise ConnectionError("no room for a line")
            except OSError as error:
                self._failed(error)
        elif result is not None and result.is_accepted:
            VIEW[: len(result.relay)] = result.relay
            self._done(stream, len(result.relay))
        elif result is not None:
            self._failed(ConnectionError(result.reason))

    def _done(self, stream: Stream, count: int) -> None:
        self._stream = None
        stream.owner = self._owner
        self._owner.dialled(stream, count)

    def _give_up(self) -> None:
        self._letter = "s"
        stage = "greeting" if self._outgoing is None else self._outgoing.stage
        self._next(f"no {stage} within {self._backend.connect_seconds:g} s")

    def _failed(self, error: OSError) -> None:
        self._letter = "S"
        if error.errno in _NO_MORE_SOCKETS:
            self.cancel()
            self._owner.no_server("R", str(error.strerror))
            return
        self._next(error.strerror or str(error))

    def _next(self, reason: str) -> None:
        self._reason = reason
        self.cancel()
        self.begin()

    def broke(self) -> None:
        """Hear of a bug of ours while handling an event: the session ends."""
        self.cancel()
        self._owner.broke()
