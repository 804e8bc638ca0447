"""One request of a client, and how its reply is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.http import Request as TwistedRequest
from twisted.web.http import datetimeToString
from zope.interface import implementer

from mailproxy.web.channel import BODY_BYTES
from mailproxy.web.reply import Reply, Stream

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every reply."""


@implementer(IPushProducer)
class Request(TwistedRequest):
    """A request; the factory of its channel answers it."""

    channel: Any
    content: Any

    def __init__(self, channel: Any, *ignored: object) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)
        self._answering: Deferred[None] | None = None
        self._awaited: Deferred[None] | None = None
        self._is_paused = False

    def gotLength(self, length: int | None) -> None:
        """Keep the body in memory: it is small."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.content.tell() + len(data) > BODY_BYTES:
            self.channel.refuse(413, f"the body has more than {BODY_BYTES} bytes")
        else:
            self.content.write(data)

    def process(self) -> None:
        """Answer the request."""
        self._answering = Deferred.fromCoroutine(self.channel.site.answer(self))

    def connectionLost(self, reason: Failure) -> None:
        """Stop answering: the client has left."""
        super().connectionLost(reason)
        self.notifications = []
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None

    # What it says.

    @property
    def verb(self) -> str:
        """The method."""
        return str(self.method, "ascii")

    @property
    def where(self) -> str:
        """The path."""
        return str(self.path, "latin-1")

    def header(self, name: str) -> str | None:
        """Return a header, or None; several of the same name are joined by commas (RFC 9110, 5.3)."""
        values = self.headers(name)
        return ", ".join(values) if values else None

    def headers(self, name: str) -> list[str]:
        """Return the values of the headers with this name; they may have any bytes (RFC 9110, 5.5)."""
        return [value.decode("latin-1") for value in self.requestHeaders.getRawHeaders(name.encode()) or []]

    def argument(self, name: str) -> str:
        """Return an argument of the query; "" if it is absent."""
        return self.arguments.get(name, "")

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of the query, by name; the last one of a name counts."""
        return {
            name.decode("utf-8", "replace"): values[-1].decode("utf-8", "replace")
            for name, values in (self.args or {}).items()
        }

    @property
    def repeated(self) -> str | None:
        """The name of an argument that the query has more than once; None if there is none."""
        found = (name for name, values in (self.args or {}).items() if len(values) > 1)
        return next((name.decode("utf-8", "replace") for name in found), None)

    @property
    def body(self) -> bytes:
        """The body."""
        return bytes(self.content.getvalue())

    @property
    def peer(self) -> str:
        """The client, in words."""
        host = getattr(self.client, "host", None)
        return "an HTTP client of the UNIX socket" if host is None else f"HTTP client {host}"

    # The reply.

    def reply(self, reply: Reply) -> None:
        """Write a whole reply."""
        self._begin(reply.status, reply.type, reply.headers)
        if reply.status != 304:
            self.setHeader("Content-Length", str(len(reply.body)))
        self.write(reply.body)
        self.finish()

    def _begin(self, status: int, type: str, headers: Any = ()) -> None:
        self.setResponseCode(status)
        for name, value in {**HEADERS, "Content-Type": type, **dict(headers)}.items():
            self.responseHeaders.setRawHeaders(name, [value] if isinstance(value, str) else list(value))
        self.setHeader("Date", datetimeToString())

    async def stream(self, stream: Stream) -> None:
        """Write a reply in pieces, as the client reads them."""
        self._begin(200, stream.type)
        async with aclosing(stream.pieces) as pieces:
            if self.verb == "HEAD":
                self.write(b"")
            else:
                self.registerProducer(self, True)
                try:
                    async for piece in pieces:
                        self.write(piece)
                        if self._is_paused:
                            self._awaited = Deferred()
                            await self._awaited
                finally:
                    if self.channel is not None:  # else the client has left
                        self.unregisterProducer()
        self.finish()

    def pauseProducing(self) -> None:
        """Make no further piece: the client does not read."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Continue: the client reads."""
        self._is_paused = False
        if self._awaited is not None:
            awaited, self._awaited = self._awaited, None
            awaited.callback(None)

    def stopProducing(self) -> None:
        """Make no further piece: the connection is lost."""
        self._is_paused = True

    def close_and(self, last: Callable[[], object]) -> None:
        """Close the connection after the reply, and call `last` when that is done."""
        self.setHeader("Connection", "close")
        self.channel.persistent = False
        self.channel.last = last

    def abort(self) -> None:
        """Close the connection at once, so that the client sees that the reply is not whole."""
        self.channel.transport.abortConnection()
