"""
One client of the admin socket.

Theory of operation. A client is in one state at a time::

    idle       waits for a request; after `IDLE_SECONDS` the connection is closed
    pending    a command takes time, for example a check
    answering  writes rows, a few in each turn of the reactor, and only while the client reads
    watching   writes events as they happen (`watch.Watcher`)

The next request is read after the answer to the one before is written. So the memory of a client is bounded: one
request, one full buffer of the transport, and the bytes that a watcher keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy import __version__
from mailproxy.control.answer import Answer, Live
from mailproxy.control.answers import Answers
from mailproxy.control.grammar import BadCommand, request_of
from mailproxy.control.message import LONGEST_REQUEST, VERSION, decode, encode
from mailproxy.control.status import Status
from mailproxy.control.watch import Watch, Watcher

ROWS_PER_TURN = 32
"""The most sessions that are looked at in one turn of the reactor: half a millisecond."""

IDLE_SECONDS = 60.0
"""How long a client may stay connected without a request."""

UNREAD_SECONDS = 60.0
"""How long a client may read nothing while its answer waits."""


@implementer(IPushProducer)
class Client(Protocol):
    """A client, from its acceptance to its end."""

    transport: Any
    _log = Logger()

    def __init__(self, answers: Answers, watch: Watch, who: str, clock: IReactorTime, clients: set[Client]) -> None:
        """`who` names the client in the log; `clients` contains it while it is connected."""
        self._answers = answers
        self._watch = watch
        self._who = who
        self._clock = clock
        self._clients = clients
        self._received = b""
        self._is_idle = True
        self._is_paused = False
        self._is_over = False
        self._is_waiting = False
        self._rows: Iterator[Status | Deferred[None] | None] | None = None
        self._answer = Answer()
        self._last: Callable[[], object] | None = None
        self._lost: Callable[[], object] | None = None
        self._rows_written = 0
        self._watcher: Watcher | None = None
        self._deadline: IDelayedCall | None = None
        self._turn: IDelayedCall | None = None

    # The connection.

    def connectionMade(self) -> None:
        """Send the hello line."""
        self._clients.add(self)
        self.transport.registerProducer(self, True)
        self._write("hello", {"mailproxy": __version__, "protocol": VERSION, "pid": os.getpid()})
        self._wait(IDLE_SECONDS, self._refuse_idle)

    def dataReceived(self, data: bytes) -> None:
        """Add bytes to the request, and answer it when it is complete."""
        self._received += data
        self._begin_request()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop all work for the client."""
        self._leave()
        self._cancel_deadline()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._clients.discard(self)
        for call in (self._last, self._lost):
            if call is not None:
                call()

    def _leave(self) -> None:
        """Stop watching, cancel the timers, and leave `clients`."""
        self._is_over = True
        self._rows = None
        if self._watcher is not None:
            self._watch.leave(self._watcher)
            self._watcher = None

    def end(self) -> None:
        """Close the connection after the waiting bytes are written; abort it if the client does not read them."""
        if not self._is_over:
            self._leave()
            self._wait(UNREAD_SECONDS, self.transport.abortConnection)
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def refuse(self, words: str) -> None:
        """Send an error, and close the connection."""
        self._write("error", {"error": words})
        self.end()

    def _write(self, type: str, fields: dict[str, Any]) -> None:
        self.transport.write(encode(type, fields))

    # Time.

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._clock.callLater(seconds, self._expired, then)

    def _expired(self, then: Callable[[], object]) -> None:
        self._deadline = None
        then()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_idle(self) -> None:
        self.refuse(f"there was no request for {IDLE_SECONDS:g} s")

    # Requests.

    def _begin_request(self) -> None:
        """Begin the next request, if a whole line has arrived and no request is under way."""
        if self._watcher is not None:
            self.refuse("a client that watches cannot send other requests; open another connection for them")
            return
        if self._is_over or self._is_paused or not self._is_idle:
            self._hold()
            return
        line, end, rest = self._received.partition(b"\n")
        if len(line) > LONGEST_REQUEST:
            self._received = b""
            self.refuse(f"the request has more than {LONGEST_REQUEST} bytes")
        elif end:
            self._received = rest
            self._is_idle = False
            self._cancel_deadline()
            self._take(line)

    def _hold(self) -> None:
        """While a request is under way, stop reading after one more request."""
        if self._is_over:
            self._received = b""
        elif len(self._received) > LONGEST_REQUEST:
            self.transport.stopReading()

    def _take(self, line: bytes) -> None:
        try:
            message = decode(line)
        except ValueError as error:
            self._fail(f'a request must be a JSON object such as {{"command": "show info"}}: {error}')
            return
        try:
            answer = self._answers.answer(request_of(message), self._who)
        except BadCommand as error:
            self._fail(str(error))
        except Exception:
            self._broke()
        else:
            if isinstance(answer, Deferred):
                answer.addCallbacks(self._begin_answer, self._broke)
            elif isinstance(answer, Live):
                self._begin_watching(answer)
            else:
                self._begin_answer(answer)

    def _broke(self, failure: Failure | None = None) -> None:
        """Send the error of a request: its command is not possible, or we have a bug."""
        if failure is not None and isinstance(failure.value, BadCommand):
            if not self._is_over:
                self._fail(str(failure.value))
            return
        self._log.failure("bug in the answer to a client of the admin socket", failure)
        if not self._is_over:
            self._fail("internal error; the log of the service has the traceback")

    def _fail(self, words: str) -> None:
        self._write("error", {"error": words})
        self._be_idle()

    def _be_idle(self) -> None:
        """Wait for the next request; one that has arrived begins in another turn of the reactor."""
        self._is_idle = True
        self._wait(IDLE_SECONDS, self._refuse_idle)
        self._call_later(self._go_on)

    def _go_on(self) -> None:
        self.transport.startReading()
        self._begin_request()

    # Answers.

    def _begin_answer(self, answer: Answer) -> None:
        if not self._is_over:
            self._rows = iter(answer.rows)
            self._answer = answer
            self._rows_written = 0
            self._lost = answer.lost or self._lost
            for sock in answer.sockets:
                self.transport.sendFileDescriptor(sock.fileno())
            self._write_more()

    def _write_more(self) -> None:
        rows = self._rows
        assert rows is not None
        count = 0
        lines = []
        awaited: Deferred[None] | None = None
        try:
            for row in islice(rows, ROWS_PER_TURN):
                count += 1
                if isinstance(row, Deferred):
                    awaited = row
                    break
                if row is not None:
                    lines.append(encode("row", asdict(row)))
        except Exception:
            self._rows = None
            self._broke()
            return
        self._rows_written += len(lines)
        self.transport.write(b"".join(lines))
        if awaited is not None:
            self._is_waiting = True
            awaited.addBoth(self._row_ready)
        elif count < ROWS_PER_TURN:
            self._rows = None
            self._write("done", {"rows": self._rows_written, "message": self._answer.words})
            if self._answer.last is None:
                self._be_idle()
            else:
                self._last = self._answer.last
                self.end()
        elif not self._is_paused:
            self._call_later(self._write_more)

    def _row_ready(self, nothing: object) -> None:
        """Continue: the row that the answer waited for is ready."""
        self._is_waiting = False
        if not self._is_over and not self._is_paused:
            self._call_later(self._write_more)

    def _call_later(self, then: Callable[[], object]) -> None:
        if self._turn is None:
            self._turn = self._clock.callLater(0, self._take_turn, then)

    def _take_turn(self, then: Callable[[], object]) -> None:
        self._turn = None
        if not self._is_over:
            then()

    def _begin_watching(self, live: Live) -> None:
        self._watcher = Watcher(live.events, self.transport.write)
        if self._is_paused:
            self._watcher.pause()
        self._watch.join(self._watcher)

    # IPushProducer: follows how fast the client reads.

    def pauseProducing(self) -> None:
        """Pause writing: the client does not read."""
        self._is_paused = True
        if self._watcher is not None:
            self._watcher.pause()
        else:
            self._wait(UNREAD_SECONDS, self.transport.abortConnection)

    def resumeProducing(self) -> None:
        """Continue writing."""
        self._is_paused = False
        if self._watcher is not None:
            self._watcher.resume()
        elif self._rows is not None:
            self._cancel_deadline()
            if not self._is_waiting:
                self._call_later(self._write_more)
        elif self._is_idle and not self._is_over:
            self._be_idle()
        else:
            self._cancel_deadline()

    def stopProducing(self) -> None:
        """Stop writing: the connection is lost."""
        self._rows = None
