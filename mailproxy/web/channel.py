"""
The connection of one client: what it may send, and how long it may take.

Theory of operation. twisted.web parses requests, one after the other: while one is answered, the next one waits, and of
what the client sends meanwhile a bounded number of bytes is read. Here are the bounds that it does not have. A
connection is in one state at a time, each with its deadline::

    reading    a request is arriving, or the TLS handshake is under way; late: refused, and closed
    idle       between two requests; late: closed
    answering  no deadline, except that a client must read what was written; late: aborted
    closing    the last bytes are written; late: aborted

Requests that different programs could read differently are refused: two lengths, a length and a coding, folded headers,
other codings than chunked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from mailproxy.web.reply import as_json

LINE_BYTES = 4096
"""The most bytes of a request line, or of a header. A browser's longest header has a few hundred."""

HEADER_BYTES = 16384
"""The most bytes of all headers; browsers send about 1000, and proxies add some."""

HEADERS = 64
"""The most headers of a request."""

BODY_BYTES = 8192
"""The most bytes of a body: a command with its arguments has about 100."""

REQUEST_SECONDS = 10.0
"""How long a request may take to arrive."""

IDLE_SECONDS = 60.0
"""How long a client may stay connected without a request. Prometheus asks every 15 to 60 s."""

UNREAD_SECONDS = 30.0
"""How long a client may read nothing while bytes wait for it."""

_LINE_ENDS = re.compile(rb"[\r\n\0]")


class Channel(HTTPChannel):
    """A client, from its acceptance to its end."""

    MAX_LENGTH = LINE_BYTES
    maxHeaders = HEADERS
    totalHeadersSize = HEADER_BYTES
    timeOut = None  # the deadlines here are stricter
    transport: Any
    factory: Any
    site: Any
    requestFactory: Any
    callLater: Any

    def __init__(self, clients: set[Channel], clock: Any) -> None:
        """`clients` contains it while it is connected."""
        super().__init__()
        self._clients = clients
        self._clock = clock
        self._deadline: IDelayedCall | None = None
        self._is_ending = False
        self._is_idle = False
        self._is_unread = False
        self._is_first = True
        self._is_10 = False
        self._framing: set[bytes] = set()
        self.last: Callable[[], object] | None = None
        """Called when the connection is lost."""
        self.since = 0.0
        """When it began to wait for the client, by the reactor's clock."""
        self.is_answering = False
        """True while a request is answered."""
        self.is_spare = False
        """True if all ordinary places were taken: only health checks are answered."""

    # The connection.

    def connectionMade(self) -> None:
        """Wait for a request."""
        self._clients.add(self)
        self._wait(REQUEST_SECONDS, self._refuse_late)
        super().connectionMade()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # the base class has no annotations
        """Stop all work for the client."""
        self._clients.discard(self)
        self._cancel_deadline()
        super().connectionLost(reason)
        if self.last is not None:
            self.last()

    def loseConnection(self) -> None:
        """Close the connection after the waiting bytes are written; abort it if the client does not read them."""
        if not self._is_ending:
            self._is_ending = True
            self._wait(UNREAD_SECONDS, self.transport.abortConnection)
            super().loseConnection()

    def refuse(self, status: int, words: str) -> None:
        """Reply with an error outside of a request, and close the connection."""
        if self._is_ending:
            return
        body = as_json({"error": words})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.loseConnection()

    # Time.

    def _wait(self, seconds: float, late: Callable[[], object]) -> None:
        self._cancel_deadline()
        self.since = self._clock.seconds()
        self._deadline = self._clock.callLater(seconds, self._expired, late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self, late: Callable[[], object]) -> None:
        self._deadline = None
        late()

    def _refuse_late(self) -> None:
        self.refuse(408, f"the request was not complete after {REQUEST_SECONDS:g} s")

    # The request.

    def dataReceived(self, data: bytes) -> None:
        """Parse bytes of a request."""
        if self._is_ending:
            return
        if self._is_idle:
            self._is_idle = False
            self._wait(REQUEST_SECONDS, self._refuse_late)
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        """Take bytes of a body, or of the next request."""
        if not self._is_ending:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a request with a line that is too long."""
        self.refuse(431, f"a line of the request has more than {LINE_BYTES} bytes")

    def lineReceived(self, line: bytes) -> None:
        """Take the request line or a header, and refuse what is not one for certain."""
        if self._is_ending:
            return
        if self._is_first and line:
            self._is_first = False
            self._is_10 = line.endswith(b" HTTP/1.0")
            target = line.partition(b" ")[2]
            if not target.startswith(b"/"):
                self.refuse(400, "the target of a request has to be a path that begins with /")
                return
        elif line[:1] in (b" ", b"\t"):
            self.refuse(400, "a header that continues on another line is not allowed (RFC 9112, 5.2)")
            return
        elif _LINE_ENDS.search(line):  # Twisted refuses these as well, but not every release that we support
            self.refuse(400, "a header has a line end or a NUL in it (RFC 9110, 5.5)")
            return
        super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; return False if the request is refused."""
        name, _, value = line.partition(b":")
        objection = self._objection(name.lower(), value.strip(b" \t"))
        if objection is not None:
            self.refuse(*objection)
            return False
        return bool(super().headerReceived(line))

    def _objection(self, name: bytes, value: bytes) -> tuple[int, str] | None:
        if name not in (b"content-length", b"transfer-encoding"):
            return None
        if self._framing:
            return 400, "the length of the body is given twice (RFC 9112, 6.3)"
        self._framing.add(name)
        if name == b"transfer-encoding":
            if self._is_10 or value.lower() != b"chunked":
                return 400, "the only transfer coding is chunked, with HTTP/1.1"
        elif not (value.isdigit() and len(value) <= 10):
            return 400, "Content-Length has to be a number"
        elif int(value) > BODY_BYTES:
            return 413, f"the body has more than {BODY_BYTES} bytes"
        return None

    def allContentReceived(self) -> None:
        """Answer a whole request, unless it was refused: the rest of it may have come in the same read."""
        if self._is_ending:
            return
        self._cancel_deadline()
        self._is_first = True
        self._framing.clear()
        self.is_answering = True
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Wait for the next request, or for the client to read the rest and close."""
        self.is_answering = False
        if self.persistent and not self._is_ending:
            self._is_idle = True
            if not self._is_unread:
                self._wait(IDLE_SECONDS, self.loseConnection)
        super().requestDone(request)

    # How fast the client reads.

    def pauseProducing(self) -> None:
        """Write nothing more for now: the client does not read."""
        self._is_unread = True
        self._wait(UNREAD_SECONDS, self.transport.abortConnection)
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Continue: the client reads."""
        self._is_unread = False
        if self.is_answering:
            self._cancel_deadline()
        elif self._is_idle:
            self._wait(IDLE_SECONDS, self.loseConnection)
        super().resumeProducing()
