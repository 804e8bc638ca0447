"""
The attempts of one session to get a server: pick, connect, write the header, wait for the greeting.

An attempt has succeeded when the server has greeted or, in protocols whose server does not speak first, when it has
accepted the connection. Until then nothing of the client has reached it, and the next server can take over. The
deadline ``timeout.connect`` covers a whole attempt, and ``timeout.queue`` each wait for a server with room. The
`Failure` of an attempt decides how it counts and what comes next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from mailproxy.announce.addresses import PackedAddress
from mailproxy.backend.backend import Backend, network
from mailproxy.backend.numbers import FAILED, REDISPATCHES, RETRIES
from mailproxy.backend.numbers import REFUSED as SERVER_REFUSED
from mailproxy.backend.server import BackendServer
from mailproxy.mail.greeting import Greeting, GreetingReader, Prelude
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Address
from mailproxy.session.failure import Failure, declined, not_reached
from mailproxy.session.termination import (
    NO_SERVER,
    NO_SOCKET,
    QUEUE_FULL,
    QUEUE_LATE,
    QUEUE_LOST,
    REFUSED,
    REFUSED_LATE,
    SERVER_LATE,
    Ending,
)
from mailproxy.transport.listener import EXHAUSTED
from mailproxy.transport.outgoing import Outgoing
from mailproxy.transport.poller import Poller
from mailproxy.transport.stream import VIEW, Stream

# As in HAProxy: the pause before another attempt at the same server, or the connect timeout if that is shorter.
TURNAROUND_SECONDS = 1.0


class Dialler(Protocol):
    """The owner of a dial: it keeps the dial's deadline, and continues when the dial is over."""

    def wait(self, seconds: float) -> None:
        """Call `Dial.expired` after `seconds`; this replaces an earlier `wait`."""

    def dialled(self, stream: Stream, greeting: int) -> None:
        """
        Take the server's stream; `greeting` bytes are in the shared buffer.

        The stream has no owner yet. The place on the server now belongs to the dial's owner, who gives it back when the
        session is over.
        """

    def broke(self) -> None:
        """End the session, because of a bug of ours."""

    def no_server(self, ending: Ending, reason: str, words: bytes = b"") -> None:
        """
        End: no server takes the client.

        `words` are a server's words for the client; without any, the client gets mailproxy's.
        """


