"""
Live events for clients that watch.

They are the events of the log, of all levels, and sessions that begin. The log has an observer only while a client
watches, so without watchers they cost nothing. For a watcher that does not read, a bounded number of bytes waits;
further events are lost to it and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from mailproxy.control.message import encode
from mailproxy.log.format import as_json

WAITING_BYTES = 256 * 1024
"""The most bytes that wait for a watcher: about a second of events of a very busy service."""

_SESSIONS = frozenset({"session-begin", "session"})
_SERVERS = frozenset({"server", "no-server", "check", "header"})


class Watcher:
    """One client that watches, from `Watch.join` to `Watch.leave`."""

    def __init__(self, events: str, write: Callable[[bytes], object]) -> None:
        """`events` selects the events: "all", "sessions" or "servers"."""
        self._events = events
        self._write = write
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._is_paused = False

    def wants(self, event: LogEvent) -> bool:
        """Return whether the watcher wants an event."""
        kind = event.get("event")
        if self._events == "sessions":
            return kind in _SESSIONS
        if self._events == "servers":
            return kind in _SERVERS
        return True

    def tell(self, line: bytes) -> None:
        """Write an event, or keep it while the client does not read, or count it as lost."""
        if not self._is_paused:
            self._write(line)
        elif self._lost or self._size + len(line) > WAITING_BYTES:
            self._lost += 1
        else:
            self._waiting.append(line)
            self._size += len(line)

    def pause(self) -> None:
        """Keep further events: the client does not read."""
        self._is_paused = True

    def resume(self) -> None:
        """Write the kept events, and then the number of lost ones."""
        self._is_paused = False
        while self._waiting and not self._is_paused:
            line = self._waiting.popleft()
            self._size -= len(line)
            self._write(line)
        if self._lost and not self._is_paused:
            lost, self._lost = self._lost, 0
            self._write(encode("lost", {"events": lost}))


class Publisher(Protocol):
    """Sends events to observers: `twisted.logger.LogPublisher`, or one that adds the events of other processes."""

    def addObserver(self, observer: Any) -> None:
        """Send events to an observer from now on."""

    def removeObserver(self, observer: Any) -> None:
        """Stop sending events to an observer."""


@implementer(ILogObserver)
class Watch:
    """All watchers of a service, as one observer of its log."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Send events to a watcher from now on."""
        if not self._watchers:
            self._publisher.addObserver(self)
        self._watchers.append(watcher)

    def leave(self, watcher: Watcher) -> None:
        """Stop sending events to a watcher."""
        self._watchers.remove(watcher)
        if not self._watchers:
            self._publisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """Send an event to the watchers that want it."""
        level = event.get("log_level", LogLevel.info)
        if not event.get("log_namespace", "").startswith("mailproxy"):
            return
        line = b""
        for watcher in tuple(self._watchers):
            if watcher.wants(event):
                line = line or _line(event, level.name)
                watcher.tell(line)


def _line(event: LogEvent, level: str) -> bytes:
    # The JSON object of the log line, with one more field at the front.
    return b'{"type": "event", ' + as_json(event, level)[1:].encode() + b"\n"
