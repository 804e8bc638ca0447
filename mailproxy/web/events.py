"""
Live events for HTTP clients: `/api/v1/events`, as server-sent events (WHATWG HTML, 9.2).

They are those of `mailproxy ctl watch`, each as one JSON object. For a client that does not read, a bounded number of
bytes waits, then events are lost to it and counted; after a while its connection is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet.defer import Deferred

from mailproxy.config.kind import WrongValue
from mailproxy.control.argument import ARGUMENTS
from mailproxy.control.backlog import Backlog
from mailproxy.control.watch import Watch, Watcher
from mailproxy.web.reply import EVENTS, Refused, Stream
from mailproxy.web.request import Request

PULSE_SECONDS = 15.0
"""The time without an event after which a comment is sent: proxies close silent connections, often after 60 s."""

PULSE = b": \n\n"

RETRY = b"retry: 3000\n\n"
"""How long a browser waits before it connects again, in milliseconds."""


def events(request: Request, watch: Watch, reactor: Any) -> Stream:
    """Return the stream of events that a request asks for."""
    kinds = request.argument("events") or "all"
    try:
        ARGUMENTS["events"].read(kinds)
    except WrongValue as error:
        raise Refused(400, f"EVENTS {error}") from None
    return Stream(_events(kinds, watch, reactor), EVENTS)


async def _events(kinds: str, watch: Watch, reactor: Any) -> AsyncGenerator[bytes, None]:
    queue = Queue(reactor)
    watcher = Watcher(kinds, queue.put)
    watch.join(watcher)
    try:
        yield RETRY
        while True:
            yield await queue.take()
    finally:
        watch.leave(watcher)


class Queue:
    """The events that wait until the client has read the previous ones."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._backlog = Backlog()
        self._taker: Deferred[None] | None = None

    def put(self, line: bytes) -> None:
        """Add an event, or count it as lost."""
        self._backlog.add(line)
        if self._taker is not None:
            # Later, so that one piece has all events of this moment, and none is written while others are sent.
            taker, self._taker = self._taker, None
            self._reactor.callLater(0, _wake, taker)

    async def take(self) -> bytes:
        """Return the waiting events, when there are some; or a pulse."""
        if not self._backlog:
            self._taker = Deferred()
            self._taker.addTimeout(PULSE_SECONDS, self._reactor, lambda result, seconds: None)
            await self._taker
            self._taker = None
        lines = []
        while self._backlog:
            lines.append(b"data: " + self._backlog.pop() + b"\n")
        return b"".join(lines) or PULSE


def _wake(taker: Deferred[None]) -> None:
    if not taker.called:
        taker.callback(None)