class Dial:
    """The attempts of one session; `begin` starts them, `cancel` ends them without calling the owner."""

    _log = Logger()

    __slots__ = (
        "_backend",
        "_failure",
        "_header",
        "_is_choosing",
        "_is_due",
        "_key",
        "_make_reader",
        "_outgoing",
        "_owner",
        "_place",
        "_poller",
        "_queued_at",
        "_reader",
        "_refused_by",
        "_server_name",
        "_source",
        "_stream",
        "_words",
        "is_queued",
        "queue_seconds",
        "tried",
    )

    def __init__(
        self,
        owner: Dialler,
        backend: Backend,
        header: bytes,
        poller: Poller,
        source: Address | PackedAddress | None = None,
        server_name: str | None = None,
        make_reader: Callable[[], GreetingReader] | None = None,
    ) -> None:
        """
        Dial a backend with a header, for a client with this address that asked for a `server_name`.

        Without `make_reader` a server's greeting goes to the client unchanged; a
        reader decides which part of it does.
        """
        self._owner = owner
        self._backend = backend
        self._header = header
        self._key = backend.key(source)
        self._source = source
        self._server_name = server_name
        self._poller = poller
        self._make_reader = make_reader
        self._reader: GreetingReader | None = None
        self.tried: tuple[BackendServer, ...] = ()
        """The servers of the attempts, in order."""
        self._refused_by: tuple[BackendServer, ...] = ()
        self._words = b""
        self._failure: Failure | None = None
        self._place: BackendServer | None = None
        self._outgoing: Outgoing | None = None
        self._stream: Stream | None = None
        self._is_choosing = False
        self._is_due = False
        self.is_queued = False
        """True while it waits for a server with room."""
        self.queue_seconds = 0.0
        """How long it has waited for a server with room."""
        self._queued_at = 0.0

    def begin(self) -> None:
        """Make the next attempt; the owner ends the session when there is none left."""
        # An attempt may fail within the call that makes it: then the loop below makes the next one.
        self._is_due = True
        if self._is_choosing:
            return
        self._is_choosing = True
        try:
            while self._is_due:
                self._is_due = False
                self._choose()
        finally:
            self._is_choosing = False

    def _choose(self) -> None:
        pool = self._backend.pool
        server = pool.pick(self._key, self.tried, self._poller.now, self._refused_by)
        if server is not None:
            self._take(server)
        elif self._refused_by:
            # This client has a server's answer: it does not wait in the queue for another.
            self._end()
        elif pool.enqueue(self, self._key, self.tried):
            self.is_queued = True
            self._queued_at = self._poller.now
            self._owner.wait(self._backend.queue_seconds)
        elif not pool.is_empty and len(self.tried) <= self._backend.settings.retries:
            self._owner.no_server(QUEUE_FULL, f"all servers are full, and the queue is full ({pool.queued})")
        else:
            self._end()

    def _end(self) -> None:
        """Report to the owner how the last attempt failed, if there was one."""
        failure = self._failure or Failure("no server is up")
        if self._words:
            ending = REFUSED_LATE if failure.is_late else REFUSED
        else:
            ending = SERVER_LATE if failure.is_late else NO_SERVER
        self._owner.no_server(ending, failure.reason, self._words)

    def turn(self, server: BackendServer) -> None:
        """Take the place that has become free."""
        self._do_in_turn(self._take, server)

    def no_turn(self) -> None:
        """End the wait: the last server is down."""
        self._do_in_turn(self._owner.no_server, QUEUE_LOST, "the last server went down")

    def _do_in_turn(self, do: Callable[..., None], *arguments: object) -> None:
        """Act within an event of another session or of a check, which a bug here must not harm."""
        self._leave_queue()
        try:
            do(*arguments)
        except Exception:
            self._log.failure("bug in {do}", do=do)
            self._owner.broke()

    def _leave_queue(self) -> None:
        self.is_queued = False
        self.queue_seconds += self._poller.now - self._queued_at

    def _take(self, server: BackendServer) -> None:
        """Take a place on a server and try it; pause first if it is the same server again."""
        self._place = server
        tried = self.tried
        self.tried = (*tried, server)
        if not tried:
            self._attempt()
        elif tried[-1] is server:
            server.numbers[RETRIES] += 1
            self._owner.wait(min(TURNAROUND_SECONDS, self._backend.connect_seconds))
        else:
            tried[-1].numbers[REDISPATCHES] += 1
            self._attempt()

    def expired(self) -> None:
        """End the wait for a server with room, the pause before the same server, or the attempt."""
        if self.is_queued:
            self._waited()
        elif self._outgoing is None and self._stream is None:
            self._try_again()
        else:
            self._give_up()

    def _waited(self) -> None:
        self._owner.no_server(QUEUE_LATE, f"no server had room within {self._backend.queue_seconds:g} s")

    def _try_again(self) -> None:
        assert self._place is not None
        if self._place.is_usable:
            self._attempt()
        else:
            # It went down in the pause, or its name lost the address: that does not count as an attempt.
            self.tried = self.tried[:-1]
            self.cancel()
            self.begin()

    def _attempt(self) -> None:
        assert self._place is not None
        target = self._place.target
        assert target is not None
        self._owner.wait(self._backend.connect_seconds)
        outgoing = self._outgoing = Outgoing(self, target, self._header, self._poller, self._server_name)
        outgoing.begin()

    def cancel(self) -> None:
        """Give up."""
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self.is_queued:
            self._leave_queue()
            self._backend.pool.dequeue(self)
        place = self._place
        if place is not None:
            self._place = None
            self._backend.pool.leave(place, self._poller.now)

    def reached(self, stream: Stream) -> None:
        """Wait for the greeting, if the server speaks first."""
        self._outgoing = None
        self._stream = stream
        self._reader = None if self._make_reader is None else self._make_reader()
        if self._backend.greets is None:
            self._done(stream, 0)
        else:
            self._poller.ready[stream.fd] = self._on_greeting

    def unreached(self, error: OSError) -> None:
        """Try the next server."""
        outgoing = self._outgoing
        assert outgoing is not None
        self._outgoing = None
        if error.errno in EXHAUSTED:
            self._owner.no_server(NO_SOCKET, str(error.strerror))
        else:
            assert self._place is not None
            self._failed(not_reached(_reason(error), outgoing.stage, self._place.origin.tls))

    def _on_greeting(self, events: int) -> None:
        stream = self._stream
        assert stream is not None
        try:
            count = stream.read_some()
        except OSError as error:
            self._ended(_reason(error), is_silent=error.errno == errno.ECONNRESET)
            return
        if count < 0:
            self._ended("closed without a greeting", is_silent=True)
        elif count:
            stream.received += count
            if self._reader is None:
                greets = self._backend.greets
                assert greets is not None
                if greets(VIEW, 0, count):  # the usual greeting, whole and in one piece
                    self._done(stream, count)
                    return
                self._reader = GreetingReader(self._backend.protocol, after_tls=True, relays=True)
            self._read_greeting(stream, self._reader, count)

    def _read_greeting(self, stream: Stream, reader: GreetingReader, count: int) -> None:
        result = reader.receive(bytes(VIEW[:count]))
        if isinstance(result, Prelude):
            try:
                if stream.write_some(result.data) != len(result.data):
                    raise ConnectionError("the server does not read")
            except OSError as error:
                self._ended(_reason(error))
        elif result is not None and result.is_accepted:
            VIEW[: len(result.relay)] = result.relay
            self._done(stream, len(result.relay))
        elif result is not None:
            self._declined(result)

    def _ended(self, reason: str, *, is_late: bool = False, is_silent: bool = False) -> None:
        """Judge the bytes so far: no more will come. `is_silent` if the server gives no reason."""
        reader = self._reader
        greeting = Greeting(is_accepted=False, reason=reason) if reader is None else reader.end(reason)
        assert self._stream is not None
        self._declined(greeting, is_late=is_late, is_silent=is_silent and not self._stream.received)

    def _declined(self, greeting: Greeting, *, is_late: bool = False, is_silent: bool = False) -> None:
        assert self._place is not None
        failure = declined(
            greeting,
            self._header,
            has_tls=self._place.origin.tls is not None,
            distrusts=PROFILES[self._backend.settings.profile].distrusts,
            is_late=is_late,
            is_silent=is_silent,
        )
        self._failed(failure)

    def _done(self, stream: Stream, count: int) -> None:
        assert self._place is not None
        self._backend.succeeded(self._place)
        self._stream = self._place = None
        self._owner.dialled(stream, count)

    def _give_up(self) -> None:
        outgoing = self._outgoing
        seconds = f"{self._backend.connect_seconds:g} s"
        if outgoing is None:
            self._ended(f"no greeting within {seconds}", is_late=True, is_silent=True)
        else:
            assert self._place is not None
            reason = f"no {outgoing.stage} within {seconds}"
            self._failed(not_reached(reason, outgoing.stage, self._place.origin.tls, is_late=True))

    def _failed(self, failure: Failure) -> None:
        """Try the next server, unless the failure is final."""
        self._failure = failure
        server = self._place
        assert server is not None
        server.numbers[SERVER_REFUSED if failure.words else FAILED] += 1
        self.cancel()
        if failure.words:
            self._refused_by = (*self._refused_by, server)
            self._words = failure.words
        elif failure.counts != "never":
            source = network(self._source) if failure.counts == "once" else None
            self._backend.failed(server, self._poller.now, failure.reason, source)
        if failure.is_final:
            self._end()
        else:
            self.begin()

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._owner.broke()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
